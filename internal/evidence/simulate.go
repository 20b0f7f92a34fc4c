package evidence

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/pgkeyless/pgkeyless/internal/awserror"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
)

// ErrNotPermitted says that the credentials may not ask.
var ErrNotPermitted = errors.New("not permitted")

// IAM is the part of IAM that simulates. *iam.Client is one.
type IAM interface {
	GetRole(ctx context.Context, in *iam.GetRoleInput, opts ...func(*iam.Options)) (*iam.GetRoleOutput, error)
	SimulatePrincipalPolicy(ctx context.Context, in *iam.SimulatePrincipalPolicyInput, opts ...func(*iam.Options)) (*iam.SimulatePrincipalPolicyOutput, error)
}

// Question is whether actions are allowed on resources, each on each.
type Question struct{ Actions, Resources []string }

// Verdict is one action that is not allowed on one resource.
type Verdict struct {
	Action, Resource string
	Explicit         bool // a policy denies it, rather than none allowing it
}

func (v Verdict) String() string {
	if v.Explicit {
		return fmt.Sprintf("%s on %s is denied by a policy", v.Action, v.Resource)
	}
	return fmt.Sprintf("no policy allows %s on %s", v.Action, v.Resource)
}

// Simulate returns what the policies of caller do not allow; nothing when all is
// allowed. It does not know of resource policies, and of service control policies
// only what IAM does. ErrNotPermitted is wrapped when it may not ask.
func Simulate(ctx context.Context, api IAM, caller credentials.Caller, questions []Question) ([]Verdict, error) {
	principal, role := caller.Principal()
	if caller.ARN == "" {
		return nil, errors.New("the identity whose policies to simulate is unknown")
	}
	if principal == "" {
		return nil, fmt.Errorf("the policies of %s cannot be simulated", caller.ARN)
	}
	var denied []Verdict
	for _, q := range questions {
		more, err := simulate(ctx, api, principal, caller, q)
		if awserror.Code(err) == "NoSuchEntity" && role != "" { // its ARN has a path
			out, roleErr := api.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
			if roleErr != nil {
				return nil, worded("iam:GetRole", roleErr)
			}
			principal, role = aws.ToString(out.Role.Arn), ""
			more, err = simulate(ctx, api, principal, caller, q)
		}
		if err != nil {
			return nil, worded("iam:SimulatePrincipalPolicy", err)
		}
		denied = append(denied, more...)
	}
	return denied, nil
}

func simulate(ctx context.Context, api IAM, principal string, caller credentials.Caller, q Question) ([]Verdict, error) {
	in := &iam.SimulatePrincipalPolicyInput{
		PolicySourceArn: &principal, ActionNames: q.Actions, ResourceArns: q.Resources,
		ContextEntries: known(caller),
	}
	var denied []Verdict
	for pages := iam.NewSimulatePrincipalPolicyPaginator(api, in); pages.HasMorePages(); {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range out.EvaluationResults {
			if r.EvalDecision != types.PolicyEvaluationDecisionTypeAllowed {
				denied = append(denied, Verdict{aws.ToString(r.EvalActionName), aws.ToString(r.EvalResourceName),
					r.EvalDecision == types.PolicyEvaluationDecisionTypeExplicitDeny})
			}
		}
	}
	return denied, nil
}

// known is what AWS knows of a call by caller when policies are evaluated. Every
// SSM session has a tag with the aws:userid of whoever started it; here that is
// the caller.
func known(caller credentials.Caller) []types.ContextEntry {
	entry := func(key string, kind types.ContextKeyTypeEnum, value string) types.ContextEntry {
		return types.ContextEntry{ContextKeyName: &key, ContextKeyType: kind, ContextKeyValues: []string{value}}
	}
	entries := []types.ContextEntry{
		entry("aws:userid", types.ContextKeyTypeEnumString, caller.UserID),
		entry("ssm:resourceTag/aws:ssmmessages:session-id", types.ContextKeyTypeEnumString, caller.UserID),
		entry("ssm:SessionDocumentAccessCheck", types.ContextKeyTypeEnumBoolean, "true"),
	}
	if _, role := caller.Principal(); role == "" { // only IAM users have one
		entries = append(entries, entry("aws:username", types.ContextKeyTypeEnumString, caller.Name()))
	}
	return entries
}
