package pgserver

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	signingAlgorithm = "AWS4-HMAC-SHA256"
	signingTime      = "20060102T150405Z" // layout of X-Amz-Date
	maxExpires       = 900                // seconds; RDS refuses tokens made for longer
	maxSkew          = 5 * time.Minute    // how far ahead of us a signer's clock may be: SigV4's own
)

// Verifier checks IAM tokens for one endpoint by code of its own. It is safe for concurrent
// use.
type Verifier struct{ verifier }

// NewVerifier makes one for tokens that are signed for endpoint ("host:port") in region, by
// one of keys.
func NewVerifier(endpoint, region string, keys map[string]Key) *Verifier {
	return &Verifier{verifier{endpoint: endpoint, region: region, keys: maps.Clone(keys), now: time.Now}}
}

// Verify returns the access key id that the token names, as far as it gets, and why the
// token is no password for user.
func (v *Verifier) Verify(user, token string) (accessKey string, err error) {
	return v.verify(user, token)
}

// SignToken makes a token with which user logs in at endpoint ("host:port"), signed by the
// key that has the id. An RDS Proxy logs in so.
func SignToken(endpoint, region, user, id string, key Key, now time.Time) string {
	now = now.UTC()
	scope := [4]string{now.Format("20060102"), region, "rds-db", "aws4_request"}
	t := signedURL{host: endpoint, query: map[string]string{
		"Action": "connect", "DBUser": user, "X-Amz-Algorithm": signingAlgorithm, "X-Amz-SignedHeaders": "host",
		"X-Amz-Credential": id + "/" + strings.Join(scope[:], "/"), "X-Amz-Date": now.Format(signingTime), "X-Amz-Expires": strconv.Itoa(maxExpires),
	}}
	if key.SessionToken != "" {
		t.query["X-Amz-Security-Token"] = key.SessionToken
	}
	return endpoint + "/?" + t.canonicalQuery() + "&X-Amz-Signature=" + t.signature(key.Secret, scope)
}

// verifier checks IAM tokens as RDS does, and stricter where RDS is unknown.
type verifier struct {
	keys map[string]Key
	now  func() time.Time

	mu       sync.Mutex
	endpoint string   // host:port tokens must be signed for
	also     []string // or one of these
	region   string
}

// signFor changes what tokens must be signed for.
func (v *verifier) signFor(endpoint, region string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.endpoint, v.also, v.region = endpoint, nil, region
}

// wants is the endpoint of those that tokens may be signed for that host is, or the first;
// and the region.
func (v *verifier) wants(host string) (endpoint, region string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if slices.Contains(v.also, host) {
		return host, v.region
	}
	return v.endpoint, v.region
}

// verify checks token as user's password. It returns the access key id that the
// token names, if it gets that far, and why the token is refused. No error holds
// a part of the token that would help anybody to log in.
func (v *verifier) verify(user, token string) (accessKey string, err error) {
	return checkToken(token, v.keys, v.now(), func(host string) signedFor {
		endpoint, region := v.wants(host)
		return signedFor{hostIs: "host and port", host: endpoint, action: "connect", user: user, region: region, service: "rds-db", maxExpires: maxExpires}
	})
}

// signedFor is what a token must be signed for.
type signedFor struct {
	hostIs          string // what host is, for people
	host, action    string
	user            string // DBUser; "" where the token names none
	region, service string
	maxExpires      int // seconds
}

// checkToken checks a token by the secret of the key that it names. wants says what a token
// for a host must be signed for. What it returns is as verify says.
//
// Source: Signature Version 4, "Authenticating Requests: Using Query Parameters".
func checkToken(token string, keys map[string]Key, now time.Time, wants func(host string) signedFor) (accessKey string, err error) {
	t, err := parseToken(token)
	if err != nil {
		return "", err
	}
	accessKey, scope, err := t.credential()
	if err != nil {
		return "", err
	}
	key, ok := keys[accessKey]
	if !ok {
		return accessKey, fmt.Errorf("access key %q is not known", accessKey)
	}
	signed, err := time.Parse(signingTime, t.query["X-Amz-Date"])
	if err != nil {
		return accessKey, fmt.Errorf("X-Amz-Date %q is no date", t.query["X-Amz-Date"])
	}
	if got := t.query["X-Amz-Security-Token"]; !hmac.Equal([]byte(got), []byte(key.SessionToken)) {
		return accessKey, fmt.Errorf("session token is not that of access key %q", accessKey)
	}
	want := wants(t.host)
	for _, c := range []struct{ what, got, want string }{
		{want.hostIs, t.host, want.host},
		{"Action", t.query["Action"], want.action},
		{"DBUser", t.query["DBUser"], want.user},
		{"X-Amz-Algorithm", t.query["X-Amz-Algorithm"], signingAlgorithm},
		{"X-Amz-SignedHeaders", t.query["X-Amz-SignedHeaders"], "host"},
		{"credential date", scope[0], signed.Format("20060102")},
		{"credential region", scope[1], want.region},
		{"credential service", scope[2], want.service},
		{"credential terminator", scope[3], "aws4_request"},
	} {
		if c.got != c.want {
			return accessKey, fmt.Errorf("%s of the token is %q, want %q", c.what, c.got, c.want)
		}
	}
	if err := checkTime(signed, t.query["X-Amz-Expires"], now, want.maxExpires); err != nil {
		return accessKey, err
	}
	if !hmac.Equal([]byte(t.query["X-Amz-Signature"]), []byte(t.signature(key.Secret, scope))) {
		return accessKey, errors.New("signature does not match")
	}
	return accessKey, nil
}

