package integration

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// The jump hosts of these tests beside lab.Target.
const (
	otherHost = "i-0bbbbbbbbbbbbbbbb"
	container = "ecs:tools_0f1e2d3c4b5a_0f1e2d3c4b5a-0000000001"
)

// fleetOf has lab.Target and otherHost under a tag and in a group, and one
// container, of which those named are online.
func fleetOf(online ...string) (awsemu.Fleet, func(*awsemu.Config)) {
	role := map[string]string{"Role": "jump"}
	fleet := awsemu.Fleet{
		PageSize: 1,
		Nodes: []awsemu.Node{
			{ID: "i-0000000000000000a", Name: "web", Tags: map[string]string{"Role": "web"}, Status: "Online"},
			{ID: lab.Target, Name: "jump-a", Tags: role}, {ID: otherHost, Name: "jump-b", Tags: role},
		},
		Groups: map[string]map[string]string{"jumps": {lab.Target: "InService", otherHost: "InService", "i-0000000000000000c": "Terminating"}},
		Tasks: []awsemu.Task{
			{Cluster: "tools", Service: "jump", ID: "aaaa", Runtime: "aaaa-1", NoExec: true},
			{Cluster: "tools", Service: "jump", ID: "0f1e2d3c4b5a", Runtime: "0f1e2d3c4b5a-0000000001"},
			{Cluster: "tools", Service: "web", ID: "bbbb", Runtime: "bbbb-1"},
		},
	}
	return fleet, func(c *awsemu.Config) {
		c.Targets = map[string]bool{}
		for _, target := range online {
			c.Targets[target] = true
		}
	}
}

// startVia is a world whose jump host goes by via.
func startVia(t *testing.T, via string, online ...string) *world {
	t.Helper()
	fleet, config := fleetOf(online...)
	return start(t, setup{args: []string{lab.Host + "?via=" + via + "&ca-file=" + shared.database.CAFile()}, fleet: fleet, emulator: config})
}

// targets are the jump hosts of the sessions so far.
func (w *world) targets() string {
	var all []string
	for _, s := range w.aws.Sessions() {
		all = append(all, s.Target)
	}
	return strings.Join(all, " ")
}

func TestJumpHostsByTagGroupAndService(t *testing.T) {
	for _, test := range []struct{ via, want string }{
		{"tag:Role=jump", otherHost},
		{"asg:jumps", otherHost},
		{"autoscaling:jumps", otherHost},
		{"ecs:tools/jump", container},
		{container, container},
	} {
		t.Run(test.via, func(t *testing.T) {
			w := startVia(t, test.via, otherHost, container)
			if got := w.query("", whoAmI); got != itsMe {
				t.Errorf("got %q, want %q", got, itsMe)
			}
			if got := strings.Fields(w.targets()); len(got) == 0 || got[0] != test.want {
				t.Errorf("sessions on %q, want %s", got, test.want)
			}
		})
	}
}

// TestAnotherJumpHostIsTried has a host that SSM lists as online and that takes
// no sessions, which is what one looks like for minutes after it is stopped.
func TestAnotherJumpHostIsTried(t *testing.T) {
	w := startVia(t, "tag:Role=jump", otherHost)
	fleet, _ := fleetOf()
	for i := range fleet.Nodes {
		fleet.Nodes[i].Status = "Online"
	}
	w.aws.SetFleet(fleet)
	if got := w.query("", whoAmI); got != itsMe {
		t.Errorf("got %q, want %q", got, itsMe)
	}
	if got := strings.Fields(w.targets()); len(got) == 0 || got[0] != otherHost {
		t.Errorf("sessions on %q, want %s", got, otherHost)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if line, err := w.proxy.AwaitLine(ctx, "jump host refuses a session, trying another one"); err != nil || !strings.Contains(line, "jump_host="+lab.Target) {
		t.Errorf("the log tells %q, %v; want that %s refuses", line, err, lab.Target)
	}
}

// TestJumpHostThatDiesIsReplaced loses the jump host of a running session: the
// next client gets to the database by the other.
func TestJumpHostThatDiesIsReplaced(t *testing.T) {
	w := startVia(t, "tag:Role=jump", lab.Target)
	w.query("", whoAmI)
	w.aws.SetOnline(lab.Target, false)
	w.aws.SetOnline(otherHost, true)
	for _, s := range w.aws.Sessions() {
		w.aws.TerminateSession(s.ID, "")
	}
	deadline := time.Now().Add(30 * time.Second)
	for _, errs, err := psql(t, w.conninfo(""), "-c", "select 1"); err != nil; _, errs, err = psql(t, w.conninfo(""), "-c", "select 1") {
		if time.Now().After(deadline) { // the first may come before the session's end is known
			t.Fatalf("%v\n%s", err, errs)
		}
	}
	if got := strings.Fields(w.targets()); got[len(got)-1] != otherHost {
		t.Errorf("sessions on %q, want the last on %s", got, otherHost)
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
			got := w.refused("")
			if got.Code != "08001" || !strings.Contains(got.Message, test.message) || !strings.Contains(got.Detail, test.detail) || !strings.Contains(got.Hint, test.hint) {
				t.Errorf("the client is told %s %q, detail %q, hint %q; want %q, %q, %q", got.Code, got.Message, got.Detail, got.Hint, test.message, test.detail, test.hint)
			}
		})
	}
	w := startVia(t, "tag:Role=jump")
	w.aws.FailNext("DescribeInstanceInformation", "AccessDeniedException",
		"User: "+lab.ARN+" is not authorized to perform: ssm:DescribeInstanceInformation on resource: * because no identity-based policy allows it", -1)
	if got := w.refused(""); !strings.Contains(got.Message, "access denied") || !strings.Contains(got.Hint, `"Action": "ssm:DescribeInstanceInformation"`) {
		t.Errorf("without permission: %q, hint %q", got.Message, got.Hint)
	}
}
