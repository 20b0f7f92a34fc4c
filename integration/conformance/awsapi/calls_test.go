package awsapi

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/pgkeyless/pgkeyless/internal/evidence"
	"github.com/pgkeyless/pgkeyless/internal/secretstore"
	"github.com/pgkeyless/pgkeyless/tunnel"
)

// call is one operation as pgkeyless and as the SDK calls it. Both return what they read
// of the answer in pgkeyless's types.
type call struct {
	name         string
	ours, theirs func(context.Context, aws.Config) (any, error)
}

var began = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

var calls = []call{
	{
		"ssm:StartSession",
		func(ctx context.Context, cfg aws.Config) (any, error) {
			return tunnel.NewAPI(cfg).StartSession(ctx, tunnel.StartSessionInput{
				Target: "i-1", DocumentName: "D", Reason: "R", Parameters: map[string][]string{"host": {"db.internal"}, "portNumber": {"5432"}},
			})
		},
		func(ctx context.Context, cfg aws.Config) (any, error) {
			out, err := ssm.NewFromConfig(cfg).StartSession(ctx, &ssm.StartSessionInput{
				Target: aws.String("i-1"), DocumentName: aws.String("D"), Reason: aws.String("R"),
				Parameters: map[string][]string{"host": {"db.internal"}, "portNumber": {"5432"}},
			})
			if err != nil {
				return nil, err
			}
			return tunnel.SessionOutput{SessionID: val(out.SessionId), StreamURL: val(out.StreamUrl), TokenValue: val(out.TokenValue)}, nil
		},
	},
	{
		"ssm:ResumeSession",
		func(ctx context.Context, cfg aws.Config) (any, error) {
			return tunnel.NewAPI(cfg).ResumeSession(ctx, "ada-1")
		},
		func(ctx context.Context, cfg aws.Config) (any, error) {
			out, err := ssm.NewFromConfig(cfg).ResumeSession(ctx, &ssm.ResumeSessionInput{SessionId: aws.String("ada-1")}, func(o *ssm.Options) { o.RetryMaxAttempts = 1 })
			if err != nil {
				return nil, err
			}
			return tunnel.SessionOutput{SessionID: val(out.SessionId), StreamURL: val(out.StreamUrl), TokenValue: val(out.TokenValue)}, nil
		},
	},
	{
		"ssm:TerminateSession", // of whose answer nothing is read
		func(ctx context.Context, cfg aws.Config) (any, error) {
			return struct{}{}, tunnel.NewAPI(cfg).TerminateSession(ctx, "ada-1")
		},
		func(ctx context.Context, cfg aws.Config) (any, error) {
			_, err := ssm.NewFromConfig(cfg).TerminateSession(ctx, &ssm.TerminateSessionInput{SessionId: aws.String("ada-1")})
			return struct{}{}, err
		},
	},
	{
		"secretsmanager:GetSecretValue",
		func(ctx context.Context, cfg aws.Config) (any, error) {
			value, err := secretstore.NewAPI(cfg, "").GetSecretValue(ctx, "orders/app")
			value.Created = value.Created.UTC() // as the SDK's is
			return value, err
		},
		func(ctx context.Context, cfg aws.Config) (any, error) {
			out, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("orders/app")})
			if err != nil {
				return nil, err
			}
			return secretstore.Value{
				ARN: val(out.ARN), Version: val(out.VersionId), Created: val(out.CreatedDate),
				Text: out.SecretString, Binary: len(out.SecretBinary) > 0,
			}, nil
		},
	},
	{
		"secretsmanager:DescribeSecret",
		func(ctx context.Context, cfg aws.Config) (any, error) {
			return secretstore.NewAPI(cfg, "").DescribeSecret(ctx, "orders/app")
		},
		func(ctx context.Context, cfg aws.Config) (any, error) {
			out, err := secretsmanager.NewFromConfig(cfg).DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String("orders/app")})
			if err != nil {
				return nil, err
			}
			return secretstore.Description{ARN: val(out.ARN), Key: val(out.KmsKeyId), Rotates: val(out.RotationEnabled)}, nil
		},
	},
	{
		"iam:GetRole",
		func(ctx context.Context, cfg aws.Config) (any, error) {
			return evidence.NewIAM(cfg).GetRole(ctx, "developer")
		},
		func(ctx context.Context, cfg aws.Config) (any, error) {
			out, err := iam.NewFromConfig(cfg).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("developer")})
			if err != nil {
				return nil, err
			}
			return val(val(out.Role).Arn), nil
		},
	},
	{
		"iam:SimulatePrincipalPolicy",
		func(ctx context.Context, cfg aws.Config) (any, error) {
			q := evidence.Question{Actions: []string{"a:b", "c:d"}, Resources: []string{"arn:x"}}
			return paged(evidence.NewIAM(cfg).SimulatePrincipalPolicy(ctx, "arn:role", q, []evidence.ContextEntry{{Key: "aws:userid", Type: "string", Value: "AROA:ada"}}, "next"))
		},
		func(ctx context.Context, cfg aws.Config) (any, error) {
			out, err := iam.NewFromConfig(cfg).SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{
				PolicySourceArn: aws.String("arn:role"), ActionNames: []string{"a:b", "c:d"}, ResourceArns: []string{"arn:x"}, Marker: aws.String("next"),
				ContextEntries: []iamtypes.ContextEntry{{
					ContextKeyName: aws.String("aws:userid"), ContextKeyType: iamtypes.ContextKeyTypeEnumString, ContextKeyValues: []string{"AROA:ada"},
				}},
			})
			if err != nil {
				return nil, err
			}
			return pageOf(out.EvaluationResults, func(r iamtypes.EvaluationResult) evidence.Evaluation {
				return evidence.Evaluation{Action: val(r.EvalActionName), Resource: val(r.EvalResourceName), Decision: string(r.EvalDecision)}
			}, out.Marker), nil
		},
	},
	{
		"cloudwatch:GetMetricData",
		func(ctx context.Context, cfg aws.Config) (any, error) {
			return paged(evidence.NewCloudWatch(cfg).GetMetricData(ctx, evidence.MetricQuery{
				Dimension: "DBInstanceIdentifier", Identifier: "orders", Names: []string{"One", "Two"}, Start: began, End: began.Add(time.Hour),
			}, "next"))
		},
		func(ctx context.Context, cfg aws.Config) (any, error) {
			in := &cloudwatch.GetMetricDataInput{StartTime: aws.Time(began), EndTime: aws.Time(began.Add(time.Hour)), NextToken: aws.String("next")}
			names := map[string]string{"q0": "One", "q1": "Two"}
			for _, id := range []string{"q0", "q1"} {
				in.MetricDataQueries = append(in.MetricDataQueries, cloudwatchtypes.MetricDataQuery{Id: &id, MetricStat: &cloudwatchtypes.MetricStat{
					Metric: &cloudwatchtypes.Metric{Namespace: aws.String("AWS/RDS"), MetricName: aws.String(names[id]), Dimensions: []cloudwatchtypes.Dimension{
						{Name: aws.String("DBInstanceIdentifier"), Value: aws.String("orders")},
					}},
					Period: aws.Int32(3600), Stat: aws.String("Sum"),
				}})
			}
			out, err := cloudwatch.NewFromConfig(cfg).GetMetricData(ctx, in)
			if err != nil {
				return nil, err
			}
			return pageOf(out.MetricDataResults, func(r cloudwatchtypes.MetricDataResult) evidence.MetricValues {
				return evidence.MetricValues{Name: names[val(r.Id)], Values: each(r.Values, itself)}
			}, out.NextToken), nil
		},
	},
}
