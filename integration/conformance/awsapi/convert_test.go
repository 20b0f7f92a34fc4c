package awsapi

import (
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/ecs"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/rds"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/ssm"
)

// These functions convert what the SDK reads to our types, field by field.

func instance(i rdstypes.DBInstance) rds.Instance {
	endpoint := val(i.Endpoint)
	return rds.Instance{
		Identifier: val(i.DBInstanceIdentifier), ARN: val(i.DBInstanceArn), ResourceID: val(i.DbiResourceId),
		Engine: val(i.Engine), EngineVersion: val(i.EngineVersion), Status: val(i.DBInstanceStatus),
		Host: val(endpoint.Address), Port: int(val(endpoint.Port)), VPC: val(val(i.DBSubnetGroup).VpcId),
		Cluster: val(i.DBClusterIdentifier), IAM: val(i.IAMDatabaseAuthenticationEnabled),
		MasterUser: val(i.MasterUsername), Secret: secret(i.MasterUserSecret),
	}
}

func cluster(c rdstypes.DBCluster) rds.Cluster {
	scaling := val(c.ServerlessV2ScalingConfiguration)
	return rds.Cluster{
		Identifier: val(c.DBClusterIdentifier), ARN: val(c.DBClusterArn), ResourceID: val(c.DbClusterResourceId),
		Engine: val(c.Engine), EngineVersion: val(c.EngineVersion), EngineMode: val(c.EngineMode), Status: val(c.Status),
		Endpoint: val(c.Endpoint), Reader: val(c.ReaderEndpoint), Port: int(val(c.Port)),
		Members: each(c.DBClusterMembers, func(m rdstypes.DBClusterMember) string { return val(m.DBInstanceIdentifier) }),
		IAM:     val(c.IAMDatabaseAuthenticationEnabled), MasterUser: val(c.MasterUsername), Secret: secret(c.MasterUserSecret),
		Gateway: val(c.InternetAccessGatewayEnabled), InVPC: val(c.VPCNetworkingEnabled),
		MinCapacity: scaling.MinCapacity, PausesAfter: int(val(scaling.SecondsUntilAutoPause)),
	}
}

func secret(s *rdstypes.MasterUserSecret) rds.MasterUserSecret {
	return rds.MasterUserSecret{ARN: val(val(s).SecretArn), Status: val(val(s).SecretStatus), Key: val(val(s).KmsKeyId)}
}

func clusterEndpoint(e rdstypes.DBClusterEndpoint) rds.ClusterEndpoint {
	return rds.ClusterEndpoint{
		Name: val(e.DBClusterEndpointIdentifier), Cluster: val(e.DBClusterIdentifier), Type: val(e.EndpointType), Host: val(e.Endpoint),
	}
}

func proxy(p rdstypes.DBProxy) rds.Proxy {
	return rds.Proxy{
		Name: val(p.DBProxyName), ARN: val(p.DBProxyArn), Family: val(p.EngineFamily), Status: string(p.Status),
		Host: val(p.Endpoint), VPC: val(p.VpcId), Role: val(p.RoleArn), RequireTLS: val(p.RequireTLS),
		IdleTimeout: int(val(p.IdleClientTimeout)), DefaultAuth: val(p.DefaultAuthScheme),
		IAMAuth: each(p.Auth, func(a rdstypes.UserAuthConfigInfo) string { return string(a.IAMAuth) }),
	}
}

func proxyEndpoint(e rdstypes.DBProxyEndpoint) rds.ProxyEndpoint {
	return rds.ProxyEndpoint{
		Name: val(e.DBProxyEndpointName), ARN: val(e.DBProxyEndpointArn), Proxy: val(e.DBProxyName),
		Host: val(e.Endpoint), Role: string(e.TargetRole), Default: val(e.IsDefault),
	}
}

func proxyTarget(t rdstypes.DBProxyTarget) rds.ProxyTarget {
	health := val(t.TargetHealth)
	return rds.ProxyTarget{
		Name: val(t.RdsResourceId), Type: string(t.Type),
		State: string(health.State), Reason: string(health.Reason), Description: val(health.Description),
	}
}

func globalCluster(c rdstypes.GlobalCluster) rds.GlobalCluster {
	return rds.GlobalCluster{
		Identifier: val(c.GlobalClusterIdentifier), ARN: val(c.GlobalClusterArn),
		Engine: val(c.Engine), EngineVersion: val(c.EngineVersion), Status: val(c.Status), Endpoint: val(c.Endpoint),
		Members: each(c.GlobalClusterMembers, func(m rdstypes.GlobalClusterMember) rds.GlobalMember {
			return rds.GlobalMember{ARN: val(m.DBClusterArn), Writer: val(m.IsWriter)}
		}),
	}
}

func deployment(d rdstypes.BlueGreenDeployment) rds.Deployment {
	return rds.Deployment{
		Source: val(d.Source), Target: val(d.Target),
		Members: each(d.SwitchoverDetails, func(s rdstypes.SwitchoverDetail) rds.Pair {
			return rds.Pair{Source: val(s.SourceMember), Target: val(s.TargetMember)}
		}),
	}
}

func task(t ecstypes.Task) ecs.Task {
	return ecs.Task{
		ARN: val(t.TaskArn), Cluster: val(t.ClusterArn), Status: val(t.LastStatus), Exec: t.EnableExecuteCommand,
		LaunchType: string(t.LaunchType), Platform: val(t.PlatformFamily), Containers: each(t.Containers, container),
	}
}

func container(c ecstypes.Container) ecs.Container {
	return ecs.Container{
		Name: val(c.Name), Runtime: val(c.RuntimeId),
		Agents: each(c.ManagedAgents, func(a ecstypes.ManagedAgent) ecs.ManagedAgent {
			return ecs.ManagedAgent{Name: string(a.Name), Status: val(a.LastStatus)}
		}),
	}
}

func node(i ssmtypes.InstanceInformation) ssm.Node {
	return ssm.Node{
		ID: val(i.InstanceId), Name: val(i.Name), ComputerName: val(i.ComputerName), IP: val(i.IPAddress),
		Ping: string(i.PingStatus), Agent: val(i.AgentVersion), PlatformName: val(i.PlatformName), PlatformVersion: val(i.PlatformVersion),
	}
}
