package discover

import (
	"context"
	"slices"
	"strings"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/awsapi"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/rds"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/database"
)

// The endpoints that every cluster has, as the option endpoint names them.
const (
	writer = "writer"
	reader = "reader"
)

// pick sets the endpoint that is asked for.
func (f *Finder) pick(ctx context.Context, e entry, endpoint string) (Database, error) {
	if endpoint == "" || endpoint == writer {
		endpoint = e.meant
	}
	var err error
	d := e.Database
	byDefault := endpoint == "" || endpoint == d.Identifier
	switch {
	case d.Kind == database.Instance && byDefault:
		d = f.withCluster(ctx, d)
	case d.Kind == database.Instance || (d.Kind == database.Global || d.Kind == database.DSQL) && !byDefault:
		err = d.oneEndpoint(endpoint)
	case byDefault:
	case d.Kind == database.Cluster && endpoint == reader:
		d.Endpoint, d.Host = reader, e.reader
	case d.Kind == database.Cluster:
		d, err = f.clusterEndpoint(ctx, e, endpoint)
	case d.Kind == database.Proxy:
		d, err = f.proxyEndpoint(ctx, d, endpoint)
	}
	if err != nil {
		return Database{}, err
	}
	if d.Host == "" {
		if err := d.Trouble(); err != nil { // it is being made, say
			return Database{}, err
		}
		return Database{}, causes.DatabaseDown.New(d.facts("fix", "it has no endpoint yet: see its state in the RDS console, then reconnect"), nil)
	}
	return d, nil
}

// withCluster gives a member of a cluster what the cluster decides, if that may
// be asked.
func (f *Finder) withCluster(ctx context.Context, d Database) Database {
	if d.Cluster == "" {
		return d
	}
	if of, err := f.clusters(ctx, d.Cluster); err == nil && len(of) == 1 {
		d.ResourceID, d.IAM, d.MasterUser = of[0].ResourceID, of[0].IAM, of[0].MasterUser
		d.Express, d.PausesAfter, d.Secret = of[0].Express, of[0].PausesAfter, of[0].Secret
	}
	return d
}

// clusterEndpoint finds a member or custom endpoint of a cluster.
func (f *Finder) clusterEndpoint(ctx context.Context, e entry, endpoint string) (Database, error) {
	d := e.Database
	d.Endpoint = endpoint
	if slices.Contains(e.members, endpoint) {
		members, err := f.instances(ctx, endpoint)
		if err != nil {
			return Database{}, err
		}
		if len(members) == 1 {
			d.Host, d.Port, d.Status = members[0].Host, members[0].Port, members[0].Status
			return d, nil
		}
	}
	customs, err := f.customsOf(ctx, d.Identifier)
	if err != nil {
		return Database{}, err
	}
	names := slices.Concat([]string{writer, reader}, e.members)
	for _, c := range customs {
		if c.Name == endpoint {
			d.Host = strings.ToLower(c.Host)
			return d, nil
		}
		names = append(names, c.Name)
	}
	return Database{}, d.noEndpoint(endpoint, names)
}

// customsOf lists the custom endpoints of a cluster.
func (f *Finder) customsOf(ctx context.Context, cluster string) ([]rds.ClusterEndpoint, error) {
	all, err := awsapi.All(ctx, func(ctx context.Context, marker string) ([]rds.ClusterEndpoint, string, error) {
		return f.cfg.RDS.DescribeDBClusterEndpoints(ctx, rds.Endpoints{Of: cluster}, marker)
	})
	if err != nil {
		return nil, f.worded("looking for the endpoints of cluster "+cluster, "rds:DescribeDBClusterEndpoints", err)
	}
	return slices.DeleteFunc(all, func(e rds.ClusterEndpoint) bool { return e.Type != rds.Custom }), nil
}

