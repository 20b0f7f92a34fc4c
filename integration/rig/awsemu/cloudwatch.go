package awsemu

import (
	"net/http"
	"strings"
	"time"
)

// cloudWatchPath is where operations of CloudWatch are posted, in the protocol
// rpc-v2-cbor.
const cloudWatchPath = "/service/GraniteServiceVersion20100801/operation/"

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

// serveCloudWatch serves GetMetricData.
func (e *Emulator) serveCloudWatch(w http.ResponseWriter, r *http.Request, body []byte) {
	operation := strings.TrimPrefix(r.URL.Path, cloudWatchPath)
	answer, err := e.callCloudWatch(r, operation, body)
	e.cfg.Log.Debug("CloudWatch call", "operation", operation, "error", codeOf(err))
	w.Header().Set("Content-Type", "application/cbor")
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	if err != nil {
		w.WriteHeader(err.status)
		answer = map[string]any{"__type": err.code, "message": err.message}
	}
	_, _ = w.Write(encodeCBOR(nil, answer))
}

func (e *Emulator) callCloudWatch(r *http.Request, operation string, body []byte) (map[string]any, *apiError) {
	if _, err := e.verify(r, body, "monitoring"); err != nil {
		return nil, err
	}
	e.dawdle(r.Context(), operation)
	if err := e.injected(operation); err != nil {
		return nil, err
	}
	item, err := decodeCBOR(body)
	in, ok := item.(map[string]any)
	if err != nil || !ok || r.Header.Get("Smithy-Protocol") != "rpc-v2-cbor" {
		return nil, failed("SerializationException", "the request body is not what the operation takes")
	}
	if operation != "GetMetricData" {
		return nil, failed("UnknownOperationException", "")
	}
	return e.metricData(in)
}

// metricData sums each query's metric over the time asked for.
func (e *Emulator) metricData(in map[string]any) (map[string]any, *apiError) {
	from, okFrom := in["StartTime"].(time.Time)
	to, okTo := in["EndTime"].(time.Time)
	queries, okQueries := in["MetricDataQueries"].([]any)
	if !okFrom || !okTo || !okQueries || !from.Before(to) {
		return nil, invalid("The parameter StartTime must be less than the parameter EndTime")
	}
	at := e.now().Add(-time.Minute)
	results := []any{}
	for _, item := range queries {
		id, key, ok := metricQuery(item)
		if !ok {
			return nil, invalid("The parameter MetricDataQueries is not valid")
		}
		e.mu.Lock()
		sum, known := e.metrics[key]
		e.mu.Unlock()
		result := map[string]any{"Id": id, "Label": key.name, "StatusCode": "Complete", "Timestamps": []any{}, "Values": []any{}}
		if known && at.After(from) && at.Before(to) {
			result["Timestamps"], result["Values"] = []any{at}, []any{sum}
		}
		results = append(results, result)
	}
	return map[string]any{"MetricDataResults": results, "Messages": []any{}}, nil
}

// metricQuery reads a query for the sum of one metric in AWS/RDS with one
// dimension, which is all that is known here.
func metricQuery(item any) (id string, key metricKey, ok bool) {
	query, _ := item.(map[string]any)
	id, _ = query["Id"].(string)
	stat, _ := query["MetricStat"].(map[string]any)
	metric, _ := stat["Metric"].(map[string]any)
	dimensions, _ := metric["Dimensions"].([]any)
	if len(dimensions) != 1 || id == "" || stat["Stat"] != "Sum" || metric["Namespace"] != "AWS/RDS" {
		return "", metricKey{}, false
	}
	dimension, _ := dimensions[0].(map[string]any)
	key.name, _ = metric["MetricName"].(string)
	key.dimension, _ = dimension["Name"].(string)
	key.value, _ = dimension["Value"].(string)
	return id, key, key.name != "" && key.dimension != ""
}
