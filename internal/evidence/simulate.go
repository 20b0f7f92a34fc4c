package evidence

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgkeyless/pgkeyless/internal/awsapi"
	"github.com/pgkeyless/pgkeyless/internal/awserror"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
)

// ErrNotPermitted says that the credentials may not ask.
var ErrNotPermitted = errors.New("not permitted")

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
			arn, roleErr := api.GetRole(ctx, role)
			if roleErr != nil {
				return nil, worded("iam:GetRole", roleErr)
			}
			principal, role = arn, ""
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
	given := known(caller)
	all, err := awsapi.All(ctx, func(ctx context.Context, marker string) ([]Evaluation, string, error) {
		return api.SimulatePrincipalPolicy(ctx, principal, q, given, marker)
	})
	if err != nil {
		return nil, err
	}
	var denied []Verdict
	for _, e := range all {
		if e.Decision != "allowed" {
			denied = append(denied, Verdict{e.Action, e.Resource, e.Decision == "explicitDeny"})
		}
	}
	return denied, nil
}

// known is what AWS knows of a call by caller when policies are evaluated. Every
// SSM session has a tag with the aws:userid of whoever started it; here that is
// the caller.
func known(caller credentials.Caller) []ContextEntry {
	entries := []ContextEntry{
		{"aws:userid", "string", caller.UserID},
		{"ssm:resourceTag/aws:ssmmessages:session-id", "string", caller.UserID},
		{"ssm:SessionDocumentAccessCheck", "boolean", "true"},
	}
	if _, role := caller.Principal(); role == "" { // only IAM users have one
		entries = append(entries, ContextEntry{"aws:username", "string", caller.Name()})
	}
	return entries
}
