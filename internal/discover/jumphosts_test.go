package discover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	autoscalingtypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// fleet is managed nodes, Auto Scaling groups and tasks.
type fleet struct {
	nodes  []node
	groups map[string][]autoscalingtypes.Instance
	tasks  []ecstypes.Task // of the cluster tools, service jump
	most   int             // ids in one filter so far
}

type node struct {
	id, tag string
	status  types.PingStatus
}

func (f *fleet) DescribeInstanceInformation(_ context.Context, in *ssm.DescribeInstanceInformationInput, _ ...func(*ssm.Options)) (*ssm.DescribeInstanceInformationOutput, error) {
	var fitting []types.InstanceInformation
	for _, n := range f.nodes {
		fits := true
		for _, filter := range in.Filters {
			f.most = max(f.most, len(filter.Values))
			switch *filter.Key {
			case "InstanceIds":
				fits = slices.Contains(filter.Values, n.id)
			default:
				fits = slices.Contains(filter.Values, strings.TrimPrefix(n.tag, strings.TrimPrefix(*filter.Key, "tag:")+"="))
			}
		}
		if fits {
			fitting = append(fitting, types.InstanceInformation{InstanceId: &n.id, PingStatus: n.status, AgentVersion: aws.String("3.3.1142.0"), ComputerName: aws.String("host-" + n.id)})
		}
	}
	at, _ := strconv.Atoi(aws.ToString(in.NextToken)) // one a page
	out := &ssm.DescribeInstanceInformationOutput{}
	if at < len(fitting) {
		out.InstanceInformationList = fitting[at : at+1]
	}
	if at+1 < len(fitting) {
		out.NextToken = aws.String(strconv.Itoa(at + 1))
	}
	return out, nil
}

func (f *fleet) DescribeAutoScalingGroups(_ context.Context, in *autoscaling.DescribeAutoScalingGroupsInput, _ ...func(*autoscaling.Options)) (*autoscaling.DescribeAutoScalingGroupsOutput, error) {
	out := &autoscaling.DescribeAutoScalingGroupsOutput{}
	if instances, ok := f.groups[in.AutoScalingGroupNames[0]]; ok {
		out.AutoScalingGroups = []autoscalingtypes.AutoScalingGroup{{Instances: instances}}
	}
	return out, nil
}

func (f *fleet) ListTasks(_ context.Context, in *ecs.ListTasksInput, _ ...func(*ecs.Options)) (*ecs.ListTasksOutput, error) {
	if *in.Cluster != "tools" || *in.ServiceName != "jump" {
		return nil, &ecstypes.ServiceNotFoundException{}
	}
	out := &ecs.ListTasksOutput{}
	for _, t := range f.tasks {
		out.TaskArns = append(out.TaskArns, *t.TaskArn)
	}
	return out, nil
}

func (f *fleet) DescribeTasks(_ context.Context, in *ecs.DescribeTasksInput, _ ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error) {
	out := &ecs.DescribeTasksOutput{}
	for _, t := range f.tasks {
		if slices.ContainsFunc(in.Tasks, func(s string) bool { return strings.HasSuffix(*t.TaskArn, s) }) {
			out.Tasks = append(out.Tasks, t)
		}
	}
	return out, nil
}

func task(id string, exec bool, agent string) ecstypes.Task {
	return ecstypes.Task{
		TaskArn:    aws.String("arn:aws:ecs:eu-central-1:111122223333:task/tools/" + id),
		ClusterArn: aws.String("arn:aws:ecs:eu-central-1:111122223333:cluster/tools"),
		LastStatus: aws.String("RUNNING"), EnableExecuteCommand: exec, LaunchType: ecstypes.LaunchTypeFargate,
		Containers: []ecstypes.Container{{Name: aws.String("sshd"), RuntimeId: aws.String(id + "-1"), ManagedAgents: []ecstypes.ManagedAgent{
			{Name: ecstypes.ManagedAgentNameExecuteCommandAgent, LastStatus: &agent},
		}}},
	}
}

func id(n int) string { return fmt.Sprintf("i-%017x", n) }

func TestJumpHostsOnlineFirst(t *testing.T) {
	f := &fleet{
		nodes: []node{
			{id(1), "Role=jump", types.PingStatusConnectionLost}, {id(2), "Role=jump", types.PingStatusOnline},
			{id(3), "Role=web", types.PingStatusOnline}, {id(4), "Role=a=b", types.PingStatusOnline},
		},
		groups: map[string][]autoscalingtypes.Instance{
			"jumps": {{InstanceId: aws.String(id(3)), LifecycleState: autoscalingtypes.LifecycleStateInService},
				{InstanceId: aws.String(id(2)), LifecycleState: autoscalingtypes.LifecycleStateTerminating}},
			"empty": nil,
		},
		tasks: []ecstypes.Task{task("t1", false, "RUNNING"), task("t2", true, "RUNNING"), task("t3", true, "PENDING")},
	}
	var many []autoscalingtypes.Instance
	for n := range 120 {
		f.nodes = append(f.nodes, node{id(1000 + n), "", types.PingStatusOnline})
		many = append(many, autoscalingtypes.Instance{InstanceId: aws.String(id(1000 + n)), LifecycleState: autoscalingtypes.LifecycleStateInService})
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
	if hosts, err := d.JumpHosts(t.Context(), "asg:many"); err != nil || len(hosts) != 120 || f.most > maxValues {
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
	f := &fleet{nodes: []node{{id(1), "Role=jump", types.PingStatusConnectionLost}}, tasks: []ecstypes.Task{task("t1", false, "RUNNING")}}
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
