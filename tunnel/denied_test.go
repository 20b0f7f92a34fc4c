package tunnel

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// An identity that may only start sessions loses those whose websocket breaks,
// and no more: the next dial works, Close is in order, and one warning names the
// statements.
func TestDeniedResumeAndTerminateCostOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		f := newFakeAWS(t)
		refusal := func(action string) error {
			return generic("AccessDeniedException", "User: arn:aws:sts::123456789012:assumed-role/dev/me is not authorized to perform: "+action+
				" on resource: arn:aws:ssm:eu-west-1:123456789012:session/me@example.com-00000000000000001 because no identity-based policy allows the "+action+" action")
		}
		f.onResume = func(int) error { return refusal("ssm:ResumeSession") }
		f.onEnd = func() error { return refusal("ssm:TerminateSession") }
		d := newTestDialer(t, f, func(c *Config) { c.Log, c.Sessions = newLog(&log), 1 })
		for n := 1; n <= 2; n++ {
			c := dial(t, d)
			echo(t, c, 100)
			f.net.cut()
			_, err := c.Read(make([]byte, 1))
			e := wantError(t, err, "08006", "access denied")
			for _, part := range []string{"reconnect", `"Resource":["arn:aws:ssm:*:*:session/*"],"Condition":{"StringLike":{"ssm:resourceTag/aws:ssmmessages:session-id":"${aws:userid}"}}`,
				`"Resource":["arn:aws:ssm:*:*:session/${aws:username}-*"]`} {
				if !strings.Contains(e.Hint(), part) {
					t.Errorf("hint %q lacks %q", e.Hint(), part)
				}
			}
			synctest.Wait()
			if starts, resumes, terminates := f.calls(); starts != n || resumes != n || terminates != n {
				t.Errorf("%d StartSession, %d ResumeSession, %d TerminateSession, want %d of each", starts, resumes, terminates, n)
			}
		}
		echo(t, dial(t, d), 100)
		if err := d.Close(t.Context()); err != nil {
			t.Errorf("close: %v", err)
		}
		if n := strings.Count(log.String(), "this identity may not"); n != 1 || strings.Count(log.String(), "${aws:userid}") < 1 {
			t.Errorf("%d warnings, want one, with the statements:\n%s", n, log.String())
		}
		for _, a := range f.agents { // as the service's idle timeout does
			a.end("")
		}
	})
}

// A TerminateSession that fails for another reason is still told.
func TestDeniedTerminateAloneIsNoError(t *testing.T) {
	for _, code := range []string{"AccessDeniedException", "ThrottlingException"} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeAWS(t)
			f.onEnd = func() error { return generic(code, "no") }
			d := newTestDialer(t, f, oneSession)
			dial(t, d)
			f.onResume = func(int) error { time.Sleep(time.Minute); return generic("ThrottlingException", "no") }
			f.net.cut()
			synctest.Wait()
			if err := d.Close(t.Context()); (err == nil) != (code == "AccessDeniedException") {
				t.Errorf("%s: close: %v", code, err)
			}
			for _, a := range f.agents {
				a.end("")
			}
		})
	}
}
