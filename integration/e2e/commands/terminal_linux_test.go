package commands

import (
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// A command that shows no form asks the terminal nothing. A terminal that does not
// answer would hold it up for seconds, and what was typed ahead for psql would be taken
// for the answer.
func TestCommandsAskTheTerminalNothing(t *testing.T) {
	c := rig.OpenClinic(t, nil, nil)
	for _, args := range [][]string{{"version"}, {"--help"}, {"status"}, {"env", "orders", "--via", "none"}, {"list", "--region", "eu-central-1"}} {
		s := onScreen(c, t.TempDir(), args...)
		s.End()
		if sent := s.Sent(); sent == "" || strings.Contains(sent, "\x1b") {
			t.Errorf("%q sends %q", args, sent)
		}
	}
}
