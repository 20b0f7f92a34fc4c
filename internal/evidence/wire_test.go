package evidence

import (
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/apitest"
)

func configOf(answer string) aws.Config { return apitest.Answering(answer).Config("eu-west-1") }

func TestIAMAnswersAreRead(t *testing.T) {
	arn, err := NewIAM(configOf(`<GetRoleResponse><GetRoleResult><Role><Path>/team/</Path><Arn>arn:aws:iam::1:role/team/dev</Arn></Role></GetRoleResult></GetRoleResponse>`)).GetRole(t.Context(), "dev")
	if err != nil || arn != "arn:aws:iam::1:role/team/dev" {
		t.Errorf("got %q, %v", arn, err)
	}
	page, next, err := NewIAM(configOf(`<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults>
		<member><EvalActionName>a:b</EvalActionName><EvalResourceName>arn:x</EvalResourceName><EvalDecision>allowed</EvalDecision><MatchedStatements/></member>
		<member><EvalActionName>a:b</EvalActionName><EvalResourceName>arn:y</EvalResourceName><EvalDecision>explicitDeny</EvalDecision></member>
		</EvaluationResults><IsTruncated>true</IsTruncated><Marker>more</Marker></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>`)).
		SimulatePrincipalPolicy(t.Context(), "arn:role", Question{}, nil, "")
	want := []Evaluation{{"a:b", "arn:x", "allowed"}, {"a:b", "arn:y", "explicitDeny"}}
	if err != nil || next != "more" || !reflect.DeepEqual(page, want) {
		t.Errorf("got %+v, %q, %v", page, next, err)
	}
}

// Values are told by the metric's name, whatever AWS's order. An id that was not asked for
// is none.
func TestMetricsAreRead(t *testing.T) {
	q := MetricQuery{Names: []string{"One", "Two"}, Start: time.Unix(0, 0), End: time.Unix(3600, 0)}
	page, next, err := NewCloudWatch(configOf(`<GetMetricDataResponse><GetMetricDataResult><MetricDataResults>
		<member><Id>q1</Id><Label>x</Label><Timestamps><member>2026-11-30T12:00:00Z</member></Timestamps><Values><member>2.0</member><member>1.5E1</member></Values></member>
		<member><Id>q0</Id><Timestamps/><Values/></member><member><Id>q7</Id><Values><member>9</member></Values></member><member><Id/></member>
		</MetricDataResults><NextToken>more</NextToken></GetMetricDataResult></GetMetricDataResponse>`)).GetMetricData(t.Context(), q, "")
	want := []MetricValues{{"Two", []float64{2, 15}}, {"One", nil}, {"", []float64{9}}, {"", nil}}
	if err != nil || next != "more" || !reflect.DeepEqual(page, want) {
		t.Errorf("got %+v, %q, %v", page, next, err)
	}
}
