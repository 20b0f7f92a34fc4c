package awsemu

import (
	"encoding/xml"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// rdsAnswer is the frame of an answer by RDS: <XResponse><XResult>….
type rdsAnswer struct {
	XMLName   xml.Name
	Namespace string `xml:"xmlns,attr"`
	Result    any
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

func rdsResult(operation string, result any) rdsAnswer {
	return rdsAnswer{
		XMLName: xml.Name{Local: operation + "Response"}, Namespace: rdsNamespace,
		Result: result, RequestID: newRequestID(),
	}
}

type instanceXML struct {
	DBInstanceIdentifier, DBInstanceArn, DbiResourceId, Engine, EngineVersion, DBInstanceStatus, MasterUsername string
	DBClusterIdentifier                                                                                         string `xml:",omitempty"`
	Endpoint                                                                                                    *endpointXML
	IAMDatabaseAuthenticationEnabled                                                                            bool
	DBSubnetGroup                                                                                               subnetGroupXML
	MasterUserSecret                                                                                            *masterSecretXML
}

type masterSecretXML struct{ SecretArn, SecretStatus, KmsKeyId string }

// managed is what Describe says of a secret that RDS keeps.
func (e *Emulator) managed(s *MasterSecret, region string) *masterSecretXML {
	if s == nil {
		return nil
	}
	return &masterSecretXML{s.ARN, or(s.Status, "active"), or(s.Key, e.arn("kms", region, "key/00000000-0000-4000-8000-000000000000"))}
}

// defaultVPC is where everything is that says nothing else.
const defaultVPC = "vpc-0123456789abcdef0"

type subnetGroupXML struct{ VpcId string }

type endpointXML struct {
	Address string
	Port    int
}

func (e *Emulator) describeInstances(caller Caller, form url.Values) (any, *apiError) {
	d := e.known()
	found, err := named(d.Instances, form.Get("DBInstanceIdentifier"), "DBInstanceNotFound", func(i DBInstance) (string, bool) {
		return i.Identifier, e.here(caller, i.Region)
	})
	if err != nil {
		return nil, err
	}
	found, marker, err := page(found, form, d.PageSize)
	if err != nil {
		return nil, err
	}
	result := struct {
		XMLName xml.Name      `xml:"DescribeDBInstancesResult"`
		Items   []instanceXML `xml:"DBInstances>DBInstance"`
		Marker  string        `xml:",omitempty"`
	}{Marker: marker}
	for _, i := range found {
		x := instanceXML{
			DBInstanceIdentifier: i.Identifier, DBInstanceArn: e.arn("rds", i.Region, "db:"+i.Identifier), DbiResourceId: i.ResourceID,
			Engine: or(i.Engine, "postgres"), EngineVersion: or(i.EngineVersion, "16.4"), DBInstanceStatus: or(i.Status, "available"), MasterUsername: "postgres",
			DBClusterIdentifier: i.Cluster, IAMDatabaseAuthenticationEnabled: !i.NoIAM, DBSubnetGroup: subnetGroupXML{or(i.VPC, defaultVPC)},
			MasterUserSecret: e.managed(i.Secret, i.Region),
		}
		if i.Host != "" { // none while it is being created
			x.Endpoint = &endpointXML{i.Host, orPort(i.Port)}
		}
		result.Items = append(result.Items, x)
	}
	return rdsResult("DescribeDBInstances", result), nil
}

type clusterXML struct {
	DBClusterIdentifier, DBClusterArn, DbClusterResourceId, Engine, EngineVersion, EngineMode, Status, MasterUsername string
	Endpoint                                                                                                          string   `xml:",omitempty"`
	ReaderEndpoint                                                                                                    string   `xml:",omitempty"`
	CustomEndpoints                                                                                                   []string `xml:"CustomEndpoints>member"`
	Port                                                                                                              int
	IAMDatabaseAuthenticationEnabled                                                                                  bool
	InternetAccessGatewayEnabled, VPCNetworkingEnabled                                                                *bool `xml:",omitempty"`
	ServerlessV2ScalingConfiguration                                                                                  *scalingXML
	Members                                                                                                           []memberXML `xml:"DBClusterMembers>DBClusterMember"`
	MasterUserSecret                                                                                                  *masterSecretXML
}

type scalingXML struct {
	MinCapacity, MaxCapacity float64
	SecondsUntilAutoPause    int `xml:",omitempty"`
}

type memberXML struct {
	DBInstanceIdentifier string
	IsClusterWriter      bool
}

func (e *Emulator) describeClusters(caller Caller, form url.Values) (any, *apiError) {
	d := e.known()
	found, err := named(d.Clusters, form.Get("DBClusterIdentifier"), "DBClusterNotFoundFault", func(c DBCluster) (string, bool) {
		return c.Identifier, e.here(caller, c.Region)
	})
	if err != nil {
		return nil, err
	}
	found, marker, err := page(found, form, d.PageSize)
	if err != nil {
		return nil, err
	}
	result := struct {
		XMLName xml.Name     `xml:"DescribeDBClustersResult"`
		Items   []clusterXML `xml:"DBClusters>DBCluster"`
		Marker  string       `xml:",omitempty"`
	}{Marker: marker}
	for _, c := range found {
		x := clusterXML{
			DBClusterIdentifier: c.Identifier, DBClusterArn: e.arn("rds", c.Region, "cluster:"+c.Identifier), DbClusterResourceId: c.ResourceID,
			Engine: or(c.Engine, "aurora-postgresql"), EngineVersion: "16.4", EngineMode: or(c.EngineMode, "provisioned"), Status: or(c.Status, "available"),
			MasterUsername: "postgres", Endpoint: c.Host, ReaderEndpoint: c.ReaderHost, CustomEndpoints: slices.Sorted(maps.Values(c.Custom)),
			Port: orPort(c.Port), IAMDatabaseAuthenticationEnabled: !c.NoIAM,
			MasterUserSecret: e.managed(c.Secret, c.Region),
		}
		if c.Express { // the only clusters of which it is told
			yes, no := true, false
			x.InternetAccessGatewayEnabled, x.VPCNetworkingEnabled = &yes, &no
		}
		if c.PausesAfter > 0 {
			x.ServerlessV2ScalingConfiguration = &scalingXML{MaxCapacity: 16, SecondsUntilAutoPause: c.PausesAfter}
		}
		for i, m := range c.Members {
			x.Members = append(x.Members, memberXML{m, i == 0})
		}
		result.Items = append(result.Items, x)
	}
	return rdsResult("DescribeDBClusters", result), nil
}

type clusterEndpointXML struct {
	DBClusterEndpointIdentifier string `xml:",omitempty"`
	DBClusterEndpointArn        string `xml:",omitempty"`
	DBClusterIdentifier         string
	Endpoint                    string
	EndpointType                string
	Status                      string
}

// describeClusterEndpoints lists the endpoints of one cluster or of all: writer
// and reader, which have no identifier, and custom ones. A name that nothing has
// gives an empty list.
func (e *Emulator) describeClusterEndpoints(caller Caller, form url.Values) (any, *apiError) {
	d := e.known()
	found, err := named(d.Clusters, form.Get("DBClusterIdentifier"), "DBClusterNotFoundFault", func(c DBCluster) (string, bool) {
		return c.Identifier, e.here(caller, c.Region)
	})
	if err != nil {
		return nil, err
	}
	var all []clusterEndpointXML
	for _, c := range found {
		all = append(all, clusterEndpointXML{DBClusterIdentifier: c.Identifier, Endpoint: c.Host, EndpointType: "WRITER", Status: "available"},
			clusterEndpointXML{DBClusterIdentifier: c.Identifier, Endpoint: c.ReaderHost, EndpointType: "READER", Status: "available"})
		for _, id := range slices.Sorted(maps.Keys(c.Custom)) {
			all = append(all, clusterEndpointXML{id, e.arn("rds", c.Region, "cluster-endpoint:"+id), c.Identifier, c.Custom[id], "CUSTOM", "available"})
		}
	}
	if id := form.Get("DBClusterEndpointIdentifier"); id != "" {
		all = slices.DeleteFunc(all, func(x clusterEndpointXML) bool { return x.DBClusterEndpointIdentifier != id })
	}
	all, marker, err := page(all, form, d.PageSize)
	if err != nil {
		return nil, err
	}
	return rdsResult("DescribeDBClusterEndpoints", struct {
		XMLName xml.Name             `xml:"DescribeDBClusterEndpointsResult"`
		Items   []clusterEndpointXML `xml:"DBClusterEndpoints>DBClusterEndpointList"`
		Marker  string               `xml:",omitempty"`
	}{Items: all, Marker: marker}), nil
}

type proxyXML struct {
	DBProxyName, DBProxyArn, EngineFamily, Status, Endpoint, VpcId, RoleArn, DefaultAuthScheme string
	CreatedDate, UpdatedDate                                                                   string
	RequireTLS, DebugLogging                                                                   bool
	IdleClientTimeout                                                                          int
	Auth                                                                                       []proxyAuthXML `xml:"Auth>member"`
	VpcSecurityGroupIds                                                                        []string       `xml:"VpcSecurityGroupIds>member"`
	VpcSubnetIds                                                                               []string       `xml:"VpcSubnetIds>member"`
}

type proxyAuthXML struct{ AuthScheme, SecretArn, IAMAuth, ClientPasswordAuthType string }

// proxyCreated is when all of them were.
const proxyCreated = "2026-03-02T08:15:00.000Z"

// proxy is p as RDS describes it.
func (e *Emulator) proxy(p DBProxy) proxyXML {
	x := proxyXML{
		DBProxyName: p.Name, DBProxyArn: e.arn("rds", p.Region, "db-proxy:"+p.ResourceID), EngineFamily: or(p.EngineFamily, "POSTGRESQL"),
		Status: or(p.Status, "available"), Endpoint: p.Host, VpcId: defaultVPC, RequireTLS: !p.NoTLS, IdleClientTimeout: p.IdleClientTimeout,
		RoleArn: "arn:aws:iam::" + e.cfg.Account + ":role/rds-proxy-" + p.Name, DefaultAuthScheme: "NONE",
		CreatedDate: proxyCreated, UpdatedDate: proxyCreated, VpcSecurityGroupIds: []string{"sg-0123456789abcdef0"},
		VpcSubnetIds: []string{"subnet-0123456789abcdef0", "subnet-0123456789abcdef1"},
	}
	if x.IdleClientTimeout == 0 {
		x.IdleClientTimeout = 1800
	}
	if p.EndToEnd {
		x.DefaultAuthScheme = "IAM_AUTH"
		return x
	}
	auth := proxyAuthXML{"SECRETS", e.arn("secretsmanager", p.Region, "secret:"+p.Name), "REQUIRED", "POSTGRES_SCRAM_SHA_256"}
	if p.NoIAM {
		auth.IAMAuth = "DISABLED"
	}
	x.Auth = []proxyAuthXML{auth}
	return x
}

func (e *Emulator) describeProxies(caller Caller, form url.Values) (any, *apiError) {
	d := e.known()
	found, err := named(d.Proxies, form.Get("DBProxyName"), "DBProxyNotFoundFault", func(p DBProxy) (string, bool) {
		return p.Name, e.here(caller, p.Region)
	})
	if err != nil {
		return nil, err
	}
	found, marker, err := page(found, form, d.PageSize)
	if err != nil {
		return nil, err
	}
	result := struct {
		XMLName xml.Name   `xml:"DescribeDBProxiesResult"`
		Items   []proxyXML `xml:"DBProxies>member"`
		Marker  string     `xml:",omitempty"`
	}{Marker: marker}
	for _, p := range found {
		result.Items = append(result.Items, e.proxy(p))
	}
	return rdsResult("DescribeDBProxies", result), nil
}

type proxyEndpointXML struct {
	DBProxyEndpointName, DBProxyEndpointArn, DBProxyName, Status, Endpoint, TargetRole string
	IsDefault                                                                          bool
}

func (e *Emulator) describeProxyEndpoints(caller Caller, form url.Values) (any, *apiError) {
	d := e.known()
	found, err := named(d.Proxies, form.Get("DBProxyName"), "DBProxyNotFoundFault", func(p DBProxy) (string, bool) {
		return p.Name, e.here(caller, p.Region)
	})
	if err != nil {
		return nil, err
	}
	var all []proxyEndpointXML
	for _, p := range found {
		all = append(all, proxyEndpointXML{"default", e.arn("rds", p.Region, "db-proxy-endpoint:prx-endpoint-"+strings.TrimPrefix(p.ResourceID, "prx-")),
			p.Name, "available", p.Host, "READ_WRITE", true})
		for _, name := range slices.Sorted(maps.Keys(p.ReadOnly)) {
			all = append(all, proxyEndpointXML{name, e.arn("rds", p.Region, "db-proxy-endpoint:prx-endpoint-"+name), p.Name, "available", p.ReadOnly[name], "READ_ONLY", false})
		}
	}
	all, err = named(all, form.Get("DBProxyEndpointName"), "DBProxyEndpointNotFoundFault", func(x proxyEndpointXML) (string, bool) {
		return x.DBProxyEndpointName, true
	})
	if err != nil {
		return nil, err
	}
	all, marker, err := page(all, form, d.PageSize)
	if err != nil {
		return nil, err
	}
	return rdsResult("DescribeDBProxyEndpoints", struct {
		XMLName xml.Name           `xml:"DescribeDBProxyEndpointsResult"`
		Items   []proxyEndpointXML `xml:"DBProxyEndpoints>member"`
		Marker  string             `xml:",omitempty"`
	}{Items: all, Marker: marker}), nil
}

type proxyTargetXML struct {
	RdsResourceId, Endpoint, Type, Role string
	TrackedClusterId                    string `xml:",omitempty"`
	Port                                int
	TargetHealth                        targetHealthXML
}

type targetHealthXML struct {
	State               string
	Reason, Description string `xml:",omitempty"`
}

func (e *Emulator) describeProxyTargets(caller Caller, form url.Values) (any, *apiError) {
	d := e.known()
	if form.Get("DBProxyName") == "" {
		return nil, failed("InvalidParameterValue", "DBProxyName must not be empty")
	}
	found, err := named(d.Proxies, form.Get("DBProxyName"), "DBProxyNotFoundFault", func(p DBProxy) (string, bool) {
		return p.Name, e.here(caller, p.Region)
	})
	if err != nil {
		return nil, err
	}
	var all []proxyTargetXML
	for _, t := range found[0].Targets {
		all = append(all, proxyTargetXML{
			RdsResourceId: t.Instance, Endpoint: t.Host, Type: "RDS_INSTANCE", Role: "READ_WRITE", TrackedClusterId: t.Cluster, Port: 5432,
			TargetHealth: targetHealthXML{or(t.State, "AVAILABLE"), t.Reason, t.Description},
		})
	}
	all, marker, err := page(all, form, d.PageSize)
	if err != nil {
		return nil, err
	}
	return rdsResult("DescribeDBProxyTargets", struct {
		XMLName xml.Name         `xml:"DescribeDBProxyTargetsResult"`
		Items   []proxyTargetXML `xml:"Targets>member"`
		Marker  string           `xml:",omitempty"`
	}{Items: all, Marker: marker}), nil
}

type globalXML struct {
	GlobalClusterIdentifier, GlobalClusterArn, Engine, EngineVersion, Status string
	Endpoint                                                                 string            `xml:",omitempty"`
	Members                                                                  []globalMemberXML `xml:"GlobalClusterMembers>GlobalClusterMember"`
}

type globalMemberXML struct {
	DBClusterArn string
	IsWriter     bool
}

// describeGlobals is the same in every region.
func (e *Emulator) describeGlobals(_ Caller, form url.Values) (any, *apiError) {
	d := e.known()
	found, err := named(d.Globals, form.Get("GlobalClusterIdentifier"), "GlobalClusterNotFoundFault", func(g GlobalCluster) (string, bool) {
		return g.Identifier, true
	})
	if err != nil {
		return nil, err
	}
	found, marker, err := page(found, form, d.PageSize)
	if err != nil {
		return nil, err
	}
	result := struct {
		XMLName xml.Name    `xml:"DescribeGlobalClustersResult"`
		Items   []globalXML `xml:"GlobalClusters>GlobalClusterMember"`
		Marker  string      `xml:",omitempty"`
	}{Marker: marker}
	for _, g := range found {
		x := globalXML{
			GlobalClusterIdentifier: g.Identifier, GlobalClusterArn: "arn:aws:rds::" + e.cfg.Account + ":global-cluster:" + g.Identifier,
			Engine: "aurora-postgresql", EngineVersion: "16.4", Status: "available", Endpoint: g.Host,
			Members: []globalMemberXML{{g.Writer, true}},
		}
		for _, m := range g.Members {
			x.Members = append(x.Members, globalMemberXML{m, false})
		}
		result.Items = append(result.Items, x)
	}
	return rdsResult("DescribeGlobalClusters", result), nil
}
