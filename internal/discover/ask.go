package discover

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

// entry is a Database by its default endpoint, and what leads to its others.
type entry struct {
	Database
	reader  string   // the host of a cluster's readers
	members []string // the identifiers of a cluster's instances
	meant   string   // the endpoint by whose name it was found
}

// proxyPort is where a proxy for PostgreSQL listens; RDS does not tell.
const proxyPort = 5432

// The functions below return none when nothing has the name.

func (f *Finder) instances(ctx context.Context, name string) ([]entry, error) {
	out, err := f.cfg.RDS.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &name})
	if err != nil {
		return nil, f.unlessNotFound(name, "rds:DescribeDBInstances", err)
	}
	return convert(out.DBInstances, f.instanceEntry), nil
}

func (f *Finder) clusters(ctx context.Context, name string) ([]entry, error) {
	return f.clustersIn(ctx, f.cfg.RDS, name)
}

func (f *Finder) clustersIn(ctx context.Context, api RDS, name string) ([]entry, error) {
	out, err := api.DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: &name})
	if err != nil {
		return nil, f.unlessNotFound(name, "rds:DescribeDBClusters", err)
	}
	return convert(out.DBClusters, f.clusterEntry), nil
}

func (f *Finder) proxies(ctx context.Context, name string) ([]entry, error) {
	out, err := f.cfg.RDS.DescribeDBProxies(ctx, &rds.DescribeDBProxiesInput{DBProxyName: &name})
	if err != nil {
		return nil, f.unlessNotFound(name, "rds:DescribeDBProxies", err)
	}
	return convert(out.DBProxies, f.proxyEntry), nil
}

// proxyByID looks through all proxies: only the ARN has the id.
func (f *Finder) proxyByID(ctx context.Context, id string) ([]entry, error) {
	all, err := f.allProxies(ctx)
	return slices.DeleteFunc(all, func(e entry) bool { return e.ResourceID != id }), err
}

// ProxyTarget is a database that an RDS Proxy connects to.
type ProxyTarget struct {
	Name  string // the identifier of the instance or cluster
	State string // AVAILABLE, REGISTERING, UNAVAILABLE
	Why   string // of an unavailable one, in RDS's words; may be empty
}

// ProxyTargets are those of the proxy with that identifier. Errors are *causes.Error.
func (f *Finder) ProxyTargets(ctx context.Context, proxy string) ([]ProxyTarget, error) {
	var all []ProxyTarget
	for pages := rds.NewDescribeDBProxyTargetsPaginator(f.cfg.RDS, &rds.DescribeDBProxyTargetsInput{DBProxyName: &proxy}); pages.HasMorePages(); {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, f.worded("looking for the targets of proxy "+display.Line(proxy), "rds:DescribeDBProxyTargets", err)
		}
		for _, t := range out.Targets {
			target := ProxyTarget{Name: aws.ToString(t.RdsResourceId)}
			if h := t.TargetHealth; h != nil {
				target.State = string(h.State)
				target.Why = strings.TrimSuffix(string(h.Reason)+": "+display.Line(aws.ToString(h.Description)), ": ")
			}
			all = append(all, target)
		}
	}
	return all, nil
}

// customEndpoints finds a cluster by one of its custom endpoints.
func (f *Finder) customEndpoints(ctx context.Context, name string) ([]entry, error) {
	out, err := f.cfg.RDS.DescribeDBClusterEndpoints(ctx, &rds.DescribeDBClusterEndpointsInput{DBClusterEndpointIdentifier: &name})
	if err != nil {
		return nil, f.unlessNotFound(name, "rds:DescribeDBClusterEndpoints", err)
	}
	var found []entry
	for _, e := range out.DBClusterEndpoints {
		of, err := f.clusters(ctx, aws.ToString(e.DBClusterIdentifier))
		if err != nil {
			return nil, err
		}
		found = append(found, meaning(of, name)...)
	}
	return found, nil
}

// proxyEndpoints finds a proxy by one of its own endpoints.
func (f *Finder) proxyEndpoints(ctx context.Context, name string) ([]entry, error) {
	return f.proxiesOf(ctx, name, &rds.DescribeDBProxyEndpointsInput{DBProxyEndpointName: &name}, func(types.DBProxyEndpoint) bool { return true })
}

// proxyEndpointByID looks through all endpoints: only the ARN has the id.
func (f *Finder) proxyEndpointByID(ctx context.Context, id string) ([]entry, error) {
	return f.proxiesOf(ctx, id, &rds.DescribeDBProxyEndpointsInput{}, func(e types.DBProxyEndpoint) bool {
		return strings.HasSuffix(aws.ToString(e.DBProxyEndpointArn), ":"+id)
	})
}

