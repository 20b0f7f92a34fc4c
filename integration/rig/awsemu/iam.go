package awsemu

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

const iamNamespace = "https://iam.amazonaws.com/doc/2010-05-08/"

// Decision is what a simulated policy says of one action on one resource.
type Decision string

const (
	Allowed      Decision = "allowed"
	ImplicitDeny Decision = "implicitDeny" // no statement allows it
	ExplicitDeny Decision = "explicitDeny"
)

// Simulation decides for SimulatePrincipalPolicy. It must not call the Emulator.
type Simulation func(principal, action, resource string) Decision

// SetSimulation replaces the policies of every principal, which allow
// everything; nil restores them.
func (e *Emulator) SetSimulation(s Simulation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.simulation = s
}

// iamOperations are what IAM answers.
func (e *Emulator) iamOperations() map[string]queryOperation {
	return map[string]queryOperation{"GetRole": e.getRole, "SimulatePrincipalPolicy": e.simulate}
}

type getRoleAnswer struct {
	XMLName   xml.Name `xml:"GetRoleResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Path      string   `xml:"GetRoleResult>Role>Path"`
	Name      string   `xml:"GetRoleResult>Role>RoleName"`
	ID        string   `xml:"GetRoleResult>Role>RoleId"`
	Arn       string   `xml:"GetRoleResult>Role>Arn"`
	Created   string   `xml:"GetRoleResult>Role>CreateDate"`
	RequestID string   `xml:"ResponseMetadata>RequestId"`
}

func (e *Emulator) getRole(_ Caller, form url.Values) (any, *apiError) {
	name := form.Get("RoleName")
	arn, ok := e.roles()[name]
	if !ok {
		return nil, &apiError{"NoSuchEntity", "The role with name " + name + " cannot be found.", 404}
	}
	_, path, _ := strings.Cut(arn, ":role")
	return getRoleAnswer{
		Namespace: iamNamespace, Path: strings.TrimSuffix(path, name), Name: name, ID: "AROAEXAMPLEEXAMPLE000",
		Arn: arn, Created: "2025-01-01T00:00:00Z", RequestID: newRequestID(),
	}, nil
}

// roles are the ARNs, by name, of the roles that callers have assumed.
func (e *Emulator) roles() map[string]string {
	roles := map[string]string{}
	for _, caller := range e.cfg.Callers {
		head, rest, ok := strings.Cut(caller.ARN, ":assumed-role/")
		if name, _, found := strings.Cut(rest, "/"); ok && found {
			arn := strings.Replace(head, ":sts:", ":iam:", 1) + ":role/" + name
			roles[name] = cmp.Or(caller.RoleARN, arn)
		}
	}
	return roles
}

type simulateAnswer struct {
	XMLName   xml.Name     `xml:"SimulatePrincipalPolicyResponse"`
	Namespace string       `xml:"xmlns,attr"`
	Truncated bool         `xml:"SimulatePrincipalPolicyResult>IsTruncated"`
	Results   []evaluation `xml:"SimulatePrincipalPolicyResult>EvaluationResults>member"`
	RequestID string       `xml:"ResponseMetadata>RequestId"`
}

type evaluation struct {
	Action   string   `xml:"EvalActionName"`
	Resource string   `xml:"EvalResourceName"`
	Decision Decision `xml:"EvalDecision"`
}

// simulate answers for each action on each resource, on one page.
func (e *Emulator) simulate(_ Caller, form url.Values) (any, *apiError) {
	principal := form.Get("PolicySourceArn")
	_, kind, _ := strings.Cut(principal, ":iam::"+e.cfg.Account+":")
	switch {
	case strings.HasPrefix(kind, "user/"):
	case strings.HasPrefix(kind, "role/"):
		if known := slices.Collect(maps.Values(e.roles())); !slices.Contains(known, principal) {
			return nil, &apiError{"NoSuchEntity", "The role with name " + kind + " cannot be found.", 404}
		}
	default:
		return nil, failed("InvalidInput", "Invalid Entity Arn: "+principal+" does not clearly define entity type and name.")
	}
	e.mu.Lock()
	decide, policy := e.simulation, e.policy
	e.mu.Unlock()
	keys := iamContext{}
	for i, key := range members(form, "ContextEntries", ".ContextKeyName") {
		keys[key] = form.Get(fmt.Sprintf("ContextEntries.member.%d.ContextKeyValues.member.1", i+1))
	}
	answer := simulateAnswer{Namespace: iamNamespace, RequestID: newRequestID()}
	actions, resources := members(form, "ActionNames", ""), members(form, "ResourceArns", "")
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	for _, action := range actions {
		for _, resource := range resources {
			decision := Allowed
			if !policy.allows(action, resource, keys) {
				decision = ImplicitDeny
			}
			if decide != nil {
				decision = decide(principal, action, resource)
			}
			answer.Results = append(answer.Results, evaluation{action, resource, decision})
		}
	}
	if len(answer.Results) == 0 {
		return nil, failed("ValidationError", "1 validation error detected: Value at 'actionNames' failed to satisfy constraint: Member must not be null")
	}
	return answer, nil
}

// members are the values of a list in a Query form: NAME.member.1, .2, …, each
// with what follows.
func members(form url.Values, name, rest string) []string {
	var values []string
	for i := 1; form.Has(fmt.Sprintf("%s.member.%d%s", name, i, rest)); i++ {
		values = append(values, form.Get(fmt.Sprintf("%s.member.%d%s", name, i, rest)))
	}
	return values
}
