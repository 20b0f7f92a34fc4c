package discover

import (
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// startVia is a world whose jump host goes by via.
func startVia(t *testing.T, via string, online ...string) *rig.World {
	t.Helper()
	fleet, config := rig.FleetOf(online...)
	return rig.Start(t, rig.Setup{Args: []string{lab.Host + "?via=" + via + "&ca-file=" + rig.Shared.Database.CAFile() + "&" + rig.NoSpare}, Fleet: fleet, Emulator: config})
}

// targets are the jump hosts of the sessions so far.
func targets(w *rig.World) string {
	var all []string
	for _, s := range w.AWS.Sessions() {
		all = append(all, s.Target)
	}
	return strings.Join(all, " ")
}

func TestJumpHostsByTagGroupAndService(t *testing.T) {
	for _, test := range []struct{ via, want string }{
		{"tag:Role=jump", rig.OtherHost},
		{"asg:jumps", rig.OtherHost},
		{"autoscaling:jumps", rig.OtherHost},
		{"ecs:tools/jump", rig.Container},
		{rig.Container, rig.Container},
	} {
		t.Run(test.via, func(t *testing.T) {
			w := startVia(t, test.via, rig.OtherHost, rig.Container)
			if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
				t.Errorf("got %q, want %q", got, rig.ItsMe)
			}
			if got := strings.Fields(targets(w)); len(got) == 0 || got[0] != test.want {
				t.Errorf("sessions on %q, want %s", got, test.want)
			}
		})
	}
}

// TestAnotherJumpHostIsTried has a host that SSM lists as online and that takes
// no sessions, which is what one looks like for minutes after it is stopped.
func TestAnotherJumpHostIsTried(t *testing.T) {
	w := startVia(t, "tag:Role=jump", rig.OtherHost)
	fleet, _ := rig.FleetOf()
	for i := range fleet.Nodes {
		fleet.Nodes[i].Status = "Online"
	}
	w.AWS.SetFleet(fleet)
	if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
		t.Errorf("got %q, want %q", got, rig.ItsMe)
	}
	if got := strings.Fields(targets(w)); len(got) == 0 || got[0] != rig.OtherHost {
		t.Errorf("sessions on %q, want %s", got, rig.OtherHost)
	}
	if line := w.AwaitLine("jump host refuses a session, trying another one"); !strings.Contains(line, "jump_host="+lab.Target) {
		t.Errorf("the log tells %q, want that %s refuses", line, lab.Target)
	}
}

// TestJumpHostThatDiesIsReplaced loses the jump host of a running session: the
// next client gets to the database by the other.
func TestJumpHostThatDiesIsReplaced(t *testing.T) {
	w := startVia(t, "tag:Role=jump", lab.Target)
	w.Query("", rig.WhoAmI)
	w.AWS.SetOnline(lab.Target, false)
	w.AWS.SetOnline(rig.OtherHost, true)
	for _, s := range w.AWS.Sessions() {
		w.AWS.TerminateSession(s.ID, "")
	}
	deadline := time.Now().Add(2 * rig.Limit)
	for _, errs, err := rig.Psql(t, w.Conninfo(""), "-c", "select 1"); err != nil; _, errs, err = rig.Psql(t, w.Conninfo(""), "-c", "select 1") {
		if time.Now().After(deadline) { // the first may come before the session's end is known
			t.Fatalf("%v\n%s", err, errs)
		}
	}
	if got := strings.Fields(targets(w)); got[len(got)-1] != rig.OtherHost {
		t.Errorf("sessions on %q, want the last on %s", got, rig.OtherHost)
	}
}

// TestNoJumpHostIsExplained has what TestEveryCauseOfALookUp has not: the words
// for groups and services.
func TestNoJumpHostIsExplained(t *testing.T) {
	for _, test := range []struct{ via, message, detail, hint string }{
		{"asg:nobody", "there is no jump host asg:nobody", "instances in service", "pgkeyless list"},
		{"ecs:tools/nobody", "ServiceNotFoundException", "ecs:ListTasks", "ecs:ListTasks"},
	} {
		t.Run(test.via, func(t *testing.T) {
			w := startVia(t, test.via)
			got := w.Refused("")
			if got.Code != "08001" || !strings.Contains(got.Message, test.message) || !strings.Contains(got.Detail, test.detail) || !strings.Contains(got.Hint, test.hint) {
				t.Errorf("the client is told %s %q, detail %q, hint %q; want %q, %q, %q", got.Code, got.Message, got.Detail, got.Hint, test.message, test.detail, test.hint)
			}
		})
	}
	w := startVia(t, "tag:Role=jump")
	w.AWS.FailNext("DescribeInstanceInformation", "AccessDeniedException",
		"User: "+lab.ARN+" is not authorized to perform: ssm:DescribeInstanceInformation on resource: * because no identity-based policy allows it", -1)
	if got := w.Refused(""); !strings.Contains(got.Message, "access denied") || !strings.Contains(got.Hint, `"Action": "ssm:DescribeInstanceInformation"`) {
		t.Errorf("without permission: %q, hint %q", got.Message, got.Hint)
	}
}
