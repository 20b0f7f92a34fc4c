package awsemu

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

func sdkConfig(e *Emulator, region string) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(e.URL()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(testKey, testSecret, ""),
	}
}

// TestDatabasesByTheSDK lets the SDK read every answer of RDS, over several
// pages where there are lists.
func TestDatabasesByTheSDK(t *testing.T) {
	e := startEmulator(t, Config{Regions: []string{"eu-west-1"}})
	d := Databases{
		PageSize: 2,
		Clusters: []DBCluster{{
			Identifier: "ledger", ResourceID: "cluster-1", Host: "ledger.cluster-x", ReaderHost: "ledger.cluster-ro-x",
			Members: []string{"db0", "db1"}, Custom: map[string]string{"reports": "reports.cluster-custom-x"},
		}},
		Proxies: []DBProxy{{Name: "pooled", ResourceID: "prx-1", Host: "pooled.proxy-x",
			Targets: []DBProxyTarget{{Instance: "db0", Cluster: "ledger", Host: "db0.x"}, {Instance: "db1", State: "UNAVAILABLE", Reason: "AUTH_FAILURE", Description: "no secret"}, {Instance: "db2"}}, ReadOnly: map[string]string{"pooled-ro": "pooled-ro.endpoint.proxy-x"}}},
		Globals: []GlobalCluster{{Identifier: "world", Host: "world.global-x", Writer: "arn:aws:rds:us-east-1:123456789012:cluster:ledger"}},
	}
	for n := range 5 {
		d.Instances = append(d.Instances, DBInstance{Identifier: fmt.Sprint("db", n), ResourceID: fmt.Sprint("db-R", n), Host: fmt.Sprintf("db%d.x", n), Port: 5433, Cluster: "ledger"})
	}
	d.Instances = append(d.Instances, DBInstance{Identifier: "far", Region: "eu-west-1", Host: "far.x", NoIAM: true})
	e.SetDatabases(d)
	client := rds.NewFromConfig(sdkConfig(e, "us-east-1"))

	var got []string
	for pages := rds.NewDescribeDBInstancesPaginator(client, &rds.DescribeDBInstancesInput{}); pages.HasMorePages(); {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range out.DBInstances {
			got = append(got, fmt.Sprint(*i.DBInstanceIdentifier, " ", *i.Endpoint.Address, ":", *i.Endpoint.Port, " ", *i.DbiResourceId, " ", *i.IAMDatabaseAuthenticationEnabled, " ", *i.DBClusterIdentifier))
		}
	}
	if len(got) != 5 || got[4] != "db4 db4.x:5433 db-R4 true ledger" {
		t.Errorf("instances %q", got)
	}
	if calls := e.Calls()["DescribeDBInstances"]; calls != 3 {
		t.Errorf("%d calls for 5 instances by 2", calls)
	}
	far, err := rds.NewFromConfig(sdkConfig(e, "eu-west-1")).DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{})
	if err != nil || len(far.DBInstances) != 1 || *far.DBInstances[0].DBInstanceArn != "arn:aws:rds:eu-west-1:123456789012:db:far" || *far.DBInstances[0].IAMDatabaseAuthenticationEnabled {
		t.Errorf("another region: %v, %v", far, err)
	}
	if c, err := client.DescribeDBClusters(t.Context(), &rds.DescribeDBClustersInput{DBClusterIdentifier: aws.String("ledger")}); err != nil ||
		*c.DBClusters[0].ReaderEndpoint != "ledger.cluster-ro-x" || len(c.DBClusters[0].DBClusterMembers) != 2 || *c.DBClusters[0].Port != 5432 {
		t.Errorf("cluster: %v, %v", c, err)
	}
	if c, err := client.DescribeDBClusterEndpoints(t.Context(), &rds.DescribeDBClusterEndpointsInput{DBClusterEndpointIdentifier: aws.String("reports")}); err != nil ||
		len(c.DBClusterEndpoints) != 1 || *c.DBClusterEndpoints[0].Endpoint != "reports.cluster-custom-x" || *c.DBClusterEndpoints[0].EndpointType != "CUSTOM" {
		t.Errorf("custom endpoint: %v, %v", c, err)
	}
	if p, err := client.DescribeDBProxies(t.Context(), &rds.DescribeDBProxiesInput{}); err != nil || len(p.DBProxies) != 1 ||
		p.DBProxies[0].Auth[0].IAMAuth != "REQUIRED" || !strings.HasSuffix(*p.DBProxies[0].DBProxyArn, ":db-proxy:prx-1") {
		t.Errorf("proxy: %v, %v", p, err)
	} else if p := p.DBProxies[0]; *p.IdleClientTimeout != 1800 || !*p.RequireTLS || *p.DefaultAuthScheme != "NONE" || *p.RoleArn != "arn:aws:iam::123456789012:role/rds-proxy-pooled" ||
		p.CreatedDate == nil || len(p.VpcSubnetIds) != 2 {
		t.Errorf("proxy: %+v", p)
	}
	var targets []string
	for pages := rds.NewDescribeDBProxyTargetsPaginator(client, &rds.DescribeDBProxyTargetsInput{DBProxyName: aws.String("pooled")}); pages.HasMorePages(); {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range out.Targets {
			targets = append(targets, fmt.Sprint(*target.RdsResourceId, " ", target.Type, " ", aws.ToString(target.TrackedClusterId), " ", target.TargetHealth.State, " ", target.TargetHealth.Reason, " ", aws.ToString(target.TargetHealth.Description)))
		}
	}
	if want := "db0 RDS_INSTANCE ledger AVAILABLE  |db1 RDS_INSTANCE  UNAVAILABLE AUTH_FAILURE no secret|db2 RDS_INSTANCE  AVAILABLE  "; strings.Join(targets, "|") != want {
		t.Errorf("proxy targets %q, want %q", targets, want)
	}
	if p, err := client.DescribeDBProxyEndpoints(t.Context(), &rds.DescribeDBProxyEndpointsInput{DBProxyEndpointName: aws.String("pooled-ro")}); err != nil ||
		len(p.DBProxyEndpoints) != 1 || *p.DBProxyEndpoints[0].DBProxyName != "pooled" || p.DBProxyEndpoints[0].TargetRole != "READ_ONLY" {
		t.Errorf("proxy endpoint: %v, %v", p, err)
	}
	if g, err := client.DescribeGlobalClusters(t.Context(), &rds.DescribeGlobalClustersInput{}); err != nil || len(g.GlobalClusters) != 1 || !*g.GlobalClusters[0].GlobalClusterMembers[0].IsWriter {
		t.Errorf("global cluster: %v, %v", g, err)
	}
	for _, missing := range []struct {
		code string
		call func() error
	}{
		{"DBInstanceNotFound", func() error {
			_, err := client.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("nobody")})
			return err
		}},
		{"DBClusterNotFoundFault", func() error {
			_, err := client.DescribeDBClusters(t.Context(), &rds.DescribeDBClustersInput{DBClusterIdentifier: aws.String("nobody")})
			return err
		}},
		{"DBProxyNotFoundFault", func() error {
			_, err := client.DescribeDBProxies(t.Context(), &rds.DescribeDBProxiesInput{DBProxyName: aws.String("nobody")})
			return err
		}},
		{"DBProxyNotFoundFault", func() error {
			_, err := client.DescribeDBProxyTargets(t.Context(), &rds.DescribeDBProxyTargetsInput{DBProxyName: aws.String("nobody")})
			return err
		}},
		{"AccessDenied", func() error {
			e.FailNext("DescribeDBProxies", "AccessDenied", "no", 1)
			_, err := client.DescribeDBProxies(t.Context(), &rds.DescribeDBProxiesInput{})
			return err
		}},
		{"InvalidClientTokenId", func() error {
			cfg := sdkConfig(e, "us-east-1")
			cfg.Credentials = credentials.NewStaticCredentialsProvider("AKIANOBODY", "x", "")
			_, err := rds.NewFromConfig(cfg).DescribeDBProxies(t.Context(), &rds.DescribeDBProxiesInput{})
			return err
		}},
		{"SignatureDoesNotMatch", func() error {
			_, err := rds.NewFromConfig(sdkConfig(e, "sa-east-1")).DescribeDBProxies(t.Context(), &rds.DescribeDBProxiesInput{})
			return err
		}},
	} {
		if got := errorCode(missing.call()); got != missing.code {
			t.Errorf("error %q, want %q", got, missing.code)
		}
	}
}

