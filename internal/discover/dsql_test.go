package discover

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/rds"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/dsql"
)

const (
	dsqlOne  = "abtkpcdmqncdwnx7z2tkqvbzmy"
	dsqlGone = "zbtkpcdmqncdwnx7z2tkqvbzmy"
	dsqlARN  = "arn:aws:dsql:" + testRegion + ":" + testAccount + ":cluster/"
)

// fakeDSQL has one cluster. get and list, where set, are their errors.
type fakeDSQL struct{ get, list error }

func (f fakeDSQL) Get(_ context.Context, id string) (dsql.Cluster, error) {
	switch {
	case f.get != nil:
		return dsql.Cluster{}, f.get
	case id != dsqlOne:
		return dsql.Cluster{}, &smithy.GenericAPIError{Code: "ResourceNotFoundException"}
	}
	return dsql.Cluster{Identifier: id, ARN: dsqlARN + id, Endpoint: strings.ToUpper(id) + ".dsql.eu-central-1.on.aws", Status: "ACTIVE"}, nil
}

func (f fakeDSQL) List(context.Context) ([]dsql.Cluster, error) {
	return []dsql.Cluster{{Identifier: dsqlOne, ARN: dsqlARN + dsqlOne}}, f.list
}

func dsqlFinder(t *testing.T, others RDS, api DSQL) *Finder {
	t.Helper()
	f, err := New(Config{Region: testRegion, RDS: others, DSQL: api})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var (
	dsqlDenied = &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}
	noDSQL     = dsql.ErrNoService
)

// A cluster of DSQL is found by identifier, ARN and endpoint. An ARN says where it is, so
// that no permission is needed; only DSQL itself can say that there is none.
func TestDSQLClustersAreFound(t *testing.T) {
	const host = dsqlOne + ".dsql.eu-central-1.on.aws"
	for _, test := range []struct {
		name, ref string
		api       fakeDSQL
		host      string // "" for none
		status    string
	}{
		{"identifier", dsqlOne, fakeDSQL{}, host, "active"},
		{"ARN", dsqlARN + dsqlOne, fakeDSQL{}, host, "active"},
		{"ARN, denied", dsqlARN + dsqlOne, fakeDSQL{get: dsqlDenied}, host, ""},
		{"ARN, no way to the API", dsqlARN + dsqlOne, fakeDSQL{get: errors.New("connection refused")}, host, ""},
		{"identifier, denied", dsqlOne, fakeDSQL{get: dsqlDenied}, "", ""},
		{"identifier, no DSQL in the region", dsqlOne, fakeDSQL{get: noDSQL}, "", ""},
		{"another identifier", dsqlGone, fakeDSQL{}, "", ""},
		{"another ARN", dsqlARN + dsqlGone, fakeDSQL{}, "", ""},
		{"another account's ARN", "arn:aws:dsql:eu-central-1:999988887777:cluster/" + dsqlOne, fakeDSQL{}, "", ""},
		{"an ARN of something else", "arn:aws:dsql:eu-central-1:" + testAccount + ":backup/" + dsqlOne, fakeDSQL{}, "", ""},
	} {
		db, err := dsqlFinder(t, account(), test.api).Database(t.Context(), test.ref, "")
		if test.host == "" {
			if err == nil {
				t.Errorf("%s: %+v, want none", test.name, db)
			}
			continue
		}
		if err != nil || db.Host != test.host || db.Port != 5432 || db.Kind != database.DSQL || db.ResourceID != dsqlOne || db.Account != testAccount ||
			db.Region != testRegion || db.Status != test.status || !db.Postgres() || !db.Public() || db.Trouble() != nil {
			t.Errorf("%s: %+v, %v", test.name, db, err)
		}
	}
	for host, want := range map[string]bool{host: true, dsqlOne + ".dsql-fnh4.eu-central-1.on.aws": true, dsqlGone + ".dsql.eu-central-1.on.aws": false} {
		db, err := dsqlFinder(t, account(), fakeDSQL{}).ByEndpoint(t.Context(), host)
		if (err == nil) != want || want && db.Host != host {
			t.Errorf("%s: %+v, %v", host, db, err)
		}
	}
}

