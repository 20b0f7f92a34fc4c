package discover

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/pgkeyless/pgkeyless/internal/awsapi"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/rds"
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

// asking is one of RDS's calls: it returns a page of what has the name, or of all there
// are for "".
type asking[T any] func(ctx context.Context, name, marker string) (page []T, next string, err error)

// The functions below return none when nothing has the name.

// lookUp asks for what has the name.
func lookUp[T any](ctx context.Context, f *Finder, action string, ask asking[T], toEntry func(T) entry, name string) ([]entry, error) {
	if name == "" { // that would be all
		return nil, nil
	}
	found, _, err := ask(ctx, name, "")
	if err != nil {
		return nil, f.unlessNotFound(name, action, err)
	}
	return convert(found, toEntry), nil
}

func (f *Finder) instances(ctx context.Context, name string) ([]entry, error) {
	return lookUp(ctx, f, "rds:DescribeDBInstances", f.cfg.RDS.DescribeDBInstances, f.instanceEntry, name)
}

func (f *Finder) clusters(ctx context.Context, name string) ([]entry, error) {
	return f.clustersIn(ctx, f.cfg.RDS, name)
}

func (f *Finder) clustersIn(ctx context.Context, api RDS, name string) ([]entry, error) {
	return lookUp(ctx, f, "rds:DescribeDBClusters", api.DescribeDBClusters, f.clusterEntry, name)
}

