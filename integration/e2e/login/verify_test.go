package login

import (
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// TestTokensRefusedByTheDatabase lets tokens fail in the database's own eyes: its
// text is kept and explained.
func TestTokensRefusedByTheDatabase(t *testing.T) {
	tests := []struct {
		name   string
		keys   lab.Credentials // what the database knows
		tweak  func(*pgserver.Config)
		reason string // in the database's log of logins
	}{
		{"expired", rig.Shared.Keys, func(c *pgserver.Config) {
			c.Now = func() time.Time { return time.Now().Add(20 * time.Minute) }
		}, "expired"},
		{"foreign", lab.NewCredentials(), nil, "key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			db := rig.StartDatabase(t, test.keys, test.tweak)
			w := rig.Start(t, rig.Setup{Database: db})
			got := w.Refused("")
			for range 2 { // whose the keys are is asked for three seconds, which may not do on a busy machine
				if !strings.Contains(got.Detail, lab.ARN) {
					got = w.Refused("")
				}
			}
			if got.Code != "28000" || !strings.Contains(got.Message, "authentication failed") || !strings.Contains(got.Detail, lab.ARN) || got.Hint == "" {
				t.Errorf("refused with %+v, want 28000 in the database's words, the identity in DETAIL and a HINT", got)
			}
			logins := db.Logins()
			if len(logins) == 0 || logins[len(logins)-1].OK || !strings.Contains(logins[len(logins)-1].Reason, test.reason) {
				t.Errorf("logins = %+v, want one refused for %q", logins, test.reason)
			}
		})
	}
}