func (f *Finder) proxiesOf(ctx context.Context, name string, in *rds.DescribeDBProxyEndpointsInput, wanted func(types.DBProxyEndpoint) bool) ([]entry, error) {
	var found []entry
	for pages := rds.NewDescribeDBProxyEndpointsPaginator(f.cfg.RDS, in); pages.HasMorePages(); {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, f.unlessNotFound(name, "rds:DescribeDBProxyEndpoints", err)
		}
		for _, e := range out.DBProxyEndpoints {
			if !wanted(e) {
				continue
			}
			of, err := f.proxies(ctx, aws.ToString(e.DBProxyName))
			if err != nil {
				return nil, err
			}
			found = append(found, meaning(of, aws.ToString(e.DBProxyEndpointName))...)
		}
	}
	return found, nil
}

// globals finds a global cluster. Its writer may be in another region, where it
// is asked for what only that knows.
func (f *Finder) globals(ctx context.Context, name string) ([]entry, error) {
	out, err := f.cfg.RDS.DescribeGlobalClusters(ctx, &rds.DescribeGlobalClustersInput{GlobalClusterIdentifier: &name})
	if err != nil {
		return nil, f.unlessNotFound(name, "rds:DescribeGlobalClusters", err)
	}
	found := convert(out.GlobalClusters, f.globalEntry)
	for i := range found {
		found[i] = f.withWriter(ctx, found[i])
	}
	return found, nil
}

// withWriter completes a global cluster by what its writer's region knows. Not
// to be told leaves it as it is.
func (f *Finder) withWriter(ctx context.Context, global entry) entry {
	api := f.cfg.RDS
	if global.Region != f.cfg.Region {
		if f.cfg.RDSIn == nil {
			return global
		}
		api = f.cfg.RDSIn(global.Region)
	}
	writers, err := f.clustersIn(ctx, api, global.Cluster)
	if err != nil || len(writers) != 1 {
		return global
	}
	w := writers[0]
	global.ResourceID, global.IAM, global.MasterUser, global.Port, global.Secret = w.ResourceID, w.IAM, w.MasterUser, w.Port, w.Secret
	if global.Host == "" {
		global.Host = w.Host
	}
	return global
}

// unlessNotFound is nil when err says that nothing has the name.
func (f *Finder) unlessNotFound(name, action string, err error) error {
	if isNotFound(err) {
		return nil
	}
	return f.worded("looking for database "+display.Line(name), action, err)
}

func convert[T any](list []T, one func(T) entry) []entry {
	var all []entry
	for _, x := range list {
		all = append(all, one(x))
	}
	return all
}

// meaning notes which endpoint was asked for.
func meaning(found []entry, endpoint string) []entry {
	for i := range found {
		found[i].meant = endpoint
	}
	return found
}

func (f *Finder) instanceEntry(i types.DBInstance) entry {
	d := Database{
		Identifier:    aws.ToString(i.DBInstanceIdentifier),
		Kind:          database.Instance,
		ARN:           aws.ToString(i.DBInstanceArn),
		ResourceID:    aws.ToString(i.DbiResourceId),
		Engine:        aws.ToString(i.Engine),
		EngineVersion: aws.ToString(i.EngineVersion),
		Status:        aws.ToString(i.DBInstanceStatus),
		IAM:           aws.ToBool(i.IAMDatabaseAuthenticationEnabled),
		Cluster:       aws.ToString(i.DBClusterIdentifier),
		MasterUser:    aws.ToString(i.MasterUsername),
		Secret:        masterSecret(i.MasterUserSecret),
	}
	if g := i.DBSubnetGroup; g != nil {
		d.VPC = aws.ToString(g.VpcId)
	}
	if e := i.Endpoint; e != nil { // none while it is being created
		d.Host, d.Port = strings.ToLower(aws.ToString(e.Address)), int(aws.ToInt32(e.Port))
	}
	if d.Cluster != "" {
		d.ResourceID = "" // the cluster's counts
	}
	return entry{Database: f.placed(d)}
}

