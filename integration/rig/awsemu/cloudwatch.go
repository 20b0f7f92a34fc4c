package awsemu

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

const cloudWatchNamespace = "http://monitoring.amazonaws.com/doc/2010-08-01/"

// metricKey is one metric of namespace AWS/RDS with one dimension.
type metricKey struct{ name, dimension, value string }

// SetMetric makes sum the total of one metric in AWS/RDS, dated a minute ago:
// for example "IamDbAuthConnectionFailure", "DBInstanceIdentifier", "orders".
func (e *Emulator) SetMetric(name, dimension, value string, sum float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.metrics == nil {
		e.metrics = map[metricKey]float64{}
	}
	e.metrics[metricKey{name, dimension, value}] = sum
}

// cloudWatchOperations are what CloudWatch answers.
func (e *Emulator) cloudWatchOperations() map[string]queryOperation {
	return map[string]queryOperation{"GetMetricData": e.metricData}
}

type metricDataAnswer struct {
	XMLName   xml.Name       `xml:"GetMetricDataResponse"`
	Namespace string         `xml:"xmlns,attr"`
	Results   []metricResult `xml:"GetMetricDataResult>MetricDataResults>member"`
	NextToken string         `xml:"GetMetricDataResult>NextToken,omitempty"`
	RequestID string         `xml:"ResponseMetadata>RequestId"`
}

type metricResult struct {
	ID         string    `xml:"Id"`
	Label      string    `xml:"Label"`
	Timestamps []string  `xml:"Timestamps>member"`
	Values     []float64 `xml:"Values>member"`
	StatusCode string    `xml:"StatusCode"`
}

// metricsPerPage makes lists of metrics have several pages, which AWS's have beyond
// 500 queries or 100,800 values.
const metricsPerPage = 4

// metricData sums each query's metric over the time asked for.
func (e *Emulator) metricData(_ Caller, form url.Values) (any, *apiError) {
	from, errFrom := time.Parse(time.RFC3339, form.Get("StartTime"))
	to, errTo := time.Parse(time.RFC3339, form.Get("EndTime"))
	if errFrom != nil || errTo != nil || !from.Before(to) {
		return nil, invalid("The parameter StartTime must be less than the parameter EndTime")
	}
	first, err := strconv.Atoi(form.Get("NextToken"))
	if form.Has("NextToken") && err != nil {
		return nil, failed("InvalidNextToken", "The value for parameter NextToken is invalid")
	}
	at := e.now().Add(-time.Minute)
	answer := metricDataAnswer{Namespace: cloudWatchNamespace, RequestID: newRequestID()}
	ids := members(form, "MetricDataQueries", ".Id")
	if len(ids) == 0 || first < 0 || first >= len(ids) {
		return nil, invalid("The parameter MetricDataQueries is required")
	}
	for i := first; i < len(ids); i++ {
		if i == first+metricsPerPage {
			answer.NextToken = strconv.Itoa(i)
			break
		}
		key, ok := metricQuery(form, fmt.Sprintf("MetricDataQueries.member.%d.MetricStat.", i+1))
		if !ok {
			return nil, invalid("The parameter MetricDataQueries is not valid")
		}
		e.mu.Lock()
		sum, known := e.metrics[key]
		e.mu.Unlock()
		result := metricResult{ID: ids[i], Label: key.name, StatusCode: "Complete"}
		if known && at.After(from) && at.Before(to) {
			result.Timestamps, result.Values = []string{at.UTC().Format(time.RFC3339)}, []float64{sum}
		}
		answer.Results = append(answer.Results, result)
	}
	return answer, nil
}

// metricQuery reads a query for the sum of one metric in AWS/RDS with one
// dimension, which is all that is known here.
func metricQuery(form url.Values, stat string) (key metricKey, ok bool) {
	metric := stat + "Metric."
	period, err := strconv.Atoi(form.Get(stat + "Period"))
	if err != nil || period < 60 || form.Get(stat+"Stat") != "Sum" || form.Get(metric+"Namespace") != "AWS/RDS" {
		return metricKey{}, false
	}
	key = metricKey{form.Get(metric + "MetricName"), form.Get(metric + "Dimensions.member.1.Name"), form.Get(metric + "Dimensions.member.1.Value")}
	return key, key.name != "" && key.dimension != "" && !form.Has(metric+"Dimensions.member.2.Name")
}
