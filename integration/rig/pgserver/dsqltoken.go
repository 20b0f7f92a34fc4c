package pgserver

import "time"

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
	now := time.Now
	if d.Now != nil {
		now = d.Now
	}
	action := "DbConnect"
	if user == "admin" {
		action = "DbConnectAdmin"
	}
	return checkToken(token, d.Keys, now(), func(string) signedFor {
		return signedFor{hostIs: "host", host: d.Host, action: action, region: d.Region, service: "dsql", maxExpires: maxDSQLExpires}
	})
}
