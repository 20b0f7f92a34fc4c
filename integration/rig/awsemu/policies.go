package awsemu

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// SetPolicy lets every caller do what policy, an IAM policy as JSON, allows and
// nothing else, of what is checked here: the calls about SSM sessions, the upgrade
// to a data channel, and what SimulatePrincipalPolicy is asked about. "" allows
// everything again.
func (e *Emulator) SetPolicy(policy string) error {
	var p *iamPolicy
	if policy != "" {
		p = &iamPolicy{}
		if err := json.Unmarshal([]byte(policy), p); err != nil {
			return fmt.Errorf("IAM policy: %w", err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.policy = p
	return nil
}

// iamPolicy is a policy as far as it is understood here: statements that allow.
type iamPolicy struct {
	Statement []struct {
		Effect    string
		Action    oneOrMore
		Resource  oneOrMore
		Condition map[string]map[string]oneOrMore
	}
}

// oneOrMore is a string or a list of strings.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(o))
}

// iamContext are the keys of one request, with their values.
type iamContext map[string]string

// allows evaluates the policy. An operator that is not known allows nothing.
//
// Source: IAM user guide, reference_policies_evaluation-logic.html and
// reference_policies_variables.html.
func (p *iamPolicy) allows(action, resource string, keys iamContext) bool {
	if p == nil {
		return true
	}
	for _, s := range p.Statement {
		matches := func(patterns []string, value string) bool {
			return slices.ContainsFunc(patterns, func(pattern string) bool { return keys.like(pattern, value) })
		}
		if s.Effect == "Allow" && matches(s.Action, action) && matches(s.Resource, resource) && keys.meet(s.Condition) {
			return true
		}
	}
	return false
}

// meet reports whether every condition holds.
func (c iamContext) meet(conditions map[string]map[string]oneOrMore) bool {
	for operator, keys := range conditions {
		operator, ifExists := strings.CutSuffix(operator, "IfExists")
		for key, patterns := range keys {
			value, known := c[key]
			if !known && ifExists {
				continue
			}
			holds := func(pattern string) bool {
				switch operator {
				case "StringLike", "ArnLike", "ArnEquals": // the last two are the same
					return c.like(pattern, value)
				case "StringEquals", "Bool":
					filled, ok := c.fill(pattern)
					return ok && filled == value
				}
				return false
			}
			if !known || !slices.ContainsFunc(patterns, holds) {
				return false
			}
		}
	}
	return true
}

var policyVariable = regexp.MustCompile(`\$\{([^}]*)\}`)

// fill puts the values of variables into a pattern. Without a value for one of
// them the pattern matches nothing.
func (c iamContext) fill(pattern string) (filled string, ok bool) {
	ok = true
	filled = policyVariable.ReplaceAllStringFunc(pattern, func(variable string) string {
		name := variable[2 : len(variable)-1]
		if name == "*" || name == "?" || name == "$" {
			return name
		}
		value, known := c[name]
		ok = ok && known
		return value
	})
	return filled, ok
}

// like matches a pattern with * and ?, and variables, which hold no wildcards.
func (c iamContext) like(pattern, value string) bool {
	var expression strings.Builder
	rest := pattern
	literal := func(text string) {
		text = regexp.QuoteMeta(text)
		text = strings.ReplaceAll(text, `\*`, ".*")
		expression.WriteString(strings.ReplaceAll(text, `\?`, "."))
	}
	for {
		at := policyVariable.FindStringIndex(rest)
		if at == nil {
			break
		}
		literal(rest[:at[0]])
		filled, ok := c.fill(rest[at[0]:at[1]])
		if !ok {
			return false
		}
		expression.WriteString(regexp.QuoteMeta(filled))
		rest = rest[at[1]:]
	}
	literal(rest)
	return regexp.MustCompile("^(?s:" + expression.String() + ")$").MatchString(value)
}

// name is that of the IAM user or role session.
func (c Caller) name() string { return c.ARN[strings.LastIndexByte(c.ARN, '/')+1:] }

// keys are what is known of a request by c. Only IAM users have a name that
// policies can use.
func (c Caller) keys() iamContext {
	keys := iamContext{"aws:userid": c.UserID}
	if strings.Contains(c.ARN, ":user/") {
		keys["aws:username"] = c.name()
	}
	return keys
}

// permit refuses what the policy does not allow, in AWS's words.
func (e *Emulator) permit(c Caller, action, resource string, more iamContext) *apiError {
	keys := c.keys()
	for key, value := range more {
		keys[key] = value
	}
	e.mu.Lock()
	policy := e.policy
	e.mu.Unlock()
	if policy.allows(action, resource, keys) {
		return nil
	}
	return failed("AccessDeniedException", fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %[2]s action",
		c.ARN, action, resource))
}

// The key of the tag that every session has: the user id of who started it.
const sessionTag = "ssm:resourceTag/aws:ssmmessages:session-id"

// permitSession asks about a session. Of one that is not known there is no tag.
func (e *Emulator) permitSession(c Caller, operation, id string) *apiError {
	e.mu.Lock()
	owner, known := e.owners[id]
	e.mu.Unlock()
	tags := iamContext{}
	if known {
		tags[sessionTag] = owner
	}
	return e.permit(c, "ssm:"+operation, fmt.Sprintf("arn:aws:ssm:%s:%s:session/%s", c.region, e.cfg.Account, id), tags)
}

// permitStart asks about jump host and document.
func (e *Emulator) permitStart(c Caller, in ssmInput) *apiError {
	target := fmt.Sprintf("arn:aws:ec2:%s:%s:instance/%s", c.region, e.cfg.Account, in.Target)
	switch {
	case strings.HasPrefix(in.Target, "mi-"):
		target = fmt.Sprintf("arn:aws:ssm:%s:%s:managed-instance/%s", c.region, e.cfg.Account, in.Target)
	case strings.HasPrefix(in.Target, "ecs:"):
		parts := strings.Split(strings.TrimPrefix(in.Target, "ecs:"), "_")
		target = fmt.Sprintf("arn:aws:ecs:%s:%s:task/%s/%s", c.region, e.cfg.Account, parts[0], parts[1])
	}
	more := iamContext{"ssm:SessionDocumentAccessCheck": "true"}
	if err := e.permit(c, "ssm:StartSession", target, more); err != nil {
		return err
	}
	return e.permit(c, "ssm:StartSession", fmt.Sprintf("arn:aws:ssm:%s::document/%s", c.region, in.DocumentName), more)
}
