package awsemu

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signature Version 4 as a service checks it, written from the IAM user guide
// ("Create a signed AWS API request").

const (
	sigAlgorithm = "AWS4-HMAC-SHA256"
	sigDate      = "20060102T150405Z"
	sigSkew      = 5 * time.Minute

	// iamRegion is where IAM is signed for when its own endpoint is asked; at
	// another endpoint clients take their own region.
	iamRegion = "us-east-1"
)

var errSignature = failed("InvalidSignatureException",
	"The request signature we calculated does not match the signature you provided. "+
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")

// authorization is a parsed Authorization header.
type authorization struct {
	key, date, region, service string
	signed                     []string // header names
	signature                  string
}

// verify checks a request's signature for service and returns who made it.
func (e *Emulator) verify(r *http.Request, body []byte, service string) (Caller, *apiError) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return Caller{}, failed("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	auth, ok := parseAuthorization(header)
	if !ok {
		return Caller{}, failed("IncompleteSignatureException", "Authorization header is not of the form AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…")
	}
	caller, ok := e.cfg.Callers[auth.key]
	if !ok || r.Header.Get("X-Amz-Security-Token") != caller.SessionToken {
		return Caller{}, failed("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if auth.service != service || auth.region != e.cfg.Region && !slices.Contains(e.cfg.Regions, auth.region) && !(service == "iam" && auth.region == iamRegion) {
		return Caller{}, failed("InvalidSignatureException", "Credential should be scoped to a valid region and to the correct service.")
	}
	stamp := r.Header.Get("X-Amz-Date")
	at, err := time.Parse(sigDate, stamp)
	if err != nil || !strings.HasPrefix(stamp, auth.date) {
		return Caller{}, failed("IncompleteSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP")
	}
	if e.now().Sub(at).Abs() > sigSkew {
		return Caller{}, failed("InvalidSignatureException", "Signature expired: "+stamp+" is more than 5 min. from the service's time")
	}
	if !signsEnough(r, auth.signed) {
		return Caller{}, errSignature
	}
	hash := hexSum(body)
	if sent := r.Header.Get("X-Amz-Content-Sha256"); sent != "" && sent != hash {
		return Caller{}, errSignature
	}
	scope := strings.Join([]string{auth.date, auth.region, auth.service, "aws4_request"}, "/")
	toSign := strings.Join([]string{sigAlgorithm, stamp, scope, hexSum([]byte(canonicalRequest(r, auth.signed, hash)))}, "\n")
	key := []byte("AWS4" + caller.SecretAccessKey)
	for _, part := range []string{auth.date, auth.region, auth.service, "aws4_request", toSign} {
		key = hmacSum(key, part)
	}
	if !hmac.Equal([]byte(hex.EncodeToString(key)), []byte(auth.signature)) {
		return Caller{}, errSignature
	}
	if caller.Expired {
		return Caller{}, failed("ExpiredTokenException", "The security token included in the request is expired")
	}
	if caller.UserID == "" {
		caller.UserID = auth.key
	}
	caller.region = auth.region
	return caller, nil
}

// parseAuthorization reads "AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request,
// SignedHeaders=a;b, Signature=…".
func parseAuthorization(header string) (a authorization, ok bool) {
	rest, ok := strings.CutPrefix(header, sigAlgorithm+" ")
	if !ok {
		return a, false
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[name] = value
	}
	scope := strings.Split(parts["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" || parts["SignedHeaders"] == "" || parts["Signature"] == "" {
		return a, false
	}
	return authorization{
		key: scope[0], date: scope[1], region: scope[2], service: scope[3],
		signed: strings.Split(parts["SignedHeaders"], ";"), signature: parts["Signature"],
	}, true
}

// signsEnough says whether host and every x-amz- header are among the signed
// ones, which are sorted.
func signsEnough(r *http.Request, signed []string) bool {
	if !slices.IsSorted(signed) || !slices.Contains(signed, "host") {
		return false
	}
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(signed, lower) {
			return false
		}
	}
	return true
}

func canonicalRequest(r *http.Request, signed []string, hash string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + canonicalPath(r.RequestURI) + "\n" + canonicalQuery(r.RequestURI) + "\n")
	for _, name := range signed {
		b.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + hash)
	return b.String()
}

// headerValue is a header's values trimmed, inner spaces squeezed, comma-joined.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	values := slices.Clone(r.Header.Values(name))
	for i, v := range values {
		values[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(values, ",")
}

// canonicalPath is the path on the wire, escaped once more: every service but
// S3 signs it so.
func canonicalPath(uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = escape(s)
	}
	return strings.Join(segments, "/")
}

// canonicalQuery sorts the parsed query and escapes it anew. Parsing takes a
// raw + for a space, so what is checked is %20, as the clients sign it, whatever
// the wire carries.
func canonicalQuery(uri string) string {
	_, raw, _ := strings.Cut(uri, "?")
	query, err := url.ParseQuery(raw)
	if err != nil {
		return "" // matches no signature
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for _, value := range slices.Sorted(slices.Values(query[name])) {
			pairs = append(pairs, escape(name)+"="+escape(value))
		}
	}
	return strings.Join(pairs, "&")
}

// escape leaves RFC 3986's unreserved characters and escapes the rest.
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func hmacSum(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
