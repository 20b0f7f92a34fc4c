package discover

import (
	"cmp"
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/rds"

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
	var all []entry
	for pages := rds.NewDescribeDBInstancesPaginator(f.cfg.RDS, &rds.DescribeDBInstancesInput{}); pages.HasMorePages(); {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return all, f.worded("listing instances", "rds:DescribeDBInstances", err)
		}
		all = append(all, convert(out.DBInstances, f.instanceEntry)...)
	}
	return all, nil
}

func (f *Finder) allClusters(ctx context.Context) ([]entry, error) {
	var all []entry
	for pages := rds.NewDescribeDBClustersPaginator(f.cfg.RDS, &rds.DescribeDBClustersInput{}); pages.HasMorePages(); {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return all, f.worded("listing clusters", "rds:DescribeDBClusters", err)
		}
		all = append(all, convert(out.DBClusters, f.clusterEntry)...)
	}
	return all, nil
}

func (f *Finder) allProxies(ctx context.Context) ([]entry, error) {
	var all []entry
	for pages := rds.NewDescribeDBProxiesPaginator(f.cfg.RDS, &rds.DescribeDBProxiesInput{}); pages.HasMorePages(); {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return all, f.worded("listing proxies", "rds:DescribeDBProxies", err)
		}
		all = append(all, convert(out.DBProxies, f.proxyEntry)...)
	}
	return all, nil
}
