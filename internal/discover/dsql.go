package discover

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/pgkeyless/pgkeyless/internal/awserror"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/dsql"
	"github.com/pgkeyless/pgkeyless/internal/partition"
)

const (
	// dsqlService is Aurora DSQL in ARNs.
	dsqlService = "dsql"
	// dsqlEngine is its engine where RDS's databases have theirs.
	dsqlEngine = "aurora-dsql"
	dsqlPort   = 5432
	// describedAtOnce is how many clusters of a list are asked about together.
	describedAtOnce = 8

	// A machine without a way to DSQL's API may reach RDS's, by an interface endpoint.
	// Where the answer can do without DSQL's, that is waited for no longer than this.
	dsqlPatience     = 4 * time.Second
	dsqlListPatience = 10 * time.Second
)

// dsqlClusters finds the cluster with that identifier, if the name has the form of one. A
// region without DSQL has none.
func (f *Finder) dsqlClusters(ctx context.Context, name string) ([]entry, error) {
	if f.cfg.DSQL == nil || !dsql.IsIdentifier(name) {
		return nil, nil
	}
	c, err := f.cfg.DSQL.Get(ctx, name)
	switch {
	case err == nil:
		return []entry{{Database: f.dsqlDatabase(c)}}, nil
	case isNoCluster(err):
		return nil, nil
	}
	return nil, f.worded("looking for DSQL cluster "+display.Line(name), "dsql:GetCluster", err)
}

// dsqlBeside is dsqlClusters, with dsqlPatience, where others may know what DSQL does not say.
func (f *Finder) dsqlBeside(ctx context.Context, name string) ([]entry, error) {
	ctx, cancel := context.WithTimeout(ctx, dsqlPatience)
	defer cancel()
	return f.dsqlClusters(ctx, name)
}

// isNoCluster knows DSQL's ways to say that nothing has this identifier.
func isNoCluster(err error) bool {
	switch awserror.Code(err) {
	case "ResourceNotFoundException", "ValidationException":
		return true
	}
	return errors.Is(err, dsql.ErrNoService)
}

// dsqlByARN finds the cluster of an ARN. That has all that a login needs, so only DSQL's
// word that there is no such cluster stands against it: a missing permission does not.
func (f *Finder) dsqlByARN(ctx context.Context, a arn.ARN) ([]entry, error) {
	kind, name, _ := strings.Cut(a.Resource, "/")
	missing := causes.NotInAccount.New(causes.Facts{"name": a.String(), "where": f.where(), "account": a.AccountID}, about{ErrNotFound, nil})
	if kind != "cluster" || !dsql.IsIdentifier(name) {
		return nil, missing
	}
	found, err := f.dsqlBeside(ctx, name)
	if credentialsFailed(err) {
		return nil, err
	}
	if err != nil || f.cfg.DSQL == nil {
		return []entry{{Database: f.dsqlDatabase(dsql.Cluster{Identifier: name, ARN: a.String()})}}, nil
	}
	found = slices.DeleteFunc(found, func(e entry) bool { return e.Account != "" && e.Account != a.AccountID })
	if len(found) == 0 {
		return nil, missing
	}
	return found, nil
}

// credentialsFailed says that err is none of the answers to a call: the caller has no
// credentials, or AWS does not take them.
func credentialsFailed(err error) bool {
	_, ok := causes.Find(err, causes.Credentials())
	return ok
}

// dsqlByHost is ByEndpoint for an endpoint of DSQL, which may be one of PrivateLink.
func (f *Finder) dsqlByHost(ctx context.Context, host string) (Database, error) {
	name, _, _ := strings.Cut(host, ".")
	found, err := f.dsqlClusters(ctx, name)
	if err != nil {
		return Database{}, err
	}
	if len(found) == 0 {
		return Database{}, f.noSuchHost(host)
	}
	found[0].Host = host
	return found[0].Database, nil
}

// DSQLClusters lists the Aurora DSQL clusters of the region by identifier; none where the
// region has no DSQL. What could not be had of one is left out; when part of the list
// could not be had, the rest comes with an error, a *causes.Error.
func (f *Finder) DSQLClusters(ctx context.Context) ([]Database, error) {
	if f.cfg.DSQL == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dsqlListPatience)
	defer cancel()
	clusters, err := f.cfg.DSQL.List(ctx)
	if errors.Is(err, dsql.ErrNoService) {
		return nil, nil
	}
	all := make([]Database, len(clusters))
	var asking sync.WaitGroup
	turns := make(chan struct{}, describedAtOnce)
	for i, c := range clusters {
		asking.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			if more, err := f.cfg.DSQL.Get(ctx, c.Identifier); err == nil {
				c = more
			}
			all[i] = f.dsqlDatabase(c)
		})
	}
	asking.Wait()
	slices.SortStableFunc(all, func(a, b Database) int { return cmp.Compare(a.Identifier, b.Identifier) })
	if err != nil {
		return all, f.worded("listing DSQL clusters", "dsql:ListClusters", err)
	}
	return all, nil
}

// dsqlDatabase is c as a Database. Where DSQL does not tell the endpoint, it has the form
// that all have.
func (f *Finder) dsqlDatabase(c dsql.Cluster) Database {
	d := f.placed(Database{
		Identifier: c.Identifier, Kind: database.DSQL, ARN: c.ARN, ResourceID: c.Identifier,
		Engine: dsqlEngine, Status: strings.ToLower(c.Status), Port: dsqlPort, IAM: true, MasterUser: "admin",
	})
	d.Host = strings.ToLower(cmp.Or(c.Endpoint, partition.DSQLHost(c.Identifier, d.Region)))
	return d
}

// Unlisted reports whether err is only that DSQL clusters could not be listed, for want of
// a permission or of a way to its API. Most accounts have none.
func Unlisted(err error) bool {
	return errors.Is(err, causes.LookupDenied) || errors.Is(err, causes.LookupUnreachable) || errors.Is(err, causes.LookupUnanswered)
}
