package discover

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/awsapi"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/autoscaling"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/ssm"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

// Several says whether via may mean more than one jump host, so that AWS
// must be asked: tag:KEY=VALUE, asg:NAME (or autoscaling:NAME) or
// ecs:CLUSTER/SERVICE.
func Several(via string) bool {
	kind, name, _ := strings.Cut(via, ":")
	return kind == "tag" || kind == "asg" || kind == "autoscaling" || kind == "ecs" && strings.Contains(name, "/")
}

// JumpHosts returns the jump hosts that via means, those online first:
// tag:KEY=VALUE (managed nodes with that tag), asg:NAME (instances in service
// of an Auto Scaling group), ecs:CLUSTER/SERVICE (containers of the service's
// tasks), i-…, mi-… or ecs:CLUSTER_TASK_RUNTIMEID (that one alone).
//
// Errors are *causes.Error; none at all is ErrNotFound. That may pass, so it is
// not Final.
func (f *Finder) JumpHosts(ctx context.Context, via string) ([]JumpHost, error) {
	hosts, err := f.jumpHosts(ctx, via)
	if err != nil {
		return nil, err
	}
	if len(hosts) == 0 {
		return nil, f.noJumpHost(via)
	}
	slices.SortStableFunc(hosts, func(a, b JumpHost) int {
		if a.Online != b.Online {
			if a.Online {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Target, b.Target)
	})
	return hosts, nil
}

func (f *Finder) jumpHosts(ctx context.Context, via string) ([]JumpHost, error) {
	kind, name, _ := strings.Cut(via, ":")
	switch kind {
	case "tag":
		key, value, _ := strings.Cut(name, "=")
		return f.nodes(ctx, via, "tag:"+key, value)
	case "asg", "autoscaling":
		return f.group(ctx, via, name)
	case "ecs":
		return f.containers(ctx, via, name)
	}
	return f.nodes(ctx, via, "InstanceIds", via)
}

// AllJumpHosts lists the managed nodes of the region by id. Containers of ECS
// are not among them. What was listed before an error comes with it.
func (f *Finder) AllJumpHosts(ctx context.Context) ([]JumpHost, error) {
	hosts, err := f.nodes(ctx, "", "")
	slices.SortStableFunc(hosts, func(a, b JumpHost) int { return cmp.Compare(a.Target, b.Target) })
	return hosts, err
}

// OnlineTargets are the SSM targets of via that are online, or the error that
// there is none.
func (f *Finder) OnlineTargets(ctx context.Context, via string) ([]string, error) {
	hosts, err := f.JumpHosts(ctx, via)
	if err != nil {
		return nil, err
	}
	var online, seen []string
	for _, h := range hosts {
		if h.Online {
			online = append(online, h.Target)
		}
		seen = append(seen, h.Target+" "+h.Status)
	}
	if len(online) == 0 {
		return nil, causes.NoneOnline.New(causes.Facts{
			"via": via, "where": f.where(), "seen": display.Line(strings.Join(seen, ", ")), "fix": offlineHint(via),
		}, nil)
	}
	return online, nil
}

func offlineHint(via string) string {
	if cluster, service, ok := strings.Cut(strings.TrimPrefix(via, "ecs:"), "/"); ok && strings.HasPrefix(via, "ecs:") {
		return fmt.Sprintf("sessions need ECS Exec, and ssmmessages permissions in the task's role: "+
			"`aws ecs update-service --cluster %s --service %s --enable-execute-command --force-new-deployment`", cluster, service)
	}
	return "start one; if it runs, its SSM agent is down, has no instance role, or no route to ssm and ssmmessages"
}

func (f *Finder) noJumpHost(via string) error {
	facts := causes.Facts{
		"via": via, "where": f.where(), "asked": "asked Systems Manager for managed nodes in " + f.where(),
		"fix": "`pgkeyless list` shows the jump hosts there; --region and --profile choose where to look",
	}
	switch kind, _, _ := strings.Cut(via, ":"); kind {
	case "asg", "autoscaling":
		facts["asked"] = "looked for the group's instances in service that Systems Manager manages"
	case "ecs":
		facts["asked"] = "asked ECS for the running tasks"
		facts["fix"] = "check cluster, service and region: `aws ecs list-tasks --cluster CLUSTER --service-name SERVICE`"
	}
	return causes.NoJumpHost.New(facts, about{ErrNotFound, nil})
}

// nodes lists the managed nodes that a filter lets through; an empty key lists
// all.
func (f *Finder) nodes(ctx context.Context, via, key string, values ...string) ([]JumpHost, error) {
	var filters []ssm.Filter
	doing := "listing jump hosts"
	if key != "" {
		filters = []ssm.Filter{{Key: key, Values: values}}
		doing = "looking for jump host " + via
	}
	nodes, err := awsapi.All(ctx, func(ctx context.Context, token string) ([]ssm.Node, string, error) {
		return f.cfg.SSM.DescribeInstanceInformation(ctx, filters, token)
	})
	var hosts []JumpHost
	for _, n := range nodes {
		hosts = append(hosts, f.node(n))
	}
	if err != nil {
		return hosts, f.worded(doing, "ssm:DescribeInstanceInformation", err)
	}
	return hosts, nil
}

func (f *Finder) node(n ssm.Node) JumpHost {
	return JumpHost{
		Target:   n.ID,
		Name:     cmp.Or(n.Name, n.ComputerName),
		IP:       n.IP,
		Online:   n.Ping == ssm.Online,
		Status:   n.Ping,
		Agent:    n.Agent,
		Platform: strings.TrimSpace(n.PlatformName + " " + n.PlatformVersion),
		Region:   f.cfg.Region,
	}
}

// group lists the instances in service of an Auto Scaling group that Systems
// Manager manages.
func (f *Finder) group(ctx context.Context, via, name string) ([]JumpHost, error) {
	instances, err := f.cfg.AutoScaling.DescribeAutoScalingGroup(ctx, name)
	if err != nil {
		return nil, f.worded("looking for jump host "+via, "autoscaling:DescribeAutoScalingGroups", err)
	}
	var ids []string
	for _, i := range instances {
		if i.State == autoscaling.InService {
			ids = append(ids, i.ID)
		}
	}
	var hosts []JumpHost
	for some := range slices.Chunk(ids, ssm.MaxValues) {
		nodes, err := f.nodes(ctx, via, "InstanceIds", some...)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, nodes...)
	}
	return hosts, nil
}