func checkTime(signed time.Time, expires string, now time.Time, most int) error {
	seconds, err := strconv.Atoi(expires)
	if err != nil || seconds < 1 || seconds > most {
		return fmt.Errorf("X-Amz-Expires is %q, want 1 to %d seconds", expires, most)
	}
	if ahead := signed.Sub(now); ahead > maxSkew {
		return fmt.Errorf("token is dated %v in the future", ahead.Round(time.Second))
	}
	if age := now.Sub(signed) - time.Duration(seconds)*time.Second; age >= 0 {
		return fmt.Errorf("token expired %v ago", age.Round(time.Second))
	}
	return nil
}

// signedURL is a presigned GET without its scheme, taken apart.
type signedURL struct {
	host  string            // with port, as written
	query map[string]string // decoded; every name once
}

// parseToken takes a token apart. SDKs leave out the slash before the question
// mark or write it; both sign the path "/".
func parseToken(token string) (signedURL, error) {
	host, rawQuery, ok := strings.Cut(token, "?")
	if !ok {
		return signedURL{}, errors.New("password is not an IAM token")
	}
	t := signedURL{host: strings.TrimSuffix(host, "/"), query: make(map[string]string)}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.PathUnescape(rawName) // a plus sign is a plus sign in SigV4
		if err != nil {
			return signedURL{}, errors.New("token has a parameter with a wrong escape in its name")
		}
		value, err := url.PathUnescape(rawValue)
		if err != nil {
			return signedURL{}, fmt.Errorf("parameter %q of the token has a wrong escape", name)
		}
		if _, twice := t.query[name]; twice {
			return signedURL{}, fmt.Errorf("parameter %q of the token appears twice", name)
		}
		t.query[name] = value
	}
	return t, nil
}

// credential splits X-Amz-Credential: access key id, then date, region, service
// and terminator.
func (t signedURL) credential() (accessKey string, scope [4]string, err error) {
	parts := strings.Split(t.query["X-Amz-Credential"], "/")
	if len(parts) != 5 {
		return "", scope, errors.New("X-Amz-Credential of the token has not five parts")
	}
	copy(scope[:], parts[1:])
	return parts[0], scope, nil
}

// signature is what X-Amz-Signature must be for this request and secret.
func (t signedURL) signature(secret string, scope [4]string) string {
	canonical := strings.Join([]string{
		"GET", "/", t.canonicalQuery(), "host:" + t.host, "", "host", hexHash(""),
	}, "\n")
	toSign := strings.Join([]string{
		signingAlgorithm, t.query["X-Amz-Date"], strings.Join(scope[:], "/"), hexHash(canonical),
	}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range scope {
		key = keyedHash(key, part)
	}
	return hex.EncodeToString(keyedHash(key, toSign))
}

// canonicalQuery encodes the parameters anew, without the signature, ordered by
// encoded name.
func (t signedURL) canonicalQuery() string {
	type param struct{ name, value string }
	var params []param
	for name, value := range t.query {
		if name != "X-Amz-Signature" {
			params = append(params, param{escape(name), escape(value)})
		}
	}
	slices.SortFunc(params, func(a, b param) int { return cmp.Compare(a.name, b.name) })
	var b strings.Builder
	for i, p := range params {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name + "=" + p.value)
	}
	return b.String()
}

// escape percent-encodes all but the unreserved characters of RFC 3986 section
// 2.3, which SigV4 asks for and net/url's functions don't do.
func escape(s string) string {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(unreserved, s[i]) >= 0 {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
	}
	return b.String()
}

func hexHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func keyedHash(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}
