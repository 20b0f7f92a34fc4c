// Package statement has the statements of IAM policies that package policy
// prints and that the tunnel's hints name.
package statement

import (
	"encoding/json"
	"strings"
)

// Statement allows some actions. Condition is by operator, then key.
type Statement struct {
	Sid       string
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string]string `json:",omitempty"`
}

// Allow is a statement without conditions.
func Allow(sid string, actions, resources []string) Statement {
	return Statement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources}
}

// OwnSessions are the statements that let an identity resume and end the SSM
// sessions that it started, and no others. The id of a session begins with the
// name of the IAM user or of the role session; but the only variable with such a
// name is aws:username, which only IAM users have. For the others there is the tag
// that Session Manager puts on every session, the aws:userid of who started it.
//
// Source: Systems Manager user guide, getting-started-restrict-access-examples.html,
// example 4, both methods.
func OwnSessions(partition string) []Statement {
	actions := []string{"ssm:ResumeSession", "ssm:TerminateSession"}
	sessions := "arn:" + partition + ":ssm:*:*:session/"
	byTag := Allow("UseOwnSessions", actions, []string{sessions + "*"})
	byTag.Condition = map[string]map[string]string{"StringLike": {"ssm:resourceTag/aws:ssmmessages:session-id": "${aws:userid}"}}
	return []Statement{byTag, Allow("UseOwnSessionsAsUser", actions, []string{sessions + "${aws:username}-*"})}
}

// OpenChannel is the statement that lets an identity open data channels. The
// action cannot be limited to a resource.
//
// Source: service authorization reference, list_amazonmessagegatewayservice.html.
func OpenChannel() Statement {
	return Allow("OpenDataChannel", []string{"ssmmessages:OpenDataChannel"}, []string{"*"})
}

// JSON is statements as they stand in a policy, on one line, with commas between
// them.
func JSON(statements ...Statement) string {
	texts := make([]string, len(statements))
	for i, s := range statements {
		text, err := json.Marshal(s)
		if err != nil {
			panic(err) // strings and maps of strings can always be encoded
		}
		texts[i] = string(text)
	}
	return strings.Join(texts, ",")
}
