package discover

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/rds"
)

const (
	testRegion  = "eu-central-1"
	testAccount = "111122223333"
	testARN     = "arn:aws:rds:" + testRegion + ":" + testAccount + ":"
)

// fakeRDS is an account's databases in one region. A call whose name has an
// error fails with it.
type fakeRDS struct {
	instances []rds.Instance
	clusters  []rds.Cluster
	customs   []rds.ClusterEndpoint
	proxies   []rds.Proxy
	ownEnds   []rds.ProxyEndpoint
	targets   []rds.ProxyTarget // of every proxy
	globals   []rds.GlobalCluster
	blueGreen []rds.Deployment
	errs      map[string]error

	mu    sync.Mutex
	calls []string
}

// answer is the items with the id, or all for none; one at a time, so that
// lists have pages.
func answer[T any](f *fakeRDS, call string, items []T, id, marker string, idOf func(T) string, missing string) (page []T, next string, err error) {
	f.mu.Lock()
	f.calls = append(f.calls, call)
	f.mu.Unlock()
	if err := f.errs[call]; err != nil {
		return nil, "", err
	}
	if id != "" {
		for _, item := range items {
			if idOf(item) == id {
				return []T{item}, "", nil
			}
		}
		if missing == "" {
			return nil, "", nil
		}
		return nil, "", &smithy.GenericAPIError{Code: missing, Message: "not found"}
	}
	page, next = onePage(items, marker)
	return page, next, nil
}

// onePage is the item at the token, and the token of the next one.
func onePage[T any](items []T, token string) (page []T, next string) {
	at, _ := strconv.Atoi(token)
	if at+1 < len(items) {
		next = strconv.Itoa(at + 1)
	}
	return items[at:min(at+1, len(items))], next
}

func (f *fakeRDS) DescribeDBInstances(_ context.Context, identifier, marker string) ([]rds.Instance, string, error) {
	return answer(f, "DescribeDBInstances", f.instances, identifier, marker, func(i rds.Instance) string { return i.Identifier }, "DBInstanceNotFound")
}

func (f *fakeRDS) DescribeDBClusters(_ context.Context, identifier, marker string) ([]rds.Cluster, string, error) {
	return answer(f, "DescribeDBClusters", f.clusters, identifier, marker, func(c rds.Cluster) string { return c.Identifier }, "DBClusterNotFoundFault")
}

func (f *fakeRDS) DescribeDBClusterEndpoints(_ context.Context, which rds.Endpoints, marker string) ([]rds.ClusterEndpoint, string, error) {
	items := slices.DeleteFunc(slices.Clone(f.customs), func(e rds.ClusterEndpoint) bool { return which.Of != "" && e.Cluster != which.Of })
	return answer(f, "DescribeDBClusterEndpoints", items, which.Name, marker, func(e rds.ClusterEndpoint) string { return e.Name }, "")
}

func (f *fakeRDS) DescribeDBProxies(_ context.Context, name, marker string) ([]rds.Proxy, string, error) {
	return answer(f, "DescribeDBProxies", f.proxies, name, marker, func(p rds.Proxy) string { return p.Name }, "DBProxyNotFoundFault")
}

func (f *fakeRDS) DescribeDBProxyEndpoints(_ context.Context, which rds.Endpoints, marker string) ([]rds.ProxyEndpoint, string, error) {
	items := slices.DeleteFunc(slices.Clone(f.ownEnds), func(e rds.ProxyEndpoint) bool { return which.Of != "" && e.Proxy != which.Of })
	return answer(f, "DescribeDBProxyEndpoints", items, which.Name, marker, func(e rds.ProxyEndpoint) string { return e.Name }, "DBProxyEndpointNotFoundFault")
}

func (f *fakeRDS) DescribeDBProxyTargets(_ context.Context, proxy, marker string) ([]rds.ProxyTarget, string, error) {
	return answer(f, "DescribeDBProxyTargets of "+proxy, f.targets, "", marker, nil, "")
}

func (f *fakeRDS) DescribeGlobalClusters(_ context.Context, identifier, marker string) ([]rds.GlobalCluster, string, error) {
	return answer(f, "DescribeGlobalClusters", f.globals, identifier, marker, func(g rds.GlobalCluster) string { return g.Identifier }, "GlobalClusterNotFoundFault")
}

func (f *fakeRDS) DescribeBlueGreenDeployments(_ context.Context, marker string) ([]rds.Deployment, string, error) {
	return answer(f, "DescribeBlueGreenDeployments", f.blueGreen, "", marker, nil, "")
}

func instance(name, engine string) rds.Instance {
	return rds.Instance{
		Identifier: name, ARN: testARN + "db:" + name, ResourceID: "db-" + name, Engine: engine, EngineVersion: "16.4", Status: "available",
		Host: name + ".abc123.eu-central-1.rds.amazonaws.com", Port: 5433, IAM: true, MasterUser: "postgres",
	}
}

func member(name, cluster string) rds.Instance {
	i := instance(name, "aurora-postgresql")
	i.Cluster = cluster
	return i
}

func cluster(name string, members ...string) rds.Cluster {
	return rds.Cluster{
		Identifier: name, ARN: testARN + "cluster:" + name, ResourceID: "cluster-" + name,
		Engine: "aurora-postgresql", EngineMode: "provisioned", Status: "available",
		Endpoint: name + ".cluster-abc123.eu-central-1.rds.amazonaws.com",
		Reader:   name + ".cluster-ro-abc123.eu-central-1.rds.amazonaws.com",
		Port:     5432, IAM: true, Members: members,
	}
}

func custom(name, cluster string) rds.ClusterEndpoint {
	return rds.ClusterEndpoint{Name: name, Cluster: cluster, Type: "CUSTOM", Host: name + ".cluster-custom-abc123.eu-central-1.rds.amazonaws.com"}
}

func proxy(name, id string) rds.Proxy {
	return rds.Proxy{
		Name: name, ARN: testARN + "db-proxy:" + id, Family: "POSTGRESQL", Status: "available",
		Host: name + ".proxy-abc123.eu-central-1.rds.amazonaws.com", IAMAuth: []string{"REQUIRED"},
	}
}

func proxyEndpoint(name, proxy, role string) rds.ProxyEndpoint {
	return rds.ProxyEndpoint{
		Name: name, Proxy: proxy, ARN: testARN + "db-proxy-endpoint:prx-endpoint-" + name,
		Host: name + ".endpoint.proxy-abc123.eu-central-1.rds.amazonaws.com", Role: role,
	}
}
