package awsemu

import (
	"maps"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

var testCredentials = credentials.NewStaticCredentialsProvider(testKey, testSecret, "")

func TestSimulatePrincipalPolicy(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/team/dev"
	e := startEmulator(t, Config{Callers: map[string]Caller{testKey: {
		SecretAccessKey: testSecret, ARN: "arn:aws:sts::123456789012:assumed-role/dev/ada", RoleARN: role,
	}}})
	e.SetSimulation(func(principal, action, resource string) Decision {
		if principal == role && action == "rds-db:connect" {
			return ImplicitDeny
		}
		return Allowed
	})
	client := iam.New(iam.Options{Region: "us-east-1", BaseEndpoint: aws.String(e.URL()), Credentials: testCredentials})
	simulate := func(principal string) (map[string]iamtypes.PolicyEvaluationDecisionType, error) {
		out, err := client.SimulatePrincipalPolicy(t.Context(), &iam.SimulatePrincipalPolicyInput{
			PolicySourceArn: &principal, ActionNames: []string{"rds-db:connect", "ssm:StartSession"}, ResourceArns: []string{"arn:a", "arn:b"},
		})
		if err != nil {
			return nil, err
		}
		got := map[string]iamtypes.PolicyEvaluationDecisionType{}
		for _, r := range out.EvaluationResults {
			got[*r.EvalActionName+" "+*r.EvalResourceName] = r.EvalDecision
		}
		return got, nil
	}
	got, err := simulate(role)
	want := map[string]iamtypes.PolicyEvaluationDecisionType{
		"rds-db:connect arn:a": "implicitDeny", "rds-db:connect arn:b": "implicitDeny",
		"ssm:StartSession arn:a": "allowed", "ssm:StartSession arn:b": "allowed",
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("simulated %v, %v; want %v", got, err, want)
	}
	if _, err := simulate("arn:aws:iam::123456789012:role/dev"); errorCode(err) != "NoSuchEntity" {
		t.Errorf("a role without its path: %v, want NoSuchEntity", err)
	}
	if _, err := simulate("arn:aws:sts::123456789012:assumed-role/dev/ada"); errorCode(err) != "InvalidInput" {
		t.Errorf("an assumed role: %v, want InvalidInput", err)
	}
	out, err := client.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("dev")})
	if err != nil || *out.Role.Arn != role || *out.Role.Path != "/team/" {
		t.Errorf("GetRole: %+v, %v", out, err)
	}
	e.FailNext("SimulatePrincipalPolicy", "AccessDenied", "User is not authorized to perform: iam:SimulatePrincipalPolicy", 1)
	if _, err := simulate(role); errorCode(err) != "AccessDenied" {
		t.Errorf("denied: %v", err)
	}
}

func TestGetMetricData(t *testing.T) {
	e := startEmulator(t, Config{})
	e.SetMetric("IamDbAuthConnectionFailure", "DBInstanceIdentifier", "orders", 7)
	client := cloudwatch.New(cloudwatch.Options{Region: "us-east-1", BaseEndpoint: aws.String(e.URL()), Credentials: testCredentials})
	query := func(id, name string) cwtypes.MetricDataQuery {
		return cwtypes.MetricDataQuery{Id: &id, MetricStat: &cwtypes.MetricStat{
			Metric: &cwtypes.Metric{Namespace: aws.String("AWS/RDS"), MetricName: &name, Dimensions: []cwtypes.Dimension{
				{Name: aws.String("DBInstanceIdentifier"), Value: aws.String("orders")},
			}},
			Period: aws.Int32(3600), Stat: aws.String("Sum"),
		}}
	}
	in := &cloudwatch.GetMetricDataInput{
		StartTime: aws.Time(time.Now().Add(-time.Hour)), EndTime: aws.Time(time.Now()),
		MetricDataQueries: []cwtypes.MetricDataQuery{query("a", "IamDbAuthConnectionFailure"), query("b", "IamDbAuthConnectionSuccess")},
	}
	out, err := client.GetMetricData(t.Context(), in)
	if err != nil || len(out.MetricDataResults) != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	if r := out.MetricDataResults[0]; *r.Id != "a" || len(r.Values) != 1 || r.Values[0] != 7 || len(r.Timestamps) != 1 || time.Since(r.Timestamps[0]).Round(time.Minute) != time.Minute {
		t.Errorf("a metric with data: %+v", r)
	}
	if r := out.MetricDataResults[1]; *r.Id != "b" || len(r.Values) != 0 {
		t.Errorf("a metric without: %+v", r)
	}
	e.FailNext("GetMetricData", "AccessDenied", "not authorized to perform: cloudwatch:GetMetricData", 1)
	if _, err := client.GetMetricData(t.Context(), in); errorCode(err) != "AccessDenied" {
		t.Errorf("denied: %v", err)
	}
}

// TestClock lets the SDK notice that its clock is behind, and go on.
func TestClock(t *testing.T) {
	e := startEmulator(t, Config{})
	e.SetClock(20 * time.Minute)
	client := sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: aws.String(e.URL()), Credentials: testCredentials})
	out, err := client.GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	at, ok := middleware.GetServerTime(out.ResultMetadata)
	if ahead := time.Until(at).Round(time.Minute); !ok || ahead != 20*time.Minute {
		t.Errorf("answer dated %v ahead, want 20m", ahead)
	}
}
