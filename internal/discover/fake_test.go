package discover

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/smithy-go"
)

const (
	testRegion  = "eu-central-1"
	testAccount = "111122223333"
	testARN     = "arn:aws:rds:" + testRegion + ":" + testAccount + ":"
)

// fakeRDS is an account's databases in one region. A call whose name has an
// error fails with it.
type fakeRDS struct {
	instances []types.DBInstance
	clusters  []types.DBCluster
	customs   []types.DBClusterEndpoint
	proxies   []types.DBProxy
	ownEnds   []types.DBProxyEndpoint
	targets   []types.DBProxyTarget // of every proxy
	globals   []types.GlobalCluster
	blueGreen []types.BlueGreenDeployment
	errs      map[string]error

	mu    sync.Mutex
	calls []string
}

// answer is the items with the id, or all for none; one at a time, so that
// lists have pages.
func answer[T any](f *fakeRDS, call string, items []T, id, marker *string, idOf func(T) *string, missing string) (page []T, next *string, err error) {
	f.mu.Lock()
	f.calls = append(f.calls, call)
	f.mu.Unlock()
	if err := f.errs[call]; err != nil {
		return nil, nil, err
	}
	if id != nil {
		for _, item := range items {
			if aws.ToString(idOf(item)) == *id {
				return []T{item}, nil, nil
			}
		}
		if missing == "" {
			return nil, nil, nil
		}
		return nil, nil, &smithy.GenericAPIError{Code: missing, Message: "not found"}
	}
	at := len(aws.ToString(marker))
	if at >= len(items) {
		return nil, nil, nil
	}
	if at+1 < len(items) {
		next = aws.String(string(make([]byte, at+1)))
	}
	return items[at : at+1], next, nil
}

func (f *fakeRDS) DescribeDBInstances(_ context.Context, in *rds.DescribeDBInstancesInput, _ ...func(*rds.Options)) (*rds.DescribeDBInstancesOutput, error) {
	page, next, err := answer(f, "DescribeDBInstances", f.instances, in.DBInstanceIdentifier, in.Marker,
		func(i types.DBInstance) *string { return i.DBInstanceIdentifier }, "DBInstanceNotFound")
	return &rds.DescribeDBInstancesOutput{DBInstances: page, Marker: next}, err
}

func (f *fakeRDS) DescribeDBClusters(_ context.Context, in *rds.DescribeDBClustersInput, _ ...func(*rds.Options)) (*rds.DescribeDBClustersOutput, error) {
	page, next, err := answer(f, "DescribeDBClusters", f.clusters, in.DBClusterIdentifier, in.Marker,
		func(c types.DBCluster) *string { return c.DBClusterIdentifier }, "DBClusterNotFoundFault")
	return &rds.DescribeDBClustersOutput{DBClusters: page, Marker: next}, err
}

func (f *fakeRDS) DescribeDBClusterEndpoints(_ context.Context, in *rds.DescribeDBClusterEndpointsInput, _ ...func(*rds.Options)) (*rds.DescribeDBClusterEndpointsOutput, error) {
	items := f.customs
	if in.DBClusterIdentifier != nil {
		items = nil
		for _, c := range f.customs {
			if *c.DBClusterIdentifier == *in.DBClusterIdentifier {
				items = append(items, c)
			}
		}
	}
	page, next, err := answer(f, "DescribeDBClusterEndpoints", items, in.DBClusterEndpointIdentifier, in.Marker,
		func(c types.DBClusterEndpoint) *string { return c.DBClusterEndpointIdentifier }, "")
	return &rds.DescribeDBClusterEndpointsOutput{DBClusterEndpoints: page, Marker: next}, err
}

func (f *fakeRDS) DescribeDBProxies(_ context.Context, in *rds.DescribeDBProxiesInput, _ ...func(*rds.Options)) (*rds.DescribeDBProxiesOutput, error) {
	page, next, err := answer(f, "DescribeDBProxies", f.proxies, in.DBProxyName, in.Marker,
		func(p types.DBProxy) *string { return p.DBProxyName }, "DBProxyNotFoundFault")
	return &rds.DescribeDBProxiesOutput{DBProxies: page, Marker: next}, err
}

func (f *fakeRDS) DescribeDBProxyEndpoints(_ context.Context, in *rds.DescribeDBProxyEndpointsInput, _ ...func(*rds.Options)) (*rds.DescribeDBProxyEndpointsOutput, error) {
	items := f.ownEnds
	if in.DBProxyName != nil {
		items = nil
		for _, p := range f.ownEnds {
			if *p.DBProxyName == *in.DBProxyName {
				items = append(items, p)
			}
		}
	}
	page, next, err := answer(f, "DescribeDBProxyEndpoints", items, in.DBProxyEndpointName, in.Marker,
		func(p types.DBProxyEndpoint) *string { return p.DBProxyEndpointName }, "DBProxyEndpointNotFoundFault")
	return &rds.DescribeDBProxyEndpointsOutput{DBProxyEndpoints: page, Marker: next}, err
}

