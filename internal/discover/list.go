package discover

import (
	"cmp"
	"context"
	"slices"

	"github.com/pgkeyless/pgkeyless/internal/awsapi"
	"github.com/pgkeyless/pgkeyless/internal/database"
)

// Databases lists the instances, clusters and proxies of the region by
// identifier, those of other engines among them (see Postgres). When part of
// them could not be had, the rest comes with an error.
func (f *Finder) Databases(ctx context.Context) ([]Database, error) {
	results, errs := sideBySide(ctx, f.allInstances, f.allClusters, f.allProxies)
	var all []Database
	for _, e := range slices.Concat(results...) {
		all = append(all, e.Database)
	}
	for i, d := range all {
		for j, c := range all {
			if d.Kind == database.Instance && c.Kind == database.Cluster && d.Cluster == c.Identifier { // which does not say its VPC
				all[i].ResourceID, all[i].Express, all[i].Secret, all[j].VPC = c.ResourceID, c.Express, c.Secret, d.VPC
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Database) int {
		return cmp.Or(cmp.Compare(a.Identifier, b.Identifier), cmp.Compare(a.Kind, b.Kind))
	})
	return all, worst(errs)
}

func (f *Finder) allInstances(ctx context.Context) ([]entry, error) {
	return listed(ctx, f, "listing instances", "rds:DescribeDBInstances", f.cfg.RDS.DescribeDBInstances, f.instanceEntry)
}

func (f *Finder) allClusters(ctx context.Context) ([]entry, error) {
	return listed(ctx, f, "listing clusters", "rds:DescribeDBClusters", f.cfg.RDS.DescribeDBClusters, f.clusterEntry)
}

func (f *Finder) allProxies(ctx context.Context) ([]entry, error) {
	return listed(ctx, f, "listing proxies", "rds:DescribeDBProxies", f.cfg.RDS.DescribeDBProxies, f.proxyEntry)
}

// listed asks for all that there are. What came before an error is returned with it.
func listed[T any](ctx context.Context, f *Finder, doing, action string, ask asking[T], toEntry func(T) entry) ([]entry, error) {
	found, err := awsapi.All(ctx, func(ctx context.Context, marker string) ([]T, string, error) { return ask(ctx, "", marker) })
	if err != nil {
		return convert(found, toEntry), f.worded(doing, action, err)
	}
	return convert(found, toEntry), nil
}
