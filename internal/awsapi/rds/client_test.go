package rds

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/awsapi"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/apitest"
	"github.com/pgkeyless/pgkeyless/internal/awserror"
)

// result is an answer of RDS to the operation.
func result(operation, content string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<` + operation + `Response xmlns="http://rds.amazonaws.com/doc/2014-10-31/">
  <` + operation + `Result>` + content + `</` + operation + `Result>
  <ResponseMetadata><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId><Marker>not this</Marker></ResponseMetadata>
</` + operation + `Response>`
}

// page is what a call returns, for a table.
func page[T any](items []T, next string, err error) (any, string, error) { return items, next, err }

func TestCalls(t *testing.T) {
	ctx := t.Context()
	for _, test := range []struct {
		name    string
		call    func(*Client) (any, string, error)
		form    string // without Version
		answer  string
		want    any
		next    string
		partial bool // some fields are absent
	}{
		{
			name: "an instance",
			call: func(c *Client) (any, string, error) { return page(c.DescribeDBInstances(ctx, "orders", "")) },
			form: "Action=DescribeDBInstances&DBInstanceIdentifier=orders",
			answer: result("DescribeDBInstances", `<DBInstances><DBInstance>
				<ListenerEndpoint><Address>listener.example.com</Address><Port>1</Port></ListenerEndpoint>
				<PendingModifiedValues><Port>2</Port><EngineVersion>17.1</EngineVersion></PendingModifiedValues>
				<DBInstanceIdentifier>orders</DBInstanceIdentifier><DBInstanceArn>arn:i</DBInstanceArn><DbiResourceId>db-ABC</DbiResourceId>
				<DBInstanceStatus>available</DBInstanceStatus><Engine>postgres</Engine><EngineVersion>16.4</EngineVersion>
				<Endpoint><Address>orders.abc.eu-central-1.rds.amazonaws.com</Address><Port>5433</Port><HostedZoneId>Z1</HostedZoneId></Endpoint>
				<DBSubnetGroup><DBSubnetGroupName>g</DBSubnetGroupName><VpcId>vpc-1</VpcId><Subnets><Subnet><SubnetStatus>Active</SubnetStatus></Subnet></Subnets></DBSubnetGroup>
				<DBClusterIdentifier>ledger</DBClusterIdentifier><IAMDatabaseAuthenticationEnabled>true</IAMDatabaseAuthenticationEnabled>
				<MasterUsername>root &amp; co</MasterUsername>
				<MasterUserSecret><SecretArn>arn:s</SecretArn><SecretStatus>active</SecretStatus><KmsKeyId>arn:k</KmsKeyId></MasterUserSecret>
				</DBInstance></DBInstances>`),
			want: []Instance{{
				Identifier: "orders", ARN: "arn:i", ResourceID: "db-ABC", Engine: "postgres", EngineVersion: "16.4", Status: "available",
				Host: "orders.abc.eu-central-1.rds.amazonaws.com", Port: 5433, VPC: "vpc-1", Cluster: "ledger", IAM: true, MasterUser: "root & co",
				Secret: MasterUserSecret{ARN: "arn:s", Status: "active", Key: "arn:k"},
			}},
		},
		{
			name: "instances that are being created, on the second page of several",
			call: func(c *Client) (any, string, error) { return page(c.DescribeDBInstances(ctx, "", "m1")) },
			form: "Action=DescribeDBInstances&Marker=m1",
			answer: result("DescribeDBInstances", `<Marker>m2</Marker><DBInstances>
				<DBInstance><DBInstanceIdentifier>a</DBInstanceIdentifier><Endpoint/></DBInstance>
				<DBInstance><DBInstanceIdentifier>b</DBInstanceIdentifier><Endpoint><Port/></Endpoint></DBInstance></DBInstances>`),
			want: []Instance{{Identifier: "a"}, {Identifier: "b"}}, next: "m2", partial: true,
		},
		{
			name:   "no instances",
			call:   func(c *Client) (any, string, error) { return page(c.DescribeDBInstances(ctx, "", "")) },
			form:   "Action=DescribeDBInstances",
			answer: result("DescribeDBInstances", `<DBInstances/>`),
			want:   []Instance(nil), partial: true,
		},
		{
			name: "a cluster",
			call: func(c *Client) (any, string, error) { return page(c.DescribeDBClusters(ctx, "ledger", "m1")) },
			form: "Action=DescribeDBClusters&DBClusterIdentifier=ledger&Marker=m1",
			answer: result("DescribeDBClusters", `<DBClusters><DBCluster>
				<DBClusterIdentifier>ledger</DBClusterIdentifier><DBClusterArn>arn:c</DBClusterArn><DbClusterResourceId>cluster-ABC</DbClusterResourceId>
				<Engine>aurora-postgresql</Engine><EngineVersion>16.4</EngineVersion><EngineMode>provisioned</EngineMode><Status>available</Status>
				<Endpoint>ledger.cluster-abc</Endpoint><ReaderEndpoint>ledger.cluster-ro-abc</ReaderEndpoint><Port>5432</Port>
				<CustomEndpoints><member>bi.cluster-custom-abc</member></CustomEndpoints>
				<DBClusterMembers>
				<DBClusterMember><DBInstanceIdentifier>ledger-1</DBInstanceIdentifier><IsClusterWriter>true</IsClusterWriter></DBClusterMember>
				<DBClusterMember><DBInstanceIdentifier>ledger-2</DBInstanceIdentifier></DBClusterMember>
				</DBClusterMembers>
				<IAMDatabaseAuthenticationEnabled>true</IAMDatabaseAuthenticationEnabled><MasterUsername>root</MasterUsername>
				<MasterUserSecret><SecretArn>arn:s</SecretArn><SecretStatus>active</SecretStatus><KmsKeyId>arn:k</KmsKeyId></MasterUserSecret>
				<InternetAccessGatewayEnabled>true</InternetAccessGatewayEnabled><VPCNetworkingEnabled>true</VPCNetworkingEnabled>
				<ServerlessV2ScalingConfiguration><MinCapacity>0.5</MinCapacity><MaxCapacity>8</MaxCapacity><SecondsUntilAutoPause>600</SecondsUntilAutoPause></ServerlessV2ScalingConfiguration>
				<ScalingConfigurationInfo><MinCapacity>2</MinCapacity></ScalingConfigurationInfo>
				</DBCluster></DBClusters><Marker>m2</Marker>`),
			want: []Cluster{{
				Identifier: "ledger", ARN: "arn:c", ResourceID: "cluster-ABC", Engine: "aurora-postgresql", EngineVersion: "16.4", EngineMode: "provisioned",
				Status: "available", Endpoint: "ledger.cluster-abc", Reader: "ledger.cluster-ro-abc", Port: 5432, Members: []string{"ledger-1", "ledger-2"},
				IAM: true, MasterUser: "root", Secret: MasterUserSecret{ARN: "arn:s", Status: "active", Key: "arn:k"}, Gateway: true, InVPC: true,
				MinCapacity: new(0.5), PausesAfter: 600,
			}},
			next: "m2",
		},
		{
			name: "clusters that pause, and that do not",
			call: func(c *Client) (any, string, error) { return page(c.DescribeDBClusters(ctx, "", "")) },
			form: "Action=DescribeDBClusters",
			answer: result("DescribeDBClusters", `<DBClusters>
				<DBCluster><DBClusterIdentifier>a</DBClusterIdentifier><ServerlessV2ScalingConfiguration><MinCapacity>0.0</MinCapacity></ServerlessV2ScalingConfiguration></DBCluster>
				<DBCluster><DBClusterIdentifier>b</DBClusterIdentifier><IAMDatabaseAuthenticationEnabled>false</IAMDatabaseAuthenticationEnabled></DBCluster></DBClusters>`),
			want: []Cluster{{Identifier: "a", MinCapacity: new(0.0)}, {Identifier: "b"}}, partial: true,
		},
		{
			name: "a custom endpoint",
			call: func(c *Client) (any, string, error) {
				return page(c.DescribeDBClusterEndpoints(ctx, Endpoints{Name: "bi"}, ""))
			},
			form: "Action=DescribeDBClusterEndpoints&DBClusterEndpointIdentifier=bi",
			answer: result("DescribeDBClusterEndpoints", `<DBClusterEndpoints><DBClusterEndpointList>
				<DBClusterEndpointIdentifier>bi</DBClusterEndpointIdentifier><DBClusterIdentifier>ledger</DBClusterIdentifier>
				<EndpointType>CUSTOM</EndpointType><CustomEndpointType>ANY</CustomEndpointType><Endpoint>bi.cluster-custom-abc</Endpoint>
				<StaticMembers><member>ledger-1</member></StaticMembers>
				</DBClusterEndpointList></DBClusterEndpoints>`),
			want: []ClusterEndpoint{{Name: "bi", Cluster: "ledger", Type: "CUSTOM", Host: "bi.cluster-custom-abc"}},
		},
		{
			name: "the endpoints of a cluster",
			call: func(c *Client) (any, string, error) {
				return page(c.DescribeDBClusterEndpoints(ctx, Endpoints{Of: "ledger"}, "m1"))
			},
			form: "Action=DescribeDBClusterEndpoints&DBClusterIdentifier=ledger&Marker=m1",
			answer: result("DescribeDBClusterEndpoints", `<DBClusterEndpoints>
				<DBClusterEndpointList><EndpointType>WRITER</EndpointType></DBClusterEndpointList>
				<DBClusterEndpointList><EndpointType>READER</EndpointType></DBClusterEndpointList></DBClusterEndpoints><Marker>m2</Marker>`),
			want: []ClusterEndpoint{{Type: "WRITER"}, {Type: "READER"}}, next: "m2", partial: true,
		},
		{
			name: "a proxy",
			call: func(c *Client) (any, string, error) { return page(c.DescribeDBProxies(ctx, "pooled", "m1")) },
			form: "Action=DescribeDBProxies&DBProxyName=pooled&Marker=m1",
			answer: result("DescribeDBProxies", `<DBProxies><member>
				<DBProxyName>pooled</DBProxyName><DBProxyArn>arn:p</DBProxyArn><EngineFamily>POSTGRESQL</EngineFamily><Status>available</Status>
				<Endpoint>pooled.proxy-abc</Endpoint><VpcId>vpc-1</VpcId><RoleArn>arn:r</RoleArn><RequireTLS>true</RequireTLS>
				<IdleClientTimeout>1800</IdleClientTimeout><DefaultAuthScheme>NONE</DefaultAuthScheme>
				<Auth><member><AuthScheme>SECRETS</AuthScheme><IAMAuth>REQUIRED</IAMAuth></member><member><IAMAuth>DISABLED</IAMAuth></member></Auth>
				<VpcSubnetIds><member>subnet-1</member></VpcSubnetIds>
				</member></DBProxies><Marker>m2</Marker>`),
			want: []Proxy{{
				Name: "pooled", ARN: "arn:p", Family: "POSTGRESQL", Status: "available", Host: "pooled.proxy-abc", VPC: "vpc-1", Role: "arn:r",
				RequireTLS: true, IdleTimeout: 1800, DefaultAuth: "NONE", IAMAuth: []string{"REQUIRED", "DISABLED"},
			}},
			next: "m2",
		},
		{
			name: "the endpoint of a proxy",
			call: func(c *Client) (any, string, error) {
				return page(c.DescribeDBProxyEndpoints(ctx, Endpoints{Name: "pooled-ro"}, ""))
			},
			form: "Action=DescribeDBProxyEndpoints&DBProxyEndpointName=pooled-ro",
			answer: result("DescribeDBProxyEndpoints", `<DBProxyEndpoints><member>
				<DBProxyEndpointName>pooled-ro</DBProxyEndpointName><DBProxyEndpointArn>arn:e</DBProxyEndpointArn><DBProxyName>pooled</DBProxyName>
				<Endpoint>pooled-ro.endpoint.proxy-abc</Endpoint><TargetRole>READ_ONLY</TargetRole><IsDefault>true</IsDefault>
				</member></DBProxyEndpoints>`),
			want: []ProxyEndpoint{{Name: "pooled-ro", ARN: "arn:e", Proxy: "pooled", Host: "pooled-ro.endpoint.proxy-abc", Role: "READ_ONLY", Default: true}},
		},
		{
			name: "the endpoints of a proxy",
			call: func(c *Client) (any, string, error) {
				return page(c.DescribeDBProxyEndpoints(ctx, Endpoints{Of: "pooled"}, "m1"))
			},
			form: "Action=DescribeDBProxyEndpoints&DBProxyName=pooled&Marker=m1",
			answer: result("DescribeDBProxyEndpoints", `<DBProxyEndpoints><member><DBProxyEndpointName>a</DBProxyEndpointName></member>
				<member><DBProxyEndpointName>b</DBProxyEndpointName></member></DBProxyEndpoints><Marker>m2</Marker>`),
			want: []ProxyEndpoint{{Name: "a"}, {Name: "b"}}, next: "m2", partial: true,
		},
		{
			name: "the targets of a proxy",
			call: func(c *Client) (any, string, error) { return page(c.DescribeDBProxyTargets(ctx, "pooled", "m1")) },
			form: "Action=DescribeDBProxyTargets&DBProxyName=pooled&Marker=m1",
			answer: result("DescribeDBProxyTargets", `<Targets>
				<member><RdsResourceId>ledger-1</RdsResourceId><Type>RDS_INSTANCE</Type><Endpoint>ledger-1.abc</Endpoint><TrackedClusterId>ledger</TrackedClusterId>
				<TargetHealth><State>UNAVAILABLE</State><Reason>AUTH_FAILURE</Reason><Description>no credentials</Description></TargetHealth></member>
				<member><RdsResourceId>ledger</RdsResourceId><Type>TRACKED_CLUSTER</Type></member></Targets><Marker>m2</Marker>`),
			want: []ProxyTarget{
				{Name: "ledger-1", Type: "RDS_INSTANCE", State: "UNAVAILABLE", Reason: "AUTH_FAILURE", Description: "no credentials"},
				{Name: "ledger", Type: "TRACKED_CLUSTER"},
			},
			next: "m2",
		},
		{
			name: "a global cluster",
			call: func(c *Client) (any, string, error) { return page(c.DescribeGlobalClusters(ctx, "world", "m1")) },
			form: "Action=DescribeGlobalClusters&GlobalClusterIdentifier=world&Marker=m1",
			answer: result("DescribeGlobalClusters", `<GlobalClusters><GlobalClusterMember>
				<GlobalClusterIdentifier>world</GlobalClusterIdentifier><GlobalClusterArn>arn:g</GlobalClusterArn>
				<Engine>aurora-postgresql</Engine><EngineVersion>16.4</EngineVersion><Status>available</Status><Endpoint>world.global-abc</Endpoint>
				<GlobalClusterMembers>
				<GlobalClusterMember><DBClusterArn>arn:c1</DBClusterArn><IsWriter>true</IsWriter><Readers><member>arn:c2</member></Readers></GlobalClusterMember>
				<GlobalClusterMember><DBClusterArn>arn:c2</DBClusterArn><IsWriter>false</IsWriter></GlobalClusterMember>
				</GlobalClusterMembers></GlobalClusterMember></GlobalClusters><Marker>m2</Marker>`),
			want: []GlobalCluster{{
				Identifier: "world", ARN: "arn:g", Engine: "aurora-postgresql", EngineVersion: "16.4", Status: "available", Endpoint: "world.global-abc",
				Members: []GlobalMember{{ARN: "arn:c1", Writer: true}, {ARN: "arn:c2"}},
			}},
			next: "m2",
		},
		{
			name: "a blue/green deployment",
			call: func(c *Client) (any, string, error) { return page(c.DescribeBlueGreenDeployments(ctx, "m1")) },
			form: "Action=DescribeBlueGreenDeployments&Marker=m1",
			answer: result("DescribeBlueGreenDeployments", `<BlueGreenDeployments><member>
				<BlueGreenDeploymentIdentifier>bgd-1</BlueGreenDeploymentIdentifier><Source>arn:blue</Source><Target>arn:green</Target>
				<SwitchoverDetails><member><SourceMember>arn:b1</SourceMember><TargetMember>arn:g1</TargetMember><Status>AVAILABLE</Status></member>
				<member><SourceMember>arn:b2</SourceMember></member></SwitchoverDetails>
				<Tasks><member><Name>CONFIGURE_BACKUPS</Name></member></Tasks>
				</member></BlueGreenDeployments><Marker>m2</Marker>`),
			want: []Deployment{{Source: "arn:blue", Target: "arn:green", Members: []Pair{{"arn:b1", "arn:g1"}, {Source: "arn:b2"}}}},
			next: "m2",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := apitest.Answering(test.answer)
			got, next, err := test.call(New(server.Config("eu-central-1")))
			if err != nil || next != test.next || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v, next %q, %v\nwant %+v, next %q", got, next, err, test.want, test.next)
			}
			if body := server.Calls[0].Body; body != test.form+"&Version=2014-10-31" {
				t.Errorf("sent %s, want %s", body, test.form)
			}
			if test.partial {
				return
			}
			for field, value := range reflect.ValueOf(test.want).Index(0).Fields() {
				if value.IsZero() {
					t.Errorf("the answer shows no %s", field.Name)
				}
			}
		})
	}
}

// All pages of a list are walked, and those before an error are kept.
func TestListsHavePages(t *testing.T) {
	one := func(name, marker string) apitest.Answer {
		return apitest.Answer{Content: result("DescribeDBInstances", `<DBInstances><DBInstance><DBInstanceIdentifier>`+name+`</DBInstanceIdentifier></DBInstance></DBInstances>`+marker)}
	}
	server := &apitest.Server{Answers: []apitest.Answer{one("a", "<Marker>2 &lt;</Marker>"), one("b", "<Marker>3</Marker>"), {Status: 403, Content: refusal("AccessDenied", "no")}}}
	client := New(server.Config("eu-central-1"))
	all, err := awsapi.All(t.Context(), func(ctx context.Context, marker string) ([]Instance, string, error) {
		return client.DescribeDBInstances(ctx, "", marker)
	})
	if len(all) != 2 || all[1].Identifier != "b" || !awserror.Denied(err) {
		t.Errorf("got %+v, %v", all, err)
	}
	if body := server.Calls[1].Body; !strings.Contains(body, "Marker=2+%3C&") {
		t.Errorf("the second page was asked for by %s", body)
	}
}

func refusal(code, message string) string {
	return `<ErrorResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><Error><Type>Sender</Type><Code>` + code + `</Code><Message>` + message +
		`</Message></Error><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId></ErrorResponse>`
}

func TestErrorsHaveTheirCode(t *testing.T) {
	server := &apitest.Server{Answers: []apitest.Answer{{Status: 404, Content: refusal("DBInstanceNotFound", "DBInstance orders not found.")}}}
	_, _, err := New(server.Config("eu-central-1")).DescribeDBInstances(t.Context(), "orders", "")
	if awserror.Code(err) != "DBInstanceNotFound" || awserror.Message(err) != "DBInstance orders not found." || awserror.Status(err) != 404 {
		t.Errorf("got %v", err)
	}
	if called, ok := errors.AsType[*smithy.OperationError](err); !ok || called.Service() != "RDS" || called.Operation() != "DescribeDBInstances" {
		t.Errorf("got %v", err)
	}
}
