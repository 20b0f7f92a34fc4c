package faults

import (
	"strings"
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
				// A busy machine may take longer for a pong, or a new websocket, than
				// pgkeyless waits: that is one resumption more, and a line of the log.
				late := strings.Count(w.Proxy.Output(), "ssm websocket lost") + strings.Count(w.Proxy.Output(), "not resumed yet")
				if name == "dropped" {
					late -= 2
				}
				w.MustHaveStarted(1)
				resumes := 0
				for _, s := range w.AWS.Sessions() {
					resumes += s.Resumes
				}
				if cuts != 2 || resumes < 2 || resumes > 2+late {
					t.Errorf("%d cuts, %d resumptions, want 2 of either, and %d more at most", cuts, resumes, late)
				}
			})
		}
	}
}

// TestSessionThatEndedIsReplaced ends the SSM session from outside: its clients
// fail, the listener stays, and the next client gets a new session.
func TestSessionThatEndedIsReplaced(t *testing.T) {
	w := rig.Start(t, rig.Setup{Options: []string{rig.NoSpare, "ready-logins=0"}}) // which may have a session of their own
	conn := w.Connect("")
	if !w.AWS.TerminateSession(inUse(w), "") {
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