func (f *Finder) proxies(ctx context.Context, name string) ([]entry, error) {
	return lookUp(ctx, f, "rds:DescribeDBProxies", f.cfg.RDS.DescribeDBProxies, f.proxyEntry, name)
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

// ProxyTargets are those of the proxy with that identifier: the instances, or the cluster
// where RDS names none of its instances. Errors are *causes.Error.
func (f *Finder) ProxyTargets(ctx context.Context, proxy string) ([]ProxyTarget, error) {
	targets, err := awsapi.All(ctx, func(ctx context.Context, marker string) ([]rds.ProxyTarget, string, error) {
		return f.cfg.RDS.DescribeDBProxyTargets(ctx, proxy, marker)
	})
	if err != nil {
		return nil, f.worded("looking for the targets of proxy "+display.Line(proxy), "rds:DescribeDBProxyTargets", err)
	}
	var all, clusters []ProxyTarget
	for _, t := range targets {
		target := ProxyTarget{Name: t.Name, State: t.State, Why: strings.TrimSuffix(t.Reason+": "+display.Line(t.Description), ": ")}
		if t.Type == rds.TrackedCluster { // its instances have a health, and it has none
			clusters = append(clusters, target)
		} else {
			all = append(all, target)
		}
	}
	if len(all) == 0 {
		return clusters, nil
	}
	return all, nil
}

// customEndpoints finds a cluster by one of its custom endpoints.
func (f *Finder) customEndpoints(ctx context.Context, name string) ([]entry, error) {
	if name == "" { // that would be all
		return nil, nil
	}
	endpoints, _, err := f.cfg.RDS.DescribeDBClusterEndpoints(ctx, rds.Endpoints{Name: name}, "")
	if err != nil {
		return nil, f.unlessNotFound(name, "rds:DescribeDBClusterEndpoints", err)
	}
	var found []entry
	for _, e := range endpoints {
		of, err := f.clusters(ctx, e.Cluster)
		if err != nil {
			return nil, err
		}
		found = append(found, meaning(of, name)...)
	}
	return found, nil
}

// proxyEndpoints finds a proxy by one of its own endpoints.
func (f *Finder) proxyEndpoints(ctx context.Context, name string) ([]entry, error) {
	if name == "" { // that would be all
		return nil, nil
	}
	return f.proxiesOf(ctx, name, rds.Endpoints{Name: name}, func(rds.ProxyEndpoint) bool { return true })
}

// proxyEndpointByID looks through all endpoints: only the ARN has the id.
func (f *Finder) proxyEndpointByID(ctx context.Context, id string) ([]entry, error) {
	return f.proxiesOf(ctx, id, rds.Endpoints{}, func(e rds.ProxyEndpoint) bool { return strings.HasSuffix(e.ARN, ":"+id) })
}

func (f *Finder) proxiesOf(ctx context.Context, name string, which rds.Endpoints, wanted func(rds.ProxyEndpoint) bool) ([]entry, error) {
	endpoints, err := awsapi.All(ctx, func(ctx context.Context, marker string) ([]rds.ProxyEndpoint, string, error) {
		return f.cfg.RDS.DescribeDBProxyEndpoints(ctx, which, marker)
	})
	if err != nil {
		return nil, f.unlessNotFound(name, "rds:DescribeDBProxyEndpoints", err)
	}
	var found []entry
	for _, e := range endpoints {
		if !wanted(e) {
			continue
		}
		of, err := f.proxies(ctx, e.Proxy)
		if err != nil {
			return nil, err
		}
		found = append(found, meaning(of, e.Name)...)
	}
	return found, nil
}

// globals finds a global cluster. Its writer may be in another region, where it
// is asked for what only that knows.
func (f *Finder) globals(ctx context.Context, name string) ([]entry, error) {
	found, err := lookUp(ctx, f, "rds:DescribeGlobalClusters", f.cfg.RDS.DescribeGlobalClusters, f.globalEntry, name)
	for i := range found {
		found[i] = f.withWriter(ctx, found[i])
	}
	return found, err
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

func convert[T any](list []T, toEntry func(T) entry) []entry {
	var all []entry
	for _, x := range list {
		all = append(all, toEntry(x))
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

func (f *Finder) instanceEntry(i rds.Instance) entry {
	d := Database{
		Identifier:    i.Identifier,
		Kind:          database.Instance,
		ARN:           i.ARN,
		ResourceID:    i.ResourceID,
		Engine:        i.Engine,
		EngineVersion: i.EngineVersion,
		Status:        i.Status,
		Host:          strings.ToLower(i.Host),
		Port:          i.Port,
		VPC:           i.VPC,
		IAM:           i.IAM,
		Cluster:       i.Cluster,
		MasterUser:    i.MasterUser,
		Secret:        MasterSecret(i.Secret),
	}
	if d.Cluster != "" {
		d.ResourceID = "" // the cluster's counts
	}
	return entry{Database: f.placed(d)}
}

func (f *Finder) clusterEntry(c rds.Cluster) entry {
	express := c.Gateway && !c.InVPC
	return entry{
		Database: f.placed(Database{
			Identifier:    c.Identifier,
			Kind:          database.Cluster,
			ARN:           c.ARN,
			ResourceID:    c.ResourceID,
			Engine:        c.Engine,
			EngineVersion: c.EngineVersion,
			EngineMode:    c.EngineMode,
			Status:        c.Status,
			Endpoint:      writer,
			Host:          strings.ToLower(c.Endpoint),
			Port:          c.Port,
			IAM:           express || c.IAM,
			MasterUser:    c.MasterUser,
			Secret:        MasterSecret(c.Secret),
			Express:       express,
			PausesAfter:   pausesAfter(c),
		}),
		reader:  strings.ToLower(c.Reader),
		members: c.Members,
	}
}

// usualPause is when Aurora Serverless v2 pauses where its configuration does not say.
//
// Source: Aurora user guide, aurora-serverless-v2-auto-pause.html.
const usualPause = 300

func pausesAfter(c rds.Cluster) time.Duration {
	if c.MinCapacity == nil || *c.MinCapacity > 0 {
		return 0
	}
	return time.Duration(cmp.Or(c.PausesAfter, usualPause)) * time.Second
}

func (f *Finder) proxyEntry(p rds.Proxy) entry {
	d := Database{
		Identifier: p.Name,
		Kind:       database.Proxy,
		ARN:        p.ARN,
		Engine:     p.Family,
		Status:     p.Status,
		Host:       strings.ToLower(p.Host),
		Port:       proxyPort,
		VPC:        p.VPC,
		IAM:        p.DefaultAuth == rds.SchemeIAM,
	}
	d.Pool = Pool{EndToEnd: d.IAM, RequireTLS: p.RequireTLS, Role: p.Role, Idle: time.Duration(p.IdleTimeout) * time.Second}
	var modes []string
	for _, mode := range p.IAMAuth {
		d.IAM = d.IAM || mode == rds.AuthRequired || mode == rds.AuthEnabled
		if mode != "" && !slices.Contains(modes, mode) {
			modes = append(modes, mode)
		}
	}
	d.Pool.IAMAuth = strings.Join(modes, ", ")
	_, d.ResourceID, _ = cutLast(d.ARN, ":")
	return entry{Database: f.placed(d)}
}

func (f *Finder) globalEntry(g rds.GlobalCluster) entry {
	d := f.placed(Database{
		Identifier:    g.Identifier,
		Kind:          database.Global,
		ARN:           g.ARN,
		Engine:        g.Engine,
		EngineVersion: g.EngineVersion,
		Status:        g.Status,
		Host:          strings.ToLower(g.Endpoint),
		Port:          proxyPort,
	})
	for _, m := range g.Members {
		if w, err := arn.Parse(m.ARN); err == nil && m.Writer {
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