// proxyEndpoint finds one of a proxy's own endpoints; reader is the first that
// is for reading only.
func (f *Finder) proxyEndpoint(ctx context.Context, d Database, endpoint string) (Database, error) {
	all, err := f.endpointsOf(ctx, d.Identifier)
	if err != nil {
		return Database{}, err
	}
	names := []string{writer}
	for _, p := range all {
		if p.Name == endpoint || endpoint == reader && p.Role == rds.ReadOnly {
			d.Endpoint, d.Host = endpoint, strings.ToLower(p.Host)
			return d, nil
		}
		names = append(names, p.Name)
	}
	return Database{}, d.noEndpoint(endpoint, names)
}

// endpointsOf lists the endpoints of a proxy that are not its default one.
func (f *Finder) endpointsOf(ctx context.Context, proxy string) ([]rds.ProxyEndpoint, error) {
	all, err := awsapi.All(ctx, func(ctx context.Context, marker string) ([]rds.ProxyEndpoint, string, error) {
		return f.cfg.RDS.DescribeDBProxyEndpoints(ctx, rds.Endpoints{Of: proxy}, marker)
	})
	if err != nil {
		return nil, f.worded("looking for the endpoints of proxy "+proxy, "rds:DescribeDBProxyEndpoints", err)
	}
	return slices.DeleteFunc(all, func(e rds.ProxyEndpoint) bool { return e.Default }), nil
}

// noEndpoint says that the endpoint does not exist, and which do.
func (d Database) noEndpoint(endpoint string, names []string) error {
	return causes.NoSuchEndpoint.New(d.facts("endpoint", endpoint, "names", strings.Join(names, ", ")), about{ErrNotFound, nil})
}

// oneEndpoint says that there is nothing to choose from.
func (d Database) oneEndpoint(endpoint string) error {
	return causes.OneEndpoint.New(d.facts("endpoint", endpoint), about{ErrNotFound, nil})
}

// ByEndpoint returns the database whose endpoint is host, a name that AWS gave
// it. Errors are *causes.Error; ErrNotFound when no database has this endpoint.
func (f *Finder) ByEndpoint(ctx context.Context, host string) (Database, error) {
	named, err := auth.ParseEndpoint(host)
	if err != nil {
		return Database{}, f.noSuchHost(host)
	}
	name, rest, _ := strings.Cut(named.Host, ".")
	find, endpoint := f.instances, ""
	switch named.Kind {
	case auth.KindInstance:
	case auth.KindCluster:
		find = f.clusters
	case auth.KindClusterReader:
		find, endpoint = f.clusters, reader
	case auth.KindClusterCustom:
		find = f.customEndpoints
	case auth.KindProxy:
		find = f.proxies
		if strings.HasPrefix(rest, "endpoint.") {
			find = f.proxyEndpoints // one of its own, beside the default
		}
	case auth.KindGlobal:
		find = f.globals
	case auth.KindDSQL:
		return f.dsqlByHost(ctx, named.Host)
	default:
		return Database{}, f.noSuchHost(named.Host)
	}
	found, err := find(ctx, name)
	if err != nil {
		return Database{}, err
	}
	for _, e := range found {
		d, err := f.pick(ctx, e, endpoint)
		if err != nil {
			return Database{}, err
		}
		if d.Host == named.Host {
			return d, nil
		}
	}
	return Database{}, f.noSuchHost(named.Host)
}

// Mark is the part of an endpoint's name that all endpoints of one account in one
// region have, and "" for names of another form.
//
// Source: RDS user guide, CHAP_CommonTasks.Connect.html.
func Mark(host string) string {
	labels := strings.Split(strings.ToLower(host), ".")
	if len(labels) > 2 && labels[1] == "endpoint" { // of a proxy
		labels = labels[1:]
	}
	if len(labels) < 4 {
		return ""
	}
	return labels[1][strings.LastIndexByte(labels[1], '-')+1:]
}

func (f *Finder) noSuchHost(host string) error {
	return causes.NoSuchHost.New(causes.Facts{"where": f.where(), "endpoint": host}, about{ErrNotFound, nil})
}
