package evidence

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/awsapi"
)

// CloudWatch is the part of CloudWatch that has metrics.
type CloudWatch interface {
	// GetMetricData returns one page of the sums of metrics. token is "" for the first
	// page, and next for the last.
	GetMetricData(ctx context.Context, q MetricQuery, token string) (page []MetricValues, next string, err error)
}

// MetricQuery asks for sums of metrics of AWS/RDS at one database.
type MetricQuery struct {
	Dimension, Identifier string   // as in DBInstanceIdentifier = orders
	Names                 []string // of the metrics
	Start, End            time.Time
}

// MetricValues are the sums of one metric.
type MetricValues struct {
	Name   string    `xml:"Id"`
	Values []float64 `xml:"Values>member"`
}

var cloudWatchService = awsapi.Service{ID: "CloudWatch", Prefix: "monitoring", Version: "2010-08-01", GovCloudFIPS: awsapi.UsualFIPS}

// NewCloudWatch asks CloudWatch in cfg's region.
func NewCloudWatch(cfg aws.Config) CloudWatch { return cloudWatch{awsapi.New(cfg, cloudWatchService)} }

type cloudWatch struct{ api *awsapi.Client }

func (c cloudWatch) GetMetricData(ctx context.Context, q MetricQuery, token string) ([]MetricValues, string, error) {
	form := url.Values{
		"StartTime": {q.Start.UTC().Format(time.RFC3339)}, "EndTime": {q.End.UTC().Format(time.RFC3339)},
		"NextToken": {token},
	}
	for i, name := range q.Names {
		member := fmt.Sprintf("MetricDataQueries.member.%d.", i+1)
		form.Set(member+"Id", queryID+strconv.Itoa(i))
		form.Set(member+"MetricStat.Period", strconv.Itoa(int(q.End.Sub(q.Start).Seconds())))
		form.Set(member+"MetricStat.Stat", "Sum")
		metric := member + "MetricStat.Metric."
		form.Set(metric+"Namespace", "AWS/RDS")
		form.Set(metric+"MetricName", name)
		form.Set(metric+"Dimensions.member.1.Name", q.Dimension)
		form.Set(metric+"Dimensions.member.1.Value", q.Identifier)
	}
	var out struct {
		Results   []MetricValues `xml:"GetMetricDataResult>MetricDataResults>member"`
		NextToken string         `xml:"GetMetricDataResult>NextToken"`
	}
	err := c.api.Query(ctx, "GetMetricData", form, &out)
	for i, r := range out.Results {
		out.Results[i].Name = nameOf(q, r.Name)
	}
	return out.Results, out.NextToken, err
}

// queryID begins the ids of queries, which begin with a small letter. The rest is the
// metric's place in MetricQuery.Names.
const queryID = "q"

// nameOf is the metric that a query's id stands for, "" for none.
func nameOf(q MetricQuery, id string) string {
	i, err := strconv.Atoi(id[min(len(id), len(queryID)):])
	if err != nil || i < 0 || i >= len(q.Names) {
		return ""
	}
	return q.Names[i]
}
