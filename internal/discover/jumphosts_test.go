package discover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/autoscaling"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/ecs"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/ssm"
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// fleet is managed nodes, Auto Scaling groups and tasks.
type fleet struct {
	nodes  []node
	groups map[string][]autoscaling.Instance
	tasks  []ecs.Task // of the cluster tools, service jump
	most   int        // ids in one filter so far
}

type node struct{ id, tag, status string }

// The words of DescribeInstanceInformation.
const (
	online = "Online"
	lost   = "ConnectionLost"
)

func (f *fleet) DescribeInstanceInformation(_ context.Context, filters []ssm.Filter, token string) (page []ssm.Node, next string, err error) {
	var fitting []ssm.Node
	for _, n := range f.nodes {
		fits := true
		for _, filter := range filters {
			f.most = max(f.most, len(filter.Values))
			switch filter.Key {
			case "InstanceIds":
				fits = slices.Contains(filter.Values, n.id)
			default:
				fits = slices.Contains(filter.Values, strings.TrimPrefix(n.tag, strings.TrimPrefix(filter.Key, "tag:")+"="))
			}
		}
		if fits {
			fitting = append(fitting, ssm.Node{ID: n.id, Ping: n.status, Agent: "3.3.1142.0", ComputerName: "host-" + n.id})
		}
	}
	page, next = onePage(fitting, token)
	return page, next, nil
}

func (f *fleet) DescribeAutoScalingGroup(_ context.Context, name string) ([]autoscaling.Instance, error) {
	return f.groups[name], nil
}

func (f *fleet) ListTasks(_ context.Context, cluster, service, token string) ([]string, string, error) {
	if cluster != "tools" || service != "jump" {
		return nil, "", &smithy.GenericAPIError{Code: "ServiceNotFoundException"}
	}
	page, next := onePage(f.tasks, token)
	return []string{page[0].ARN}, next, nil
}

func (f *fleet) DescribeTasks(_ context.Context, _ string, tasks []string) (described []ecs.Task, err error) {
	for _, t := range f.tasks {
		if slices.ContainsFunc(tasks, func(s string) bool { return strings.HasSuffix(t.ARN, s) }) {
			described = append(described, t)
		}
	}
	return described, nil
}

func task(id string, exec bool, agent string) ecs.Task {
	return ecs.Task{
		ARN:     "arn:aws:ecs:eu-central-1:111122223333:task/tools/" + id,
		Cluster: "arn:aws:ecs:eu-central-1:111122223333:cluster/tools",
		Status:  "RUNNING", Exec: exec, LaunchType: "FARGATE",
		Containers: []ecs.Container{
			{Name: "sshd", Runtime: id + "-1", Agents: []ecs.ManagedAgent{{Name: "ExecuteCommandAgent", Status: agent}}},
			{Name: "being-started"},
		},
	}
}

func id(n int) string { return fmt.Sprintf("i-%017x", n) }

func TestJumpHostsOnlineFirst(t *testing.T) {
	f := &fleet{
		nodes: []node{
			{id(1), "Role=jump", lost}, {id(2), "Role=jump", online},
			{id(3), "Role=web", online}, {id(4), "Role=a=b", online},
		},
		groups: map[string][]autoscaling.Instance{
			"jumps": {{ID: id(3), State: "InService"},
				{ID: id(2), State: "Terminating"}},
			"empty": nil,
		},
		tasks: []ecs.Task{task("t1", false, "RUNNING"), task("t2", true, "RUNNING"), task("t3", true, "PENDING")},
	}
	var many []autoscaling.Instance
	for n := range 120 {
		f.nodes = append(f.nodes, node{id(1000 + n), "", online})
		many = append(many, autoscaling.Instance{ID: id(1000 + n), State: "InService"})
	}
	f.groups["many"] = many
	d, err := New(Config{Region: testRegion, SSM: f, ECS: f, AutoScaling: f})
	if err != nil {
		t.Fatal(err)
	}
	for via, want := range map[string][]string{
		"tag:Role=jump":      {id(2), id(1) + " ConnectionLost"},
		"tag:Role=a=b":       {id(4)},
		id(3):                {id(3)},
		"asg:jumps":          {id(3)},
		"autoscaling:jumps":  {id(3)},
		"ecs:tools/jump":     {"ecs:tools_t2_t2-1", "ecs:tools_t1_t1-1 ECS Exec off", "ecs:tools_t3_t3-1 agent PENDING"},
		"ecs:tools_t2_t2-1":  {"ecs:tools_t2_t2-1"},
		"tag:Role=nobody":    nil,
		"asg:empty":          nil,
		"asg:nobody":         nil,
		"ecs:tools_t2_other": nil,
		"ecs:tools_t2":       nil,
	} {
		hosts, err := d.JumpHosts(t.Context(), via)
		var got []string
		for _, h := range hosts {
			s := h.Target
			if !h.Online {
				s += " " + h.Status
			}
			got = append(got, s)
		}
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%s: got %q, %v; want %q", via, got, err, want)
		}
		if e, ok := errors.AsType[*causes.Error](err); err != nil && (!ok || !errors.Is(err, ErrNotFound) || Final(err) || e.Hint() == "") {
			t.Errorf("%s: %v; want ErrNotFound with a hint, not final", via, err)
		}
	}
	if hosts, err := d.JumpHosts(t.Context(), "asg:many"); err != nil || len(hosts) != 120 || f.most > ssm.MaxValues {
		t.Errorf("a large group: %d hosts, %v, %d ids asked for at once", len(hosts), err, f.most)
	}
	if _, err := d.JumpHosts(t.Context(), "ecs:tools/other"); err == nil || !strings.Contains(err.Error(), "ServiceNotFound") {
		t.Errorf("a service that does not exist: %v", err)
	}
	if all, err := d.AllJumpHosts(t.Context()); err != nil || len(all) != len(f.nodes) {
		t.Errorf("all: %d, %v", len(all), err)
	}
}

func TestSeveral(t *testing.T) {
	for via, want := range map[string]bool{
		"tag:Role=jump": true, "asg:jumps": true, "autoscaling:jumps": true, "ecs:tools/jump": true,
		"ecs:tools_t1_t1-1": false, id(1): false, "mi-0123456789abcdef0": false, "none": false, "": false,
	} {
		if got := Several(via); got != want {
			t.Errorf("%s: %v, want %v", via, got, want)
		}
	}
}

func TestNoneOnlineSaysWhy(t *testing.T) {
	f := &fleet{nodes: []node{{id(1), "Role=jump", lost}}, tasks: []ecs.Task{task("t1", false, "RUNNING")}}
	d, err := New(Config{Region: testRegion, SSM: f, ECS: f})
	if err != nil {
		t.Fatal(err)
	}
	for via, want := range map[string][2]string{
		"tag:Role=jump":  {id(1) + " ConnectionLost", "agent"},
		"ecs:tools/jump": {"ecs:tools_t1_t1-1 ECS Exec off", "--cluster tools --service jump --enable-execute-command"},
	} {
		targets, err := d.OnlineTargets(t.Context(), via)
		e, ok := errors.AsType[*causes.Error](err)
		if !ok || !strings.Contains(e.Detail(), want[0]) || !strings.Contains(e.Hint(), want[1]) {
			t.Errorf("%s: got %q, %v", via, targets, err)
		}
	}
}
