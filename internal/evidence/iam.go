package evidence

import (
	"context"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/awsapi"
	"github.com/pgkeyless/pgkeyless/internal/partition"
)

// IAM is the part of IAM that simulates.
type IAM interface {
	// GetRole returns the ARN of the role with that name.
	GetRole(ctx context.Context, name string) (arn string, err error)
	// SimulatePrincipalPolicy returns one page of what source, an ARN, may do. marker is
	// "" for the first page, and next for the last.
	SimulatePrincipalPolicy(ctx context.Context, source string, q Question, given []ContextEntry, marker string) (page []Evaluation, next string, err error)
}

// ContextEntry is what AWS knows of a call.
type ContextEntry struct{ Key, Type, Value string }

// Evaluation is IAM's decision on one action and one resource.
type Evaluation struct {
	Action   string `xml:"EvalActionName"`
	Resource string `xml:"EvalResourceName"`
	Decision string `xml:"EvalDecision"` // allowed, explicitDeny, implicitDeny
}

// iamService has one endpoint for all regions of a partition.
//
// Source: aws-sdk-go-v2, service/iam, endpoints.go.
var iamService = awsapi.Service{ID: "IAM", Prefix: "iam", Version: "2010-05-08", Global: map[string]awsapi.Global{
	partition.Commercial: {
		Region: "us-east-1", Host: "iam.amazonaws.com", FIPS: "iam-fips.amazonaws.com",
		DualStack: "iam.global.api.aws", FIPSStack: "iam-fips.global.api.aws",
	},
	partition.GovCloud: {
		Region: "us-gov-west-1", Host: "iam.us-gov.amazonaws.com", FIPS: "iam.us-gov.amazonaws.com",
		DualStack: "iam.us-gov.api.aws", FIPSStack: "iam.us-gov.api.aws",
	},
	partition.China: {
		Region: "cn-north-1", Host: "iam.cn-north-1.amazonaws.com.cn", FIPS: "iam-fips.amazonaws.com.cn",
		DualStack: "iam.global.api.amazonwebservices.com.cn", FIPSStack: "iam-fips.api.amazonwebservices.com.cn",
	},
	"aws-eusc": {
		Region: "eusc-de-east-1", Host: "iam.eusc-de-east-1.amazonaws.eu", FIPS: "iam-fips.amazonaws.eu",
		DualStack: "iam.global.api.amazonwebservices.eu", FIPSStack: "iam-fips.api.amazonwebservices.eu",
	},
	"aws-iso": {
		Region: "us-iso-east-1", Host: "iam.us-iso-east-1.c2s.ic.gov", FIPS: "iam-fips.us-iso-east-1.c2s.ic.gov",
		DualStack: "iam.api.aws.ic.gov", FIPSStack: "iam-fips.api.aws.ic.gov",
	},
	"aws-iso-b": {
		Region: "us-isob-east-1", Host: "iam.us-isob-east-1.sc2s.sgov.gov", FIPS: "iam-fips.us-isob-east-1.sc2s.sgov.gov",
		DualStack: "iam.api.aws.scloud", FIPSStack: "iam-fips.api.aws.scloud",
	},
	"aws-iso-e": {
		Region: "eu-isoe-west-1", Host: "iam.eu-isoe-west-1.cloud.adc-e.uk", FIPS: "iam-fips.cloud.adc-e.uk",
		DualStack: "iam.api.cloud-aws.adc-e.uk", FIPSStack: "iam-fips.api.cloud-aws.adc-e.uk",
	},
	"aws-iso-f": {
		Region: "us-isof-south-1", Host: "iam.us-isof-south-1.csp.hci.ic.gov", FIPS: "iam-fips.csp.hci.ic.gov",
		DualStack: "iam.api.aws.hci.ic.gov", FIPSStack: "iam-fips.api.aws.hci.ic.gov",
	},
}}

// NewIAM asks IAM with cfg's credentials.
func NewIAM(cfg aws.Config) IAM { return iam{awsapi.New(cfg, iamService)} }

type iam struct{ api *awsapi.Client }

func (c iam) GetRole(ctx context.Context, name string) (string, error) {
	var out struct {
		ARN string `xml:"GetRoleResult>Role>Arn"`
	}
	err := c.api.Query(ctx, "GetRole", url.Values{"RoleName": {name}}, &out)
	return out.ARN, err
}

func (c iam) SimulatePrincipalPolicy(ctx context.Context, source string, q Question, given []ContextEntry, marker string) ([]Evaluation, string, error) {
	form := url.Values{"PolicySourceArn": {source}, "Marker": {marker}}
	awsapi.AddMembers(form, "ActionNames", q.Actions...)
	awsapi.AddMembers(form, "ResourceArns", q.Resources...)
	for i, entry := range given {
		member := fmt.Sprintf("ContextEntries.member.%d.", i+1)
		form.Set(member+"ContextKeyName", entry.Key)
		form.Set(member+"ContextKeyType", entry.Type)
		awsapi.AddMembers(form, member+"ContextKeyValues", entry.Value)
	}
	var out struct {
		Results []Evaluation `xml:"SimulatePrincipalPolicyResult>EvaluationResults>member"`
		Marker  string       `xml:"SimulatePrincipalPolicyResult>Marker"`
	}
	err := c.api.Query(ctx, "SimulatePrincipalPolicy", form, &out)
	return out.Results, out.Marker, err
}
