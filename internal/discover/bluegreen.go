package discover

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/awsapi"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/rds"
)

// greenSuffix is what RDS adds to the names of a green environment, which loses it at the
// switchover.
//
// Source: Aurora user guide, blue-green-deployments-overview.html.
var greenSuffix = regexp.MustCompile(`-green-[0-9a-z]{6}$`)

// oldSuffix is what the names of the blue environment get then.
var oldSuffix = regexp.MustCompile(`-old[0-9]+$`)

// maxDeploymentPages bounds how many answers of a hundred deployments are read.
const maxDeploymentPages = 5

// AfterSwitchover returns the endpoint that a green environment's has after the
// switchover, and "" for other names.
func AfterSwitchover(host string) string {
	name, rest, _ := strings.Cut(host, ".")
	blue := greenSuffix.ReplaceAllString(name, "")
	if blue == name || blue == "" || rest == "" {
		return ""
	}
	return blue + "." + rest
}

// Counterparts returns the endpoints that lead to the same database as host before or
// after the switchover of a blue/green deployment, as far as RDS describes one. It is
// empty for endpoints without an identifier of their own. Errors are *causes.Error.
func (f *Finder) Counterparts(ctx context.Context, host string) ([]string, error) {
	named, err := auth.ParseEndpoint(host)
	if err != nil {
		return nil, f.noSuchHost(host)
	}
	kind := "db"
	switch named.Kind {
	case auth.KindInstance:
	case auth.KindCluster, auth.KindClusterReader:
		kind = "cluster"
	default:
		return nil, nil
	}
	name, rest, _ := strings.Cut(named.Host, ".")
	var hosts []string
	pages := 0
	for page, err := range awsapi.Pages(ctx, f.cfg.RDS.DescribeBlueGreenDeployments) {
		if err != nil {
			return nil, f.worded("looking for blue/green deployments of "+name, "rds:DescribeBlueGreenDeployments", err)
		}
		for _, d := range page {
			for _, pair := range slices.Concat([]rds.Pair{{Source: d.Source, Target: d.Target}}, d.Members) {
				other := counterpart(kind, name, pair)
				if host := other + "." + rest; other != "" && !slices.Contains(hosts, host) {
					hosts = append(hosts, host)
				}
			}
		}
		if pages++; pages == maxDeploymentPages {
			break
		}
	}
	return hosts, nil
}

// counterpart is the other one of two ARNs of which one is that of name, by its
// identifier. What was the blue one before the switchover is another database.
func counterpart(kind, name string, pair rds.Pair) string {
	var names [2]string
	for i, text := range []string{pair.Source, pair.Target} {
		a, err := arn.Parse(text)
		if err != nil {
			return ""
		}
		of, identifier, _ := strings.Cut(a.Resource, ":")
		if of != kind {
			return ""
		}
		names[i] = strings.ToLower(identifier)
	}
	for i := range names {
		if other := names[1-i]; names[i] == name && other != name && !oldSuffix.MatchString(other) {
			return other
		}
	}
	return ""
}
