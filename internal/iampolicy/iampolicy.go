// Package iampolicy is the language of IAM, as far as pgkeyless speaks it:
// policies and their statements as JSON, the ARNs that statements name, and what
// AWS says when no policy allows a call.
package iampolicy

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// Document is an IAM policy. Its JSON is what IAM takes.
type Document struct {
	Version   string
	Statement []Statement
}

// New is a policy of statements, in the version of the language that knows policy
// variables.
//
// Source: IAM user guide, reference_policies_elements_version.html.
func New(statements ...Statement) Document {
	return Document{Version: "2012-10-17", Statement: statements}
}

// Statement allows some actions. Condition is by operator, then key.
type Statement struct {
	Sid       string
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string]string `json:",omitempty"`
}

// Allow is a Statement without a condition.
func Allow(sid string, actions, resources []string) Statement {
	return Statement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources}
}

// Line is the statement that allows action on a resource, or on several, as JSON
// for a hint: on one line, without a Sid.
func Line[R string | []string](action string, resource R) string {
	text, err := json.Marshal(struct {
		Effect, Action string
		Resource       R
	}{"Allow", action, resource})
	if err != nil { // strings always encode
		return strconv.Quote(action)
	}
	return string(text)
}

// Lines is statements as JSON for a hint: on one line, with commas between them.
func Lines(statements ...Statement) string {
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

// SpacedLine is Line with a space behind each colon and comma, for an action on
// all resources.
func SpacedLine(action string) string {
	return strings.NewReplacer(`":"`, `": "`, `","`, `", "`).Replace(Line(action, "*"))
}

// Literal keeps the characters of s that mean something in a policy's resource
// from doing so.
//
// Source: IAM user guide, reference_policies_variables.html ("special characters").
func Literal(s string) string {
	return strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}").Replace(s)
}

// notAuthorized is how AWS words a denial that it has details of. What follows
// differs: which policy it was, or that there was none.
//
// Source: IAM user guide, troubleshoot_access-denied.html.
var notAuthorized = regexp.MustCompile(`User: (\S+) is not authorized to perform: (\S+) on resource: (\S+)`)

// Denial is a call that no policy allows, or that one denies.
type Denial struct {
	Identity string // the ARN of the caller
	Action   string // such as "ssm:StartSession"; perhaps another than was called
	Resource string // its ARN, or "*"
}

// ParseDenial reads what AWS says of a denied call. ok says whether it is in the
// usual words: there are others, which name nothing.
func ParseDenial(said string) (d Denial, ok bool) {
	m := notAuthorized.FindStringSubmatch(said)
	if m == nil {
		return Denial{}, false
	}
	return Denial{m[1], m[2], m[3]}, true
}

// Explicit reports whether AWS says of a denied call that a policy denies it,
// which no statement that allows can change.
func Explicit(said string) bool { return strings.Contains(said, "explicit deny") }
