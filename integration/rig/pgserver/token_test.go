package pgserver

import (
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Tokens signed by hand for these, so that parts can be wrong that no SDK gets
// wrong.
const handEndpoint = testHost + ":5432"

var handTime = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func handVerifier(now time.Time) *verifier {
	return &verifier{
		endpoint: handEndpoint,
		region:   testRegion,
		keys:     map[string]Key{testKeyID: {Secret: testSecret}},
		now:      func() time.Time { return now },
	}
}

// handSign makes a token with changed parameters, correctly signed for them by
// net/url's encoding. A nil change leaves a good token.
func handSign(change map[string]string) string {
	query := map[string]string{
		"Action":              "connect",
		"DBUser":              AppUser,
		"X-Amz-Algorithm":     "AWS4-HMAC-SHA256",
		"X-Amz-Credential":    testKeyID + "/20260304/" + testRegion + "/rds-db/aws4_request",
		"X-Amz-Date":          "20260304T050607Z",
		"X-Amz-Expires":       "900",
		"X-Amz-SignedHeaders": "host",
	}
	maps.Copy(query, change)
	t := signedURL{host: handEndpoint, query: query}
	values := url.Values{}
	for name, value := range query {
		values.Set(name, value)
	}
	if _, scope, err := t.credential(); err == nil {
		values.Set("X-Amz-Signature", t.signature(testSecret, scope))
	}
	return handEndpoint + "/?" + strings.ReplaceAll(values.Encode(), "+", "%20")
}

// The signature of the unchanged token, computed outside Go from the canonical
// request written out by hand.
const handSignature = "7364dd632d3b20d59c86ad05ab2aad0a9f493f273efc5ee3f40fd013294320f7"

func TestSignatureVector(t *testing.T) {
	if token := handSign(nil); !strings.Contains(token, "X-Amz-Signature="+handSignature) {
		t.Errorf("token is %s, want signature %s", token, handSignature)
	}
}

// A token of an RDS Proxy's own is as good as an SDK's.
func TestSignToken(t *testing.T) {
	if token := SignToken(handEndpoint, testRegion, AppUser, testKeyID, Key{Secret: testSecret}, handTime); !strings.HasSuffix(token, "X-Amz-Signature="+handSignature) {
		t.Errorf("token is %s, want signature %s", token, handSignature)
	}
	v := NewVerifier("other:5432", testRegion, map[string]Key{"x": {Secret: "s", SessionToken: "a+b/c="}})
	if key, err := v.Verify("ada l", SignToken("other:5432", testRegion, "ada l", "x", Key{Secret: "s", SessionToken: "a+b/c="}, time.Now())); err != nil || key != "x" {
		t.Errorf("key %q, %v", key, err)
	}
}

func TestVerify(t *testing.T) {
	credential := func(parts ...string) map[string]string {
		return map[string]string{"X-Amz-Credential": strings.Join(parts, "/")}
	}
	for _, tt := range []struct {
		name   string
		token  string
		user   string
		age    time.Duration
		reason string // a part of it; empty: accepted
	}{
		{name: "good", token: handSign(nil)},
		{name: "without slash", token: strings.Replace(handSign(nil), "/?", "?", 1)},
		{name: "with a parameter more", token: handSign(map[string]string{"X-Amz-User-Agent": "an sdk"})},
		{name: "user with odd characters", token: handSign(map[string]string{"DBUser": "a b+c/d@é~*"}), user: "a b+c/d@é~*"},
		{name: "at its last moment", token: handSign(nil), age: 15*time.Minute - time.Nanosecond},
		{name: "expired", token: handSign(nil), age: 15 * time.Minute, reason: "token expired 0s ago"},
		{name: "short expiry", token: handSign(map[string]string{"X-Amz-Expires": "60"}), age: 70 * time.Second, reason: "token expired 10s ago"},
		{name: "clock just ahead", token: handSign(nil), age: -5 * time.Minute},
		{name: "clock far ahead", token: handSign(nil), age: -5*time.Minute - time.Second, reason: "5m1s in the future"},
		{name: "made for too long", token: handSign(map[string]string{"X-Amz-Expires": "901"}), reason: `X-Amz-Expires is "901"`},
		{name: "expires at once", token: handSign(map[string]string{"X-Amz-Expires": "0"}), reason: "X-Amz-Expires"},
		{name: "expires when?", token: handSign(map[string]string{"X-Amz-Expires": "soon"}), reason: "X-Amz-Expires"},
		{name: "other algorithm", token: handSign(map[string]string{"X-Amz-Algorithm": "AWS4-ECDSA-P256-SHA256"}), reason: "X-Amz-Algorithm"},
		{name: "other action", token: handSign(map[string]string{"Action": "DbConnect"}), reason: "Action"},
		{name: "more headers", token: handSign(map[string]string{"X-Amz-SignedHeaders": "host;x-amz-date"}), reason: "X-Amz-SignedHeaders"},
		{name: "other user", token: handSign(map[string]string{"DBUser": "App_User"}), reason: "DBUser"},
		{name: "not a date", token: handSign(map[string]string{"X-Amz-Date": "2026-03-04"}), reason: "is no date"},
		{name: "scope of another day", token: handSign(credential(testKeyID, "20260305", testRegion, "rds-db", "aws4_request")), reason: "credential date"},
		{name: "scope of another region", token: handSign(credential(testKeyID, "20260304", "us-east-1", "rds-db", "aws4_request")), reason: "credential region"},
		{name: "scope of another service", token: handSign(credential(testKeyID, "20260304", testRegion, "dsql", "aws4_request")), reason: "credential service"},
		{name: "scope without end", token: handSign(credential(testKeyID, "20260304", testRegion, "rds-db", "aws5_request")), reason: "credential terminator"},
		{name: "short scope", token: handSign(credential(testKeyID, "20260304", testRegion)), reason: "five parts"},
		{name: "unknown key", token: handSign(credential("AKIASOMEBODY", "20260304", testRegion, "rds-db", "aws4_request")), reason: "not known"},
		{name: "session token from nowhere", token: handSign(map[string]string{"X-Amz-Security-Token": "x"}), reason: "session token"},
		{name: "upper-case host", token: strings.Replace(handSign(nil), "orders", "Orders", 1), reason: "host and port"},
		{name: "two slashes", token: strings.Replace(handSign(nil), "/?", "//?", 1), reason: "host and port"},
		{name: "with a scheme", token: "https://" + handSign(nil), reason: "host and port"},
		{name: "signed with something else", token: handSign(nil) + "&X-Amz-Meta=1", reason: "signature"},
		{name: "user twice", token: handSign(nil) + "&DBUser=" + AppUser, reason: `"DBUser" of the token appears twice`},
		{name: "signature twice", token: handSign(nil) + "&X-Amz-Signature=0", reason: "twice"},
		{name: "signature in upper case", token: upperSignature(handSign(nil)), reason: "signature"},
		{name: "no signature", token: cutSignature(handSign(nil)), reason: "signature"},
		{name: "wrong escape", token: handSign(nil) + "&x=%zz", reason: "wrong escape"},
		{name: "wrong escape in a name", token: handSign(nil) + "&%zz=x", reason: "wrong escape"},
		{name: "only a query", token: "?", reason: "five parts"},
		{name: "empty", token: "", reason: "not an IAM token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			user := tt.user
			if user == "" {
				user = AppUser
			}
			_, err := handVerifier(handTime.Add(tt.age)).verify(user, tt.token)
			switch {
			case tt.reason == "" && err != nil:
				t.Errorf("refused: %v; want accepted", err)
			case tt.reason != "" && err == nil:
				t.Errorf("accepted; want a refusal with %q", tt.reason)
			case tt.reason != "" && !strings.Contains(err.Error(), tt.reason):
				t.Errorf("refused: %v; want a refusal with %q", err, tt.reason)
			}
		})
	}
}

func upperSignature(token string) string {
	before, signature, _ := strings.Cut(token, "X-Amz-Signature=")
	digits, after, _ := strings.Cut(signature, "&")
	return strings.TrimSuffix(before+"X-Amz-Signature="+strings.ToUpper(digits)+"&"+after, "&")
}

func cutSignature(token string) string {
	before, signature, _ := strings.Cut(token, "&X-Amz-Signature=")
	_, after, _ := strings.Cut(signature, "&")
	return strings.TrimSuffix(before+"&"+after, "&")
}

// FuzzVerify changes a good token: whatever is still accepted must say the same.
func FuzzVerify(f *testing.F) {
	good := handSign(nil)
	want, err := parseToken(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(strings.Replace(good, "/?", "?", 1))
	f.Add(strings.Replace(good, "%2F", "%2f", 1))
	f.Add(good + "&&=%")
	f.Add("?X-Amz-Credential=////")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := handVerifier(handTime).verify(AppUser, token); err != nil {
			return
		}
		got, err := parseToken(token)
		if err != nil || got.host != want.host || !maps.Equal(got.query, want.query) {
			t.Errorf("accepted %q, which is not the token that was signed", token)
		}
	})
}
