package faults

import (
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
)

// TestWebsocketCutDuringATransfer cuts the socket in each direction's midst, with
// a service that keeps the agent's output for the client's return and one that
// drops it; the transfer must not notice. The agent goes at its real pace:
// what is dropped it sends again at ten messages a second.
func TestWebsocketCutDuringATransfer(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(*awsemu.Emulator) int{
		"dropped":       (*awsemu.Emulator).CutWebsockets,
		"closed hourly": func(e *awsemu.Emulator) int { return e.CloseWebsockets(1000, "Bye") },
	} {
		for _, drop := range []bool{false, true} {
			t.Run(name+map[bool]string{false: ", output kept", true: ", output dropped"}[drop], func(t *testing.T) {
				w := rig.Start(t, rig.Setup{Options: []string{"sessions=1"}, Emulator: func(c *awsemu.Config) {
					c.DropWhileAbsent, c.Pace = drop, time.Millisecond
				}})
				conn := w.Connect("")
				cuts := 0
				if err := upAndDown(t.Context(), conn, "bulk", 4<<20, func() { cuts += cut(w.AWS) }); err != nil {
					t.Fatalf("%v\n%s", err, w.Proxy.Output())
				}
				if s := w.AWS.Sessions(); cuts != 2 || len(s) != 1 || s[0].Resumes != 2 {
					t.Errorf("%d cuts, sessions %+v, want 2 cuts and one session resumed twice", cuts, s)
				}
			})
		}
	}
}

// TestSessionThatEndedIsReplaced ends the SSM session from outside: its clients
// fail, the listener stays, and the next client gets a new session.
func TestSessionThatEndedIsReplaced(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	conn := w.Connect("")
	if !w.AWS.TerminateSession(w.AWS.Sessions()[0].ID, "") {
		t.Fatal("no live session to terminate")
	}
	if _, err := conn.Exec(t.Context(), "select 1"); err == nil {
		t.Error("a query went through a session that has ended")
	}
	if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
		t.Errorf("got %q, want %q", got, rig.ItsMe)
	}
	if n := len(w.AWS.Sessions()); n < 2 {
		t.Errorf("%d sessions, want a new one", n)
	}
}