// What cannot be asked of DSQL says so, unless RDS knows the name.
func TestRDSAnswersForDSQLsNames(t *testing.T) {
	others := &fakeRDS{instances: []rds.Instance{instance(dsqlOne, "postgres")}}
	if db, err := dsqlFinder(t, others, fakeDSQL{get: dsqlDenied}).Database(t.Context(), dsqlOne, ""); err != nil || db.Kind != database.Instance {
		t.Errorf("an instance of that name: %+v, %v", db, err)
	}
	if _, err := dsqlFinder(t, others, fakeDSQL{}).Database(t.Context(), dsqlOne, ""); !errors.Is(err, ErrAmbiguous) {
		t.Errorf("an instance and a cluster of that name: %v", err)
	}
	if _, err := dsqlFinder(t, account(), fakeDSQL{get: dsqlDenied}).Database(t.Context(), dsqlOne, ""); !errors.Is(err, ErrDenied) {
		t.Errorf("denied: %v", err)
	}
	denied := &fakeRDS{errs: map[string]error{}}
	for _, call := range []string{"DescribeDBInstances", "DescribeDBClusters", "DescribeDBProxies"} {
		denied.errs[call] = dsqlDenied
	}
	if db, err := dsqlFinder(t, denied, fakeDSQL{}).Database(t.Context(), dsqlOne, ""); err != nil || db.Kind != database.DSQL {
		t.Errorf("a cluster where RDS may not be asked: %+v, %v", db, err)
	}
}

// silentDSQL gives no answer, as where there is no way to its API.
type silentDSQL struct{ fakeDSQL }

func (silentDSQL) Get(ctx context.Context, _ string) (dsql.Cluster, error) {
	<-ctx.Done()
	return dsql.Cluster{}, ctx.Err()
}

// A name of RDS's that could be DSQL's is found without DSQL's answer, after a short wait,
// whatever has it. Only where nothing has it does the error tell of DSQL.
func TestNamesAreFoundWithoutDSQL(t *testing.T) {
	named := func(change func(*fakeRDS)) *fakeRDS {
		f := account()
		change(f)
		return f
	}
	for name, others := range map[string]*fakeRDS{
		"instance":        named(func(f *fakeRDS) { f.instances = append(f.instances, instance(dsqlOne, "postgres")) }),
		"custom endpoint": named(func(f *fakeRDS) { f.customs = append(f.customs, custom(dsqlOne, "ledger")) }),
		"proxy endpoint": named(func(f *fakeRDS) {
			f.ownEnds = append(f.ownEnds, proxyEndpoint(dsqlOne, "pooled", rds.ReadOnly))
		}),
		"global cluster": named(func(f *fakeRDS) { f.globals[0].Identifier = dsqlOne }),
		"":               account(),
	} {
		for _, test := range []struct {
			api   DSQL
			cause causes.Cause
		}{{silentDSQL{}, causes.LookupUnanswered}, {fakeDSQL{get: dsqlDenied}, causes.LookupDenied}} {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := dsqlFinder(t, others, test.api).Database(t.Context(), dsqlOne, "")
				if name != "" && err != nil || name == "" && !errors.Is(err, test.cause) {
					t.Errorf("%q, %T: %v", name, test.api, err)
				}
				if took := time.Since(began); took > dsqlPatience {
					t.Errorf("%q, %T: found after %v", name, test.api, took)
				}
			})
		}
	}
}

// A list lacks nothing but what DSQL does not tell, and its errors are of the kind that
// most accounts need not hear of.
func TestDSQLClustersAreListed(t *testing.T) {
	for _, test := range []struct {
		name     string
		api      fakeDSQL
		count    int
		err      bool
		unlisted bool
	}{
		{"all", fakeDSQL{}, 1, false, false},
		{"no permission to ask about one", fakeDSQL{get: dsqlDenied}, 1, false, false},
		{"no DSQL in the region", fakeDSQL{list: noDSQL}, 0, false, false},
		{"denied", fakeDSQL{list: dsqlDenied}, 1, true, true},
		{"no way to the API", fakeDSQL{list: errors.New("connection refused")}, 1, true, true},
		{"no answer", fakeDSQL{list: context.DeadlineExceeded}, 1, true, true},
		{"an error of theirs", fakeDSQL{list: &smithy.GenericAPIError{Code: "InternalServerException"}}, 1, true, false},
	} {
		all, err := dsqlFinder(t, account(), test.api).DSQLClusters(t.Context())
		if len(all) != test.count || (err != nil) != test.err || Unlisted(err) != test.unlisted {
			t.Errorf("%s: %+v, %v, unlisted %v", test.name, all, err, Unlisted(err))
		}
		if len(all) > 0 && (all[0].Host != dsqlOne+".dsql.eu-central-1.on.aws" || all[0].ARN != dsqlARN+dsqlOne) {
			t.Errorf("%s: %+v", test.name, all[0])
		}
	}
	if all, err := finder(t, account()).DSQLClusters(t.Context()); all != nil || err != nil {
		t.Errorf("without an API: %v, %v", all, err)
	}
}
