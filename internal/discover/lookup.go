package discover

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/database"
)

// Database returns the database that ref, an identifier or ARN, means.
// endpoint chooses one of a cluster's or proxy's: "" or "writer", "reader", or
// the identifier of a member, a custom endpoint or a proxy's endpoint.
//
// Errors are *causes.Error. One that is Final is about the name: there is no such
// database (ErrNotFound), there are several (ErrAmbiguous), or it is of another
// engine (ErrUnsupported). Whether the database can be used now is not looked
// at; its Trouble says.
func (f *Finder) Database(ctx context.Context, ref, endpoint string) (Database, error) {
	var found []entry
	var err error
	if parsed, arnErr := arn.Parse(ref); arnErr == nil {
		found, err = f.byARN(ctx, parsed)
	} else {
		found, err = f.byName(ctx, ref)
	}
	if err != nil {
		return Database{}, err
	}
	chosen, err := choose(ref, found)
	if err != nil {
		return Database{}, err
	}
	return f.pick(ctx, chosen, endpoint)
}

// RegionOf is the region that an ARN names, and "" for identifiers and for ARNs
// of global clusters.
func RegionOf(ref string) string {
	parsed, err := arn.Parse(ref)
	if err != nil {
		return ""
	}
	return parsed.Region
}

// byName asks for everything that may have the name. That DSQL does not answer, or may not
// be asked, matters only where nothing else has it: few names with the form of its
// identifiers are its own.
func (f *Finder) byName(ctx context.Context, name string) ([]entry, error) {
	look := func(find func(context.Context, string) ([]entry, error)) func(context.Context) ([]entry, error) {
		return func(ctx context.Context) ([]entry, error) { return find(ctx, name) }
	}
	results, errs := sideBySide(ctx, look(f.instances), look(f.clusters), look(f.proxies), look(f.dsqlBeside))
	if found := slices.Concat(results...); len(found) > 0 {
		return found, nil
	}
	unasked := errs[len(errs)-1] // DSQL's
	if worst(errs[:len(errs)-1]) != nil {
		return nil, worst(errs)
	}
	results, errs = sideBySide(ctx, look(f.customEndpoints), look(f.proxyEndpoints), look(f.globals))
	if found := slices.Concat(results...); len(found) > 0 {
		return found, nil
	}
	if err := worst(errs); err != nil && !errors.Is(err, ErrDenied) {
		return nil, err
	}
	if unasked != nil {
		return nil, unasked
	}
	return nil, f.notFound(ctx, name, errs)
}

// worst is the error that says most about why nothing was found: one that may
// pass overrides a missing permission.
func worst(errs []error) error {
	var denied error
	for _, err := range errs {
		switch {
		case err == nil:
		case errors.Is(err, ErrDenied):
			denied = cmp.Or(denied, err)
		default:
			return err
		}
	}
	return denied
}

// byARN asks for the one thing that an ARN names.
func (f *Finder) byARN(ctx context.Context, a arn.ARN) ([]entry, error) {
	kind, name, _ := strings.Cut(a.Resource, ":")
	if a.Service == dsqlService {
		return f.dsqlByARN(ctx, a)
	}
	find := map[string]func(context.Context, string) ([]entry, error){
		"db":                f.instances,
		"cluster":           f.clusters,
		"cluster-endpoint":  f.customEndpoints,
		"db-proxy":          f.proxyByID,
		"db-proxy-endpoint": f.proxyEndpointByID,
		"global-cluster":    f.globals,
	}[kind]
	var found []entry
	if find != nil && a.Service == "rds" && name != "" { // else it is no database's
		var err error
		if found, err = find(ctx, name); err != nil {
			return nil, err
		}
	}
	found = slices.DeleteFunc(found, func(e entry) bool { return e.Account != "" && e.Account != a.AccountID })
	if len(found) == 0 {
		return nil, causes.NotInAccount.New(causes.Facts{"name": a.String(), "where": f.where(), "account": a.AccountID}, about{ErrNotFound, nil})
	}
	return found, nil
}

// choose takes the one database that found can mean.
func choose(ref string, found []entry) (entry, error) {
	fitting := slices.DeleteFunc(slices.Clone(found), func(e entry) bool { return !e.Postgres() })
	if len(fitting) == 0 {
		return entry{}, found[0].unsupported()
	}
	for _, c := range fitting {
		if c.Kind == database.Cluster {
			fitting = slices.DeleteFunc(fitting, func(e entry) bool { return e.Kind == database.Instance && e.Cluster == c.Identifier })
			break
		}
	}
	if len(fitting) > 1 {
		var arns []string
		for _, e := range fitting {
			arns = append(arns, e.ARN)
		}
		return entry{}, causes.AmbiguousDatabase.New(causes.Facts{
			"name": ref, "count": strconv.Itoa(len(arns)), "arns": strings.Join(arns, ", "), "choice": strings.Join(arns, " or "),
		}, about{ErrAmbiguous, nil})
	}
	if err := fitting[0].unsupported(); err != nil {
		return entry{}, err
	}
	return fitting[0], nil
}

// notFound says that nothing has the name, and which names are near.
func (f *Finder) notFound(ctx context.Context, name string, errs []error) error {
	facts := causes.Facts{"name": name, "where": f.where()}
	var denied []string
	for _, err := range errs {
		if errors.Is(err, ErrDenied) {
			denied = append(denied, err.Error())
		}
	}
	facts["denied"] = strings.Join(denied, "; ")
	all, err := f.Databases(ctx)
	var names []string
	for _, d := range all {
		if d.Postgres() {
			names = append(names, d.Identifier)
		}
	}
	facts["near"] = strings.Join(similar(name, names), " or ")
	if err == nil && len(names) == 0 {
		return causes.NoDatabaseAtAll.New(facts, about{ErrNotFound, nil})
	}
	return causes.NoSuchDatabase.New(facts, about{ErrNotFound, nil})
}
