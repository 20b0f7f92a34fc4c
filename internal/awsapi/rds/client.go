package rds

import (
	"context"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/awsapi"
)

var service = awsapi.Service{ID: "RDS", Prefix: "rds", Version: "2014-10-31", GovCloudFIPS: awsapi.UsualIPv4FIPS}

// Client asks in one region. It is safe for concurrent use.
//
// Its methods return the page of a list that marker begins: "" is the first. next is the
// marker of the following page, or "" where there is none. An identifier that is empty
// asks for all. One that nothing has is an error, but for cluster endpoints.
type Client struct{ api *awsapi.Client }

// New makes a Client for cfg's region.
func New(cfg aws.Config) *Client { return &Client{awsapi.New(cfg, service)} }

// DescribeDBInstances asks for instances, the members of clusters among them.
func (c *Client) DescribeDBInstances(ctx context.Context, identifier, marker string) (page []Instance, next string, err error) {
	var out struct {
		Instances []Instance `xml:"DescribeDBInstancesResult>DBInstances>DBInstance"`
		Marker    string     `xml:"DescribeDBInstancesResult>Marker"`
	}
	err = c.api.Query(ctx, "DescribeDBInstances", url.Values{"DBInstanceIdentifier": {identifier}, "Marker": {marker}}, &out)
	return out.Instances, out.Marker, err
}

// DescribeDBClusters asks for clusters.
func (c *Client) DescribeDBClusters(ctx context.Context, identifier, marker string) (page []Cluster, next string, err error) {
	var out struct {
		Clusters []Cluster `xml:"DescribeDBClustersResult>DBClusters>DBCluster"`
		Marker   string    `xml:"DescribeDBClustersResult>Marker"`
	}
	err = c.api.Query(ctx, "DescribeDBClusters", url.Values{"DBClusterIdentifier": {identifier}, "Marker": {marker}}, &out)
	return out.Clusters, out.Marker, err
}

// DescribeDBClusterEndpoints asks for the endpoints of clusters.
func (c *Client) DescribeDBClusterEndpoints(ctx context.Context, which Endpoints, marker string) (page []ClusterEndpoint, next string, err error) {
	var out struct {
		Endpoints []ClusterEndpoint `xml:"DescribeDBClusterEndpointsResult>DBClusterEndpoints>DBClusterEndpointList"`
		Marker    string            `xml:"DescribeDBClusterEndpointsResult>Marker"`
	}
	err = c.api.Query(ctx, "DescribeDBClusterEndpoints", url.Values{
		"DBClusterEndpointIdentifier": {which.Name}, "DBClusterIdentifier": {which.Of}, "Marker": {marker},
	}, &out)
	return out.Endpoints, out.Marker, err
}

// DescribeDBProxies asks for proxies.
func (c *Client) DescribeDBProxies(ctx context.Context, name, marker string) (page []Proxy, next string, err error) {
	var out struct {
		Proxies []Proxy `xml:"DescribeDBProxiesResult>DBProxies>member"`
		Marker  string  `xml:"DescribeDBProxiesResult>Marker"`
	}
	err = c.api.Query(ctx, "DescribeDBProxies", url.Values{"DBProxyName": {name}, "Marker": {marker}}, &out)
	return out.Proxies, out.Marker, err
}

// DescribeDBProxyEndpoints asks for the endpoints of proxies.
func (c *Client) DescribeDBProxyEndpoints(ctx context.Context, which Endpoints, marker string) (page []ProxyEndpoint, next string, err error) {
	var out struct {
		Endpoints []ProxyEndpoint `xml:"DescribeDBProxyEndpointsResult>DBProxyEndpoints>member"`
		Marker    string          `xml:"DescribeDBProxyEndpointsResult>Marker"`
	}
	err = c.api.Query(ctx, "DescribeDBProxyEndpoints", url.Values{
		"DBProxyEndpointName": {which.Name}, "DBProxyName": {which.Of}, "Marker": {marker},
	}, &out)
	return out.Endpoints, out.Marker, err
}

// DescribeDBProxyTargets asks for the databases that a proxy connects to.
func (c *Client) DescribeDBProxyTargets(ctx context.Context, proxy, marker string) (page []ProxyTarget, next string, err error) {
	var out struct {
		Targets []ProxyTarget `xml:"DescribeDBProxyTargetsResult>Targets>member"`
		Marker  string        `xml:"DescribeDBProxyTargetsResult>Marker"`
	}
	err = c.api.Query(ctx, "DescribeDBProxyTargets", url.Values{"DBProxyName": {proxy}, "Marker": {marker}}, &out)
	return out.Targets, out.Marker, err
}

// DescribeGlobalClusters asks for global clusters.
func (c *Client) DescribeGlobalClusters(ctx context.Context, identifier, marker string) (page []GlobalCluster, next string, err error) {
	var out struct {
		Clusters []GlobalCluster `xml:"DescribeGlobalClustersResult>GlobalClusters>GlobalClusterMember"`
		Marker   string          `xml:"DescribeGlobalClustersResult>Marker"`
	}
	err = c.api.Query(ctx, "DescribeGlobalClusters", url.Values{"GlobalClusterIdentifier": {identifier}, "Marker": {marker}}, &out)
	return out.Clusters, out.Marker, err
}

// DescribeBlueGreenDeployments asks for all blue/green deployments.
func (c *Client) DescribeBlueGreenDeployments(ctx context.Context, marker string) (page []Deployment, next string, err error) {
	var out struct {
		Deployments []Deployment `xml:"DescribeBlueGreenDeploymentsResult>BlueGreenDeployments>member"`
		Marker      string       `xml:"DescribeBlueGreenDeploymentsResult>Marker"`
	}
	err = c.api.Query(ctx, "DescribeBlueGreenDeployments", url.Values{"Marker": {marker}}, &out)
	return out.Deployments, out.Marker, err
}