func (f *fakeRDS) DescribeDBProxyTargets(_ context.Context, in *rds.DescribeDBProxyTargetsInput, _ ...func(*rds.Options)) (*rds.DescribeDBProxyTargetsOutput, error) {
	page, next, err := answer(f, "DescribeDBProxyTargets of "+*in.DBProxyName, f.targets, nil, in.Marker, func(t types.DBProxyTarget) *string { return t.RdsResourceId }, "")
	return &rds.DescribeDBProxyTargetsOutput{Targets: page, Marker: next}, err
}

func (f *fakeRDS) DescribeGlobalClusters(_ context.Context, in *rds.DescribeGlobalClustersInput, _ ...func(*rds.Options)) (*rds.DescribeGlobalClustersOutput, error) {
	page, next, err := answer(f, "DescribeGlobalClusters", f.globals, in.GlobalClusterIdentifier, in.Marker,
		func(g types.GlobalCluster) *string { return g.GlobalClusterIdentifier }, "GlobalClusterNotFoundFault")
	return &rds.DescribeGlobalClustersOutput{GlobalClusters: page, Marker: next}, err
}

func (f *fakeRDS) DescribeBlueGreenDeployments(_ context.Context, in *rds.DescribeBlueGreenDeploymentsInput, _ ...func(*rds.Options)) (*rds.DescribeBlueGreenDeploymentsOutput, error) {
	page, next, err := answer(f, "DescribeBlueGreenDeployments", f.blueGreen, in.BlueGreenDeploymentIdentifier, in.Marker,
		func(d types.BlueGreenDeployment) *string { return d.BlueGreenDeploymentIdentifier }, "BlueGreenDeploymentNotFoundFault")
	return &rds.DescribeBlueGreenDeploymentsOutput{BlueGreenDeployments: page, Marker: next}, err
}

func instance(name, engine string) types.DBInstance {
	return types.DBInstance{
		DBInstanceIdentifier: aws.String(name), DBInstanceArn: aws.String(testARN + "db:" + name), DbiResourceId: aws.String("db-" + name),
		Engine: aws.String(engine), EngineVersion: aws.String("16.4"), DBInstanceStatus: aws.String("available"),
		Endpoint:                         &types.Endpoint{Address: aws.String(name + ".abc123.eu-central-1.rds.amazonaws.com"), Port: aws.Int32(5433)},
		IAMDatabaseAuthenticationEnabled: aws.Bool(true), MasterUsername: aws.String("postgres"),
	}
}

func member(name, cluster string) types.DBInstance {
	i := instance(name, "aurora-postgresql")
	i.DBClusterIdentifier = &cluster
	return i
}

func cluster(name string, members ...string) types.DBCluster {
	c := types.DBCluster{
		DBClusterIdentifier: aws.String(name), DBClusterArn: aws.String(testARN + "cluster:" + name), DbClusterResourceId: aws.String("cluster-" + name),
		Engine: aws.String("aurora-postgresql"), EngineMode: aws.String("provisioned"), Status: aws.String("available"),
		Endpoint:       aws.String(name + ".cluster-abc123.eu-central-1.rds.amazonaws.com"),
		ReaderEndpoint: aws.String(name + ".cluster-ro-abc123.eu-central-1.rds.amazonaws.com"),
		Port:           aws.Int32(5432), IAMDatabaseAuthenticationEnabled: aws.Bool(true),
	}
	for _, m := range members {
		c.DBClusterMembers = append(c.DBClusterMembers, types.DBClusterMember{DBInstanceIdentifier: &m})
	}
	return c
}

func custom(name, cluster string) types.DBClusterEndpoint {
	return types.DBClusterEndpoint{
		DBClusterEndpointIdentifier: &name, DBClusterIdentifier: &cluster, EndpointType: aws.String("CUSTOM"),
		Endpoint: aws.String(name + ".cluster-custom-abc123.eu-central-1.rds.amazonaws.com"),
	}
}

func proxy(name, id string) types.DBProxy {
	return types.DBProxy{
		DBProxyName: &name, DBProxyArn: aws.String(testARN + "db-proxy:" + id), EngineFamily: aws.String("POSTGRESQL"), Status: "available",
		Endpoint: aws.String(name + ".proxy-abc123.eu-central-1.rds.amazonaws.com"),
		Auth:     []types.UserAuthConfigInfo{{IAMAuth: types.IAMAuthModeRequired}},
	}
}

func proxyEndpoint(name, proxy string, role types.DBProxyEndpointTargetRole) types.DBProxyEndpoint {
	return types.DBProxyEndpoint{
		DBProxyEndpointName: &name, DBProxyName: &proxy, DBProxyEndpointArn: aws.String(testARN + "db-proxy-endpoint:prx-endpoint-" + name),
		Endpoint: aws.String(name + ".endpoint.proxy-abc123.eu-central-1.rds.amazonaws.com"), TargetRole: role,
	}
}
