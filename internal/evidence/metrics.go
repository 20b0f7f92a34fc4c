package evidence

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/awsapi"
)

// Window is how far back Logins looks. CloudWatch lags by a minute or two.
const Window = time.Hour

// Logins are the IAM logins at one database as RDS counts them.
type Logins struct {
	Succeeded, Failed float64
	Reasons           []Reason // that were counted, most frequent first
}

// Reason is why logins were refused.
type Reason struct {
	Metric string // without its prefix
	Count  float64
	Means  string
}

// What RDS calls its metrics.
const (
	metricPrefix = "IamDbAuthConnection"
	successes    = metricPrefix + "Success"
	failures     = metricPrefix + "Failure"
)

// reasons are the metrics that say why.
//
// Source: Amazon RDS user guide, UsingWithRDS.IAMDBAuth.Troubleshooting.html.
var reasons = []Reason{
	{Metric: "FailureInvalidToken", Means: "the token was expired, signed for another endpoint, region or user, or by keys that AWS does not know"},
	{Metric: "FailureInsufficientPermissions", Means: "the identity's policies do not allow rds-db:connect as this user on this resource id"},
	{Metric: "FailureThrottling", Means: "too many logins a second: pool connections"},
	{Metric: "FailureServerError", Means: "an internal error of AWS: try again"},
}

// LoginMetrics asks CloudWatch for the IAM logins of the last Window at one
// database. dimension is DBInstanceIdentifier or DBClusterIdentifier.
// ErrNotPermitted is wrapped when it may not ask.
func LoginMetrics(ctx context.Context, api CloudWatch, dimension, identifier string) (Logins, error) {
	now := time.Now()
	q := MetricQuery{Dimension: dimension, Identifier: identifier, Start: now.Add(-Window), End: now, Names: []string{successes, failures}}
	for _, r := range reasons {
		q.Names = append(q.Names, metricPrefix+r.Metric)
	}
	all, err := awsapi.All(ctx, func(ctx context.Context, token string) ([]MetricValues, string, error) {
		return api.GetMetricData(ctx, q, token)
	})
	if err != nil {
		return Logins{}, worded("cloudwatch:GetMetricData", err)
	}
	counts := map[string]float64{}
	for _, r := range all {
		for _, v := range r.Values {
			counts[r.Name] += v
		}
	}
	return tally(counts), nil
}

// tally sorts out what was counted, by the metrics' names.
func tally(counts map[string]float64) Logins {
	l := Logins{Succeeded: counts[successes], Failed: counts[failures]}
	for _, r := range reasons {
		if r.Count = counts[metricPrefix+r.Metric]; r.Count > 0 {
			l.Reasons = append(l.Reasons, r)
		}
	}
	slices.SortStableFunc(l.Reasons, func(a, b Reason) int { return cmp.Compare(b.Count, a.Count) })
	return l
}

// String is a sentence for people.
func (l Logins) String() string {
	if l.Succeeded+l.Failed == 0 {
		return "no IAM login counted in the last hour (CloudWatch lags by minutes, and not every engine version counts)"
	}
	s := fmt.Sprintf("in the last hour %.0f IAM logins succeeded and %.0f failed", l.Succeeded, l.Failed)
	for i, r := range l.Reasons {
		s += map[bool]string{true: ": ", false: "; "}[i == 0] + fmt.Sprintf("%.0f × %s", r.Count, r.Metric)
	}
	return s
}
