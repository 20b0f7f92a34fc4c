package awsapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkautoscaling "github.com/aws/aws-sdk-go-v2/service/autoscaling"
	autoscalingtypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	sdkecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	sdkrds "github.com/aws/aws-sdk-go-v2/service/rds"
	sdkssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/autoscaling"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/ecs"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/rds"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/ssm"
)

// lookups are the calls that look for databases and jump hosts.
var lookups = []call{
	describing("DBInstances",
		func(ctx context.Context, c *rds.Client) (any, error) {
			return paged(c.DescribeDBInstances(ctx, "orders", "next"))
		},
		func(ctx context.Context, c *sdkrds.Client) (any, error) {
			out, err := c.DescribeDBInstances(ctx, &sdkrds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("orders"), Marker: aws.String("next")})
			if err != nil {
				return nil, err
			}
			return pageOf(out.DBInstances, instance, out.Marker), nil
		}),
	describing("DBClusters",
		func(ctx context.Context, c *rds.Client) (any, error) {
			return paged(c.DescribeDBClusters(ctx, "ledger", "next"))
		},
		func(ctx context.Context, c *sdkrds.Client) (any, error) {
			out, err := c.DescribeDBClusters(ctx, &sdkrds.DescribeDBClustersInput{DBClusterIdentifier: aws.String("ledger"), Marker: aws.String("next")})
			if err != nil {
				return nil, err
			}
			return pageOf(out.DBClusters, cluster, out.Marker), nil
		}),
	describing("DBClusterEndpoints",
		func(ctx context.Context, c *rds.Client) (any, error) {
			return paged(c.DescribeDBClusterEndpoints(ctx, rds.Endpoints{Name: "bi", Of: "ledger"}, "next"))
		},
		func(ctx context.Context, c *sdkrds.Client) (any, error) {
			out, err := c.DescribeDBClusterEndpoints(ctx, &sdkrds.DescribeDBClusterEndpointsInput{
				DBClusterEndpointIdentifier: aws.String("bi"), DBClusterIdentifier: aws.String("ledger"), Marker: aws.String("next"),
			})
			if err != nil {
				return nil, err
			}
			return pageOf(out.DBClusterEndpoints, clusterEndpoint, out.Marker), nil
		}),
	describing("DBProxies",
		func(ctx context.Context, c *rds.Client) (any, error) {
			return paged(c.DescribeDBProxies(ctx, "pooled", "next"))
		},
		func(ctx context.Context, c *sdkrds.Client) (any, error) {
			out, err := c.DescribeDBProxies(ctx, &sdkrds.DescribeDBProxiesInput{DBProxyName: aws.String("pooled"), Marker: aws.String("next")})
			if err != nil {
				return nil, err
			}
			return pageOf(out.DBProxies, proxy, out.Marker), nil
		}),
	describing("DBProxyEndpoints",
		func(ctx context.Context, c *rds.Client) (any, error) {
			return paged(c.DescribeDBProxyEndpoints(ctx, rds.Endpoints{Name: "pooled-ro", Of: "pooled"}, "next"))
		},
		func(ctx context.Context, c *sdkrds.Client) (any, error) {
			out, err := c.DescribeDBProxyEndpoints(ctx, &sdkrds.DescribeDBProxyEndpointsInput{
				DBProxyEndpointName: aws.String("pooled-ro"), DBProxyName: aws.String("pooled"), Marker: aws.String("next"),
			})
			if err != nil {
				return nil, err
			}
			return pageOf(out.DBProxyEndpoints, proxyEndpoint, out.Marker), nil
		}),
	describing("DBProxyTargets",
		func(ctx context.Context, c *rds.Client) (any, error) {
			return paged(c.DescribeDBProxyTargets(ctx, "pooled", "next"))
		},
		func(ctx context.Context, c *sdkrds.Client) (any, error) {
			out, err := c.DescribeDBProxyTargets(ctx, &sdkrds.DescribeDBProxyTargetsInput{DBProxyName: aws.String("pooled"), Marker: aws.String("next")})
			if err != nil {
				return nil, err
			}
			return pageOf(out.Targets, proxyTarget, out.Marker), nil
		}),
	describing("GlobalClusters",
		func(ctx context.Context, c *rds.Client) (any, error) {
			return paged(c.DescribeGlobalClusters(ctx, "world", "next"))
		},
		func(ctx context.Context, c *sdkrds.Client) (any, error) {
			out, err := c.DescribeGlobalClusters(ctx, &sdkrds.DescribeGlobalClustersInput{GlobalClusterIdentifier: aws.String("world"), Marker: aws.String("next")})
			if err != nil {
				return nil, err
			}
			return pageOf(out.GlobalClusters, globalCluster, out.Marker), nil
		}),
	describing("BlueGreenDeployments",
		func(ctx context.Context, c *rds.Client) (any, error) {
			return paged(c.DescribeBlueGreenDeployments(ctx, "next"))
		},
		func(ctx context.Context, c *sdkrds.Client) (any, error) {
			out, err := c.DescribeBlueGreenDeployments(ctx, &sdkrds.DescribeBlueGreenDeploymentsInput{Marker: aws.String("next")})
			if err != nil {
				return nil, err
			}
			return pageOf(out.BlueGreenDeployments, deployment, out.Marker), nil
		}),
	{
		"autoscaling:DescribeAutoScalingGroups",
		func(ctx context.Context, cfg aws.Config) (any, error) {
			return autoscaling.New(cfg).DescribeAutoScalingGroup(ctx, "jump hosts")
		},
		func(ctx context.Context, cfg aws.Config) (any, error) {
			out, err := sdkautoscaling.NewFromConfig(cfg).DescribeAutoScalingGroups(ctx, &sdkautoscaling.DescribeAutoScalingGroupsInput{
				AutoScalingGroupNames: []string{"jump hosts"},
			})
			if err != nil {
				return nil, err
			}
			return each(out.AutoScalingGroups[0].Instances, func(i autoscalingtypes.Instance) autoscaling.Instance {
				return autoscaling.Instance{ID: val(i.InstanceId), State: string(i.LifecycleState)}
			}), nil
		},
	},
	{
		"ecs:ListTasks",
		func(ctx context.Context, cfg aws.Config) (any, error) {
			return paged(ecs.New(cfg).ListTasks(ctx, "tools", "jump", "next"))
		},
		func(ctx context.Context, cfg aws.Config) (any, error) {
			out, err := sdkecs.NewFromConfig(cfg).ListTasks(ctx, &sdkecs.ListTasksInput{
				Cluster: aws.String("tools"), ServiceName: aws.String("jump"), DesiredStatus: ecstypes.DesiredStatusRunning, NextToken: aws.String("next"),
			})
			if err != nil {
				return nil, err
			}
			return pageOf(out.TaskArns, itself, out.NextToken), nil
		},
	},
	{
		"ecs:DescribeTasks",
		func(ctx context.Context, cfg aws.Config) (any, error) {
			return ecs.New(cfg).DescribeTasks(ctx, "tools", []string{"t1", "t2"})
		},
		func(ctx context.Context, cfg aws.Config) (any, error) {
			out, err := sdkecs.NewFromConfig(cfg).DescribeTasks(ctx, &sdkecs.DescribeTasksInput{Cluster: aws.String("tools"), Tasks: []string{"t1", "t2"}})
			if err != nil {
				return nil, err
			}
			return each(out.Tasks, task), nil
		},
	},
	{
		"ssm:DescribeInstanceInformation",
		func(ctx context.Context, cfg aws.Config) (any, error) {
			return paged(ssm.New(cfg).DescribeInstanceInformation(ctx, []ssm.Filter{{Key: "tag:Role", Values: []string{"jump", "web"}}}, "next"))
		},
		func(ctx context.Context, cfg aws.Config) (any, error) {
			out, err := sdkssm.NewFromConfig(cfg).DescribeInstanceInformation(ctx, &sdkssm.DescribeInstanceInformationInput{
				Filters:    []ssmtypes.InstanceInformationStringFilter{{Key: aws.String("tag:Role"), Values: []string{"jump", "web"}}},
				MaxResults: aws.Int32(50), NextToken: aws.String("next"),
			})
			if err != nil {
				return nil, err
			}
			return pageOf(out.InstanceInformationList, node, out.NextToken), nil
		},
	},
}

// describing is one of RDS's Describe operations.
func describing(what string, ours func(context.Context, *rds.Client) (any, error), theirs func(context.Context, *sdkrds.Client) (any, error)) call {
	return call{
		"rds:Describe" + what,
		func(ctx context.Context, cfg aws.Config) (any, error) { return ours(ctx, rds.New(cfg)) },
		func(ctx context.Context, cfg aws.Config) (any, error) { return theirs(ctx, sdkrds.NewFromConfig(cfg)) },
	}
}
