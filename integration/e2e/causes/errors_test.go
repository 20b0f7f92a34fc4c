package causes

import (
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// TestFailuresExplainThemselves breaks one part of the path at a time and reads
// what a client sees: SQLSTATE, message, DETAIL and HINT, in psql too.
func TestFailuresExplainThemselves(t *testing.T) {
	tests := []struct {
		name     string
		setup    rig.Setup
		breakIt  func(t *testing.T, w *rig.World)
		client   string // conninfo
		sqlstate string
		message  string // part of it
		hint     string // part of it
	}{
		{
			name:     "jump host offline",
			breakIt:  func(_ *testing.T, w *rig.World) { w.AWS.SetOnline(lab.Target, false) },
			sqlstate: "08001", message: lab.Target, hint: "agent",
		},
		{
			name:     "user without rds_iam",
			client:   "user=plain_user",
			sqlstate: "28000", message: "plain_user", hint: "rds_iam",
		},
		{
			name:     "unknown database",
			client:   "dbname=nowhere",
			sqlstate: "3D000", message: `database "nowhere" does not exist`, hint: "case-sensitive",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := rig.Start(t, test.setup)
			if test.breakIt != nil {
				test.breakIt(t, w)
			}
			got := w.Refused(test.client)
			if got.Code != test.sqlstate {
				t.Errorf("SQLSTATE %s, want %s", got.Code, test.sqlstate)
			}
			if !strings.Contains(got.Message, test.message) {
				t.Errorf("message %q lacks %q", got.Message, test.message)
			}
			if !strings.Contains(got.Hint, test.hint) {
				t.Errorf("hint %q lacks %q", got.Hint, test.hint)
			}
			_, errs, err := rig.Psql(t, w.Conninfo(test.client), "-c", "select 1")
			if err == nil {
				t.Fatal("psql connected")
			}
			for what, text := range map[string]string{"message": got.Message, "DETAIL": got.Detail, "HINT": got.Hint} {
				if !strings.Contains(errs, stable(text)) {
					t.Errorf("psql does not show the %s %q:\n%s", what, text, errs)
				}
			}
			t.Logf("psql shows:\n%s", errs)
		})
	}
}

// stable is the part of text before a session or request id, which differs from
// one try to the next.
func stable(text string) string {
	for _, sign := range []string{"session", "request"} {
		text, _, _ = strings.Cut(text, sign)
	}
	return text
}

// TestRecoversWithoutRestart shows that no failure is remembered.
func TestRecoversWithoutRestart(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	w.AWS.SetOnline(lab.Target, false)
	w.Refused("")
	w.AWS.SetOnline(lab.Target, true)
	if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
		t.Errorf("got %q, want %q", got, rig.ItsMe)
	}
}

// TestThrottlingIsWaitedOut shows that what passes by itself does not reach the
// client.
func TestThrottlingIsWaitedOut(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	w.AWS.FailNext("StartSession", "ThrottlingException", "Rate exceeded", 1)
	if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
		t.Errorf("got %q, want %q", got, rig.ItsMe)
	}
}

// TestAgentNotReadyForLong holds the agent's port plugin back for half a second,
// in which it refuses data without acknowledging it.
func TestAgentNotReadyForLong(t *testing.T) {
	w := rig.Start(t, rig.Setup{Emulator: func(c *awsemu.Config) { c.PluginDelay = 500e6 }})
	if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
		t.Errorf("got %q, want %q", got, rig.ItsMe)
	}
}
