package pgserver

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"time"
)

// maxDSQLExpires is a week, the longest that a token of DSQL may be made for, in seconds.
const maxDSQLExpires = 7 * 24 * 60 * 60

// DSQLTokens checks tokens as Aurora DSQL does: signed for the service dsql and for the
// host alone, with an Action that depends on the user and nothing else that names it.
type DSQLTokens struct {
	Host, Region string
	Keys         map[string]Key   // by access key id
	Now          func() time.Time // nil means time.Now
}

// Verify checks token as user's password. accessKey is the one that the token names, if it
// gets that far.
//
// Source: Aurora DSQL user guide, authentication-token.html.
func (d DSQLTokens) Verify(user, token string) (accessKey string, err error) {
	t, err := parseToken(token)
	if err != nil {
		return "", err
	}
	accessKey, scope, err := t.credential()
	if err != nil {
		return "", err
	}
	key, ok := d.Keys[accessKey]
	if !ok {
		return accessKey, fmt.Errorf("access key %q is not known", accessKey)
	}
	signed, err := time.Parse(signingTime, t.query["X-Amz-Date"])
	if err != nil {
		return accessKey, fmt.Errorf("X-Amz-Date %q is no date", t.query["X-Amz-Date"])
	}
	if !hmac.Equal([]byte(t.query["X-Amz-Security-Token"]), []byte(key.SessionToken)) {
		return accessKey, fmt.Errorf("session token is not that of access key %q", accessKey)
	}
	action := "DbConnect"
	if user == "admin" {
		action = "DbConnectAdmin"
	}
	for _, c := range []struct{ what, got, want string }{
		{"host", t.host, d.Host},
		{"Action", t.query["Action"], action},
		{"DBUser", t.query["DBUser"], ""},
		{"X-Amz-Algorithm", t.query["X-Amz-Algorithm"], signingAlgorithm},
		{"X-Amz-SignedHeaders", t.query["X-Amz-SignedHeaders"], "host"},
		{"credential date", scope[0], signed.Format("20060102")},
		{"credential region", scope[1], d.Region},
		{"credential service", scope[2], "dsql"},
		{"credential terminator", scope[3], "aws4_request"},
	} {
		if c.got != c.want {
			return accessKey, fmt.Errorf("%s of the token is %q, want %q", c.what, c.got, c.want)
		}
	}
	now := time.Now
	if d.Now != nil {
		now = d.Now
	}
	if err := checkTime(signed, t.query["X-Amz-Expires"], now(), maxDSQLExpires); err != nil {
		return accessKey, err
	}
	if !hmac.Equal([]byte(t.query["X-Amz-Signature"]), []byte(t.signature(key.Secret, scope))) {
		return accessKey, errors.New("signature does not match")
	}
	return accessKey, nil
}