func (f *Finder) clusterEntry(c types.DBCluster) entry {
	express := aws.ToBool(c.InternetAccessGatewayEnabled) && !aws.ToBool(c.VPCNetworkingEnabled)
	e := entry{
		Database: f.placed(Database{
			Identifier:    aws.ToString(c.DBClusterIdentifier),
			Kind:          database.Cluster,
			ARN:           aws.ToString(c.DBClusterArn),
			ResourceID:    aws.ToString(c.DbClusterResourceId),
			Engine:        aws.ToString(c.Engine),
			EngineVersion: aws.ToString(c.EngineVersion),
			EngineMode:    aws.ToString(c.EngineMode),
			Status:        aws.ToString(c.Status),
			Endpoint:      writer,
			Host:          strings.ToLower(aws.ToString(c.Endpoint)),
			Port:          int(aws.ToInt32(c.Port)),
			IAM:           express || aws.ToBool(c.IAMDatabaseAuthenticationEnabled),
			MasterUser:    aws.ToString(c.MasterUsername),
			Secret:        masterSecret(c.MasterUserSecret),
			Express:       express,
			PausesAfter:   pausesAfter(c.ServerlessV2ScalingConfiguration),
		}),
		reader: strings.ToLower(aws.ToString(c.ReaderEndpoint)),
	}
	for _, m := range c.DBClusterMembers {
		e.members = append(e.members, aws.ToString(m.DBInstanceIdentifier))
	}
	return e
}

func masterSecret(m *types.MasterUserSecret) MasterSecret {
	if m == nil {
		return MasterSecret{}
	}
	return MasterSecret{ARN: aws.ToString(m.SecretArn), Status: aws.ToString(m.SecretStatus), Key: aws.ToString(m.KmsKeyId)}
}

// usualPause is when Aurora Serverless v2 pauses where its configuration does not say.
//
// Source: Aurora user guide, aurora-serverless-v2-auto-pause.html.
const usualPause = 300

func pausesAfter(c *types.ServerlessV2ScalingConfigurationInfo) time.Duration {
	if c == nil || c.MinCapacity == nil || *c.MinCapacity > 0 {
		return 0
	}
	return time.Duration(cmp.Or(aws.ToInt32(c.SecondsUntilAutoPause), usualPause)) * time.Second
}

func (f *Finder) proxyEntry(p types.DBProxy) entry {
	d := Database{
		Identifier: aws.ToString(p.DBProxyName),
		Kind:       database.Proxy,
		ARN:        aws.ToString(p.DBProxyArn),
		Engine:     aws.ToString(p.EngineFamily),
		Status:     string(p.Status),
		Host:       strings.ToLower(aws.ToString(p.Endpoint)),
		Port:       proxyPort,
		VPC:        aws.ToString(p.VpcId),
		IAM:        aws.ToString(p.DefaultAuthScheme) == string(types.DefaultAuthSchemeIamAuth),
	}
	d.Pool = Pool{
		EndToEnd: d.IAM, RequireTLS: aws.ToBool(p.RequireTLS), Role: aws.ToString(p.RoleArn),
		Idle: time.Duration(aws.ToInt32(p.IdleClientTimeout)) * time.Second,
	}
	var modes []string
	for _, a := range p.Auth {
		d.IAM = d.IAM || a.IAMAuth == types.IAMAuthModeRequired || a.IAMAuth == types.IAMAuthModeEnabled
		if mode := string(a.IAMAuth); mode != "" && !slices.Contains(modes, mode) {
			modes = append(modes, mode)
		}
	}
	d.Pool.IAMAuth = strings.Join(modes, ", ")
	_, d.ResourceID, _ = cutLast(d.ARN, ":")
	return entry{Database: f.placed(d)}
}

func (f *Finder) globalEntry(g types.GlobalCluster) entry {
	d := Database{
		Identifier:    aws.ToString(g.GlobalClusterIdentifier),
		Kind:          database.Global,
		ARN:           aws.ToString(g.GlobalClusterArn),
		Engine:        aws.ToString(g.Engine),
		EngineVersion: aws.ToString(g.EngineVersion),
		Status:        aws.ToString(g.Status),
		Host:          strings.ToLower(aws.ToString(g.Endpoint)),
		Port:          proxyPort,
	}
	d = f.placed(d)
	for _, m := range g.GlobalClusterMembers {
		if w, err := arn.Parse(aws.ToString(m.DBClusterArn)); err == nil && aws.ToBool(m.IsWriter) {
			d.Region, d.Account = w.Region, w.AccountID
			_, d.Cluster, _ = strings.Cut(w.Resource, ":")
		}
	}
	return entry{Database: d}
}

// placed sets region and account: those of the ARN, or where was looked.
func (f *Finder) placed(d Database) Database {
	d.Region = f.cfg.Region
	if a, err := arn.Parse(d.ARN); err == nil {
		d.Account = a.AccountID
		if a.Region != "" {
			d.Region = a.Region
		}
	}
	return d
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
