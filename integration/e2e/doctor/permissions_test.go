package doctor

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// identities are who may have a policy. An IAM user's session ids begin with its
// name, a role's with that of the role session.
var identities = map[string]awsemu.Caller{
	"role": {ARN: lab.ARN, UserID: "AROAEXAMPLEEXAMPLE000:ada"},
	"user": {ARN: "arn:aws:iam::" + lab.Account + ":user/team/ada", UserID: "AIDAEXAMPLEEXAMPLE000"},
}

// as makes all callers who.
func as(who awsemu.Caller) func(*awsemu.Config) {
	return func(c *awsemu.Config) {
		for key, caller := range c.Callers {
			caller.ARN, caller.UserID = who.ARN, who.UserID
			c.Callers[key] = caller
		}
	}
}

// shownPolicy is the one that the page about getting started shows.
func shownPolicy(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/get-started.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```json\n")
	policy, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("docs/get-started.md has no policy")
	}
	return policy
}

// The policies that people are given let all work, each kind of identity: doctor's
// simulation, a session's start, its resumption, its end.
func TestPoliciesAreEnough(t *testing.T) {
	t.Parallel()
	for name, who := range identities {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := rig.OpenClinic(t, nil, as(who))
			printed, stderr, code := c.Run("policy", c.Target("user=app_user"), "--format", "json")
			if code != 0 {
				t.Fatalf("policy ended with %d: %s", code, stderr)
			}
			for source, policy := range map[string]string{"pgkeyless policy": printed, "docs/get-started.md": shownPolicy(t)} {
				if err := c.AWS.SetPolicy(policy); err != nil {
					t.Fatalf("%s: %v", source, err)
				}
				lines, code := c.Stages(c.Target("user=app_user"))
				for _, l := range lines {
					if l.Stage == "permissions" && l.Status != "ok" || code != 0 {
						t.Errorf("%s: doctor ended with %d: %+v", source, code, l)
					}
				}
				t.Run("serve by "+source, func(t *testing.T) {
					t.Parallel()
					resumesAndEnds(t, who, policy)
				})
			}
		})
	}
}

func resumesAndEnds(t *testing.T, who awsemu.Caller, policy string) {
	w := rig.Start(t, rig.Setup{Emulator: as(who), Options: []string{"sessions=1"}, Faults: func(e *awsemu.Emulator) {
		if err := e.SetPolicy(policy); err != nil {
			t.Error(err)
		}
	}})
	conn := w.Connect("")
	w.AWS.CutWebsockets()
	if _, err := conn.Exec(t.Context(), "select 1"); err != nil {
		t.Errorf("a query after the websocket was cut: %v", err)
	}
	w.MustHaveStarted(1)
	if s := w.AWS.Sessions(); !slices.ContainsFunc(s, func(s gateway.Session) bool { return s.Resumes > 0 }) {
		t.Errorf("sessions %+v, want one that was resumed", s)
	}
	conn.Close(t.Context())
	w.AwaitLine("session ended")
	w.AWS.FreezeAgents(true) // so that only TerminateSession can end it
	w.End()
	if strings.Contains(w.Proxy.Output(), "AccessDenied") || strings.Contains(w.Proxy.Output(), "may not") {
		t.Errorf("something was denied:\n%s", w.Proxy.Output())
	}
}

// userIDPolicy is what AWS's quick start grants, and what pgkeyless printed: no
// session has such a name.
const userIDPolicy = `{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": ["rds-db:connect", "ssm:StartSession"], "Resource": "*"},
  {"Effect": "Allow", "Action": "ssmmessages:OpenDataChannel", "Resource": "*"},
  {"Effect": "Allow", "Action": ["ssm:ResumeSession", "ssm:TerminateSession"], "Resource": "arn:aws:ssm:*:*:session/${aws:userid}-*"}]}`

// A policy that does not let sessions be resumed costs those whose websocket is
// lost: the client is told the statements, doctor finds them missing, the log has
// one warning, and all else works.
func TestPolicyThatMatchesNoSession(t *testing.T) {
	t.Parallel()
	for name, who := range identities {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := rig.OpenClinic(t, nil, as(who))
			if err := c.AWS.SetPolicy(userIDPolicy); err != nil {
				t.Fatal(err)
			}
			lines, code := c.Stages(c.Target("user=app_user"))
			for _, l := range lines {
				if l.Stage == "permissions" && (l.Status != "warning" || !strings.Contains(strings.Join(l.Notes, "; "), "ssm:ResumeSession on arn:aws:ssm:eu-central-1:"+lab.Account+":session/ada-")) {
					t.Errorf("doctor says %+v", l)
				}
			}
			if code != 0 {
				t.Errorf("doctor ended with %d: nothing else is wrong", code)
			}

			w := rig.Start(t, rig.Setup{Emulator: as(who), Options: []string{"sessions=1"}, Faults: func(e *awsemu.Emulator) { e.SetPolicy(userIDPolicy) }})
			for range 2 {
				conn := w.Connect("")
				if _, err := conn.Exec(t.Context(), "select 1"); err != nil { // behind which its session is a live one
					t.Fatal(err)
				}
				w.AWS.CutWebsockets()
				_, err := conn.Exec(t.Context(), "select 1")
				told, ok := errors.AsType[*pgconn.PgError](err)
				if !ok || told.Code != "08006" || !strings.Contains(told.Message, "access denied") || !strings.Contains(told.Hint, "reconnect") ||
					!strings.Contains(told.Hint, "ssm:resourceTag/aws:ssmmessages:session-id") || !strings.Contains(told.Hint, "session/${aws:username}-*") {
					t.Fatalf("a query after the websocket was cut: %+v", err)
				}
			}
			w.Query("", "select 1")
			if code := w.Stop(syscall.SIGTERM); code != 128+int(syscall.SIGTERM) { // after which no session starts
				t.Errorf("pgkeyless ended with %d", code)
			}
			for _, s := range w.AWS.Sessions() { // what the service does after the idle timeout
				w.AWS.TerminateSession(s.ID, "")
			}
			w.End()
			if n := strings.Count(w.Proxy.Output(), "this identity may not"); n != 1 {
				t.Errorf("%d warnings, want one:\n%s", n, w.Proxy.Output())
			}
		})
	}
}
