package discover

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/awsapi"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/ecs"
)

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
	arns, err := awsapi.All(ctx, func(ctx context.Context, token string) ([]string, string, error) {
		return f.cfg.ECS.ListTasks(ctx, cluster, service, token)
	})
	if err != nil {
		return nil, f.worded("looking for jump host "+via, "ecs:ListTasks", err)
	}
	var hosts []JumpHost
	for some := range slices.Chunk(arns, ecs.MaxTasks) {
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
	described, err := f.cfg.ECS.DescribeTasks(ctx, cluster, tasks)
	if err != nil {
		return nil, f.worded("looking for jump host "+via, "ecs:DescribeTasks", err)
	}
	var hosts []JumpHost
	for _, t := range described {
		_, id, _ := cutLast(t.ARN, "/")
		_, in, _ := cutLast(t.Cluster, "/")
		for _, c := range t.Containers {
			if c.Runtime == "" { // it does not run yet
				continue
			}
			h := JumpHost{
				Target:   fmt.Sprintf("ecs:%s_%s_%s", in, id, c.Runtime),
				Name:     c.Name,
				Platform: strings.TrimSpace(t.LaunchType + " " + t.Platform),
				Region:   f.cfg.Region,
			}
			h.Status, h.Online = execAgent(t, c)
			hosts = append(hosts, h)
		}
	}
	return hosts, nil
}

// execAgent tells the state of the SSM agent in a container.
func execAgent(t ecs.Task, c ecs.Container) (status string, online bool) {
	if !t.Exec {
		return "ECS Exec off", false
	}
	if t.Status != ecs.Running {
		return "task " + t.Status, false
	}
	for _, a := range c.Agents {
		if a.Name == ecs.ExecuteAgent {
			return "agent " + a.Status, a.Status == ecs.Running
		}
	}
	return "no agent", false
}
