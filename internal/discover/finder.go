package discover

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/autoscaling"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/ecs"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/rds"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/ssm"
	"github.com/pgkeyless/pgkeyless/internal/dsql"
)

// RDS is the part of RDS that is asked for databases. *rds.Client is one.
type RDS interface {
	DescribeDBInstances(ctx context.Context, identifier, marker string) ([]rds.Instance, string, error)
	DescribeDBClusters(ctx context.Context, identifier, marker string) ([]rds.Cluster, string, error)
	DescribeDBClusterEndpoints(ctx context.Context, which rds.Endpoints, marker string) ([]rds.ClusterEndpoint, string, error)
	DescribeDBProxies(ctx context.Context, name, marker string) ([]rds.Proxy, string, error)
	DescribeDBProxyEndpoints(ctx context.Context, which rds.Endpoints, marker string) ([]rds.ProxyEndpoint, string, error)
	DescribeDBProxyTargets(ctx context.Context, proxy, marker string) ([]rds.ProxyTarget, string, error)
	DescribeGlobalClusters(ctx context.Context, identifier, marker string) ([]rds.GlobalCluster, string, error)
	DescribeBlueGreenDeployments(ctx context.Context, marker string) ([]rds.Deployment, string, error)
}

// SSM is the part of Systems Manager that knows agents. *ssm.Client is one.
type SSM interface {
	DescribeInstanceInformation(ctx context.Context, filters []ssm.Filter, token string) ([]ssm.Node, string, error)
}

// ECS is the part of ECS that knows tasks. *ecs.Client is one.
type ECS interface {
	ListTasks(ctx context.Context, cluster, service, token string) ([]string, string, error)
	DescribeTasks(ctx context.Context, cluster string, tasks []string) ([]ecs.Task, error)
}

// AutoScaling is the part of Auto Scaling that knows groups.
// *autoscaling.Client is one.
type AutoScaling interface {
	DescribeAutoScalingGroup(ctx context.Context, name string) ([]autoscaling.Instance, error)
}

// DSQL is the part of Aurora DSQL that is asked for clusters. *dsql.Client is one.
type DSQL interface {
	Get(ctx context.Context, identifier string) (dsql.Cluster, error)
	List(ctx context.Context) ([]dsql.Cluster, error)
}

// Config is what New needs. Region is required, and of the services those that
// the methods called ask: RDS for databases, the others for jump hosts.
type Config struct {
	Region      string // of all services
	RDS         RDS
	SSM         SSM
	ECS         ECS
	AutoScaling AutoScaling
	DSQL        DSQL // nil: there are no DSQL clusters
	// RDSIn returns the RDS of another region, in which a global cluster's writer
	// may be; nil leaves what only that knows unknown.
	RDSIn func(region string) RDS
	// Profile is named in errors; "" is the SDK's own choice.
	Profile string
	// Explain, when not nil, turns an error of a call into what is to blame, when
	// that is the credentials.
	Explain func(error) error
}

// Finder finds databases and jump hosts of one region. It is safe for
// concurrent use and keeps nothing between calls.
type Finder struct{ cfg Config }

// New checks cfg and asks nothing.
func New(cfg Config) (*Finder, error) {
	if cfg.Region == "" {
		return nil, errors.New("discover: no region")
	}
	return &Finder{cfg}, nil
}

func (f *Finder) explain(err error) error {
	if f.cfg.Explain == nil {
		return err
	}
	return f.cfg.Explain(err)
}

// where says for people where was looked.
func (f *Finder) where() string {
	if f.cfg.Profile == "" {
		return f.cfg.Region
	}
	return fmt.Sprintf("%s (profile %s)", f.cfg.Region, f.cfg.Profile)
}

// sideBySide runs all functions at once and returns their results in order,
// when all have ended.
func sideBySide[T any](ctx context.Context, functions ...func(context.Context) (T, error)) ([]T, []error) {
	results, errs := make([]T, len(functions)), make([]error, len(functions))
	var all sync.WaitGroup
	for i, f := range functions {
		all.Go(func() { results[i], errs[i] = f(ctx) })
	}
	all.Wait()
	return results, errs
}
