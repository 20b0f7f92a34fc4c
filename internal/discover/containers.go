package discover

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// maxTasks is DescribeTasks's own bound.
const maxTasks = 100

// containers lists the containers of name: CLUSTER/SERVICE, or one by
// CLUSTER_TASK_RUNTIMEID.
func (f *Finder) containers(ctx context.Context, via, name string) ([]JumpHost, error) {
	cluster, service, several := strings.Cut(name, "/")
	if several {
		return f.service(ctx, via, cluster, service)
	}
	parts := strings.Split(name, "_")
	if len(parts) < 3 {
		return nil, f.noJumpHost(via)
	}
	n := len(parts)
	hosts, err := f.tasks(ctx, via, strings.Join(parts[:n-2], "_"), parts[n-2])
	return slices.DeleteFunc(hosts, func(h JumpHost) bool { return h.Target != via }), err
}

// service lists the containers of a service's running tasks.
func (f *Finder) service(ctx context.Context, via, cluster, service string) ([]JumpHost, error) {
	var arns []string
	in := &ecs.ListTasksInput{Cluster: &cluster, ServiceName: &service, DesiredStatus: types.DesiredStatusRunning}
	for pages := ecs.NewListTasksPaginator(f.cfg.ECS, in); pages.HasMorePages(); {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, f.worded("looking for jump host "+via, "ecs:ListTasks", err)
		}
		arns = append(arns, out.TaskArns...)
	}
	var hosts []JumpHost
	for some := range slices.Chunk(arns, maxTasks) {
		found, err := f.tasks(ctx, via, cluster, some...)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, found...)
	}
	return hosts, nil
}

// tasks lists the containers of tasks.
func (f *Finder) tasks(ctx context.Context, via, cluster string, tasks ...string) ([]JumpHost, error) {
	out, err := f.cfg.ECS.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: tasks})
	if err != nil {
		return nil, f.worded("looking for jump host "+via, "ecs:DescribeTasks", err)
	}
	var hosts []JumpHost
	for _, t := range out.Tasks {
		_, id, _ := cutLast(aws.ToString(t.TaskArn), "/")
		_, in, _ := cutLast(aws.ToString(t.ClusterArn), "/")
		for _, c := range t.Containers {
			h := JumpHost{
				Target:   fmt.Sprintf("ecs:%s_%s_%s", in, id, aws.ToString(c.RuntimeId)),
				Name:     aws.ToString(c.Name),
				Platform: strings.TrimSpace(string(t.LaunchType) + " " + aws.ToString(t.PlatformFamily)),
				Region:   f.cfg.Region,
			}
			h.Status, h.Online = execAgent(t, c)
			if c.RuntimeId != nil { // none before it runs
				hosts = append(hosts, h)
			}
		}
	}
	return hosts, nil
}

// execAgent tells the state of the SSM agent in a container.
func execAgent(t types.Task, c types.Container) (status string, online bool) {
	if !t.EnableExecuteCommand {
		return "ECS Exec off", false
	}
	if status := aws.ToString(t.LastStatus); status != "RUNNING" {
		return "task " + status, false
	}
	for _, a := range c.ManagedAgents {
		if a.Name == types.ManagedAgentNameExecuteCommandAgent {
			status := aws.ToString(a.LastStatus)
			return "agent " + status, status == "RUNNING"
		}
	}
	return "no agent", false
}