// TestFleetByTheSDK lets the SDK read nodes, groups and tasks.
func TestFleetByTheSDK(t *testing.T) {
	const first, second = "i-00000001", "i-00000002"
	e := startEmulator(t, Config{Targets: map[string]bool{first: true}})
	e.SetFleet(Fleet{
		PageSize: 1,
		Nodes:    []Node{{ID: first, Tags: map[string]string{"Role": "jump"}}, {ID: second, Tags: map[string]string{"Role": "jump"}}},
		Groups:   map[string]map[string]string{"jumps": {first: "InService"}},
		Tasks:    []Task{{Cluster: "tools", Service: "jump", ID: "t1", Runtime: "t1-1"}, {Cluster: "tools", Service: "jump", ID: "t2", Runtime: "t2-1", NoExec: true}},
	})
	cfg := sdkConfig(e, "us-east-1")

	var nodes []string
	filter := []ssmtypes.InstanceInformationStringFilter{{Key: aws.String("tag:Role"), Values: []string{"jump"}}}
	for pages := ssm.NewDescribeInstanceInformationPaginator(ssm.NewFromConfig(cfg), &ssm.DescribeInstanceInformationInput{Filters: filter}); pages.HasMorePages(); {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range out.InstanceInformationList {
			nodes = append(nodes, *n.InstanceId+" "+string(n.PingStatus))
		}
	}
	if strings.Join(nodes, ", ") != first+" Online, "+second+" ConnectionLost" {
		t.Errorf("nodes %q", nodes)
	}
	g, err := autoscaling.NewFromConfig(cfg).DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{"jumps", "nobody"}})
	if err != nil || len(g.AutoScalingGroups) != 1 || *g.AutoScalingGroups[0].Instances[0].InstanceId != first || g.AutoScalingGroups[0].Instances[0].LifecycleState != "InService" {
		t.Errorf("groups %v, %v", g, err)
	}
	client := ecs.NewFromConfig(cfg)
	var arns []string
	for pages := ecs.NewListTasksPaginator(client, &ecs.ListTasksInput{Cluster: aws.String("tools"), ServiceName: aws.String("jump")}); pages.HasMorePages(); {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		arns = append(arns, out.TaskArns...)
	}
	tasks, err := client.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("tools"), Tasks: arns})
	if err != nil || len(tasks.Tasks) != 2 || *tasks.Tasks[0].Containers[0].RuntimeId != "t1-1" || !tasks.Tasks[0].EnableExecuteCommand || tasks.Tasks[1].EnableExecuteCommand ||
		*tasks.Tasks[0].Containers[0].ManagedAgents[0].LastStatus != "RUNNING" {
		t.Errorf("tasks %v, %v", tasks, err)
	}
	_, err = client.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("tools"), ServiceName: aws.String("other")})
	if got := errorCode(err); got != "ServiceNotFoundException" {
		t.Errorf("a service that is not there: %s", got)
	}
}
