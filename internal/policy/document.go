package policy

import (
	"cmp"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/statement"
)

// remoteHostDocument forwards a port to a host behind the jump host.
const remoteHostDocument = "AWS-StartPortForwardingSessionToRemoteHost"

// Document is an IAM policy. Its JSON is what IAM takes.
type Document struct {
	Version   string
	Statement []statement.Statement
}

// For is the policy that lets an identity log in as f.User, and nothing beyond.
func For(f Facts) Document {
	statements := []statement.Statement{f.login()}
	if len(f.Lookup) > 0 {
		statements = append(statements, statement.Allow("FindDatabase", f.Lookup, []string{"*"}))
	}
	if f.Via != "" {
		statements = append(statements, f.findJumpHost()...)
		statements = append(statements, f.startSession()...)
		statements = append(statements, statement.OwnSessions(f.Partition)...)
		statements = append(statements, statement.OpenChannel())
	}
	return Document{Version: "2012-10-17", Statement: statements}
}

// LoginAction and LoginResource are what a token is checked by.
func (f Facts) LoginAction() string {
	switch {
	case f.Kind == DSQL && f.User == "admin":
		return "dsql:DbConnectAdmin"
	case f.Kind == DSQL:
		return "dsql:DbConnect"
	}
	return "rds-db:connect"
}

// LoginResource is the ARN that LoginAction is checked on.
func (f Facts) LoginResource() string {
	id := cmp.Or(f.ResourceID, UnknownResourceID)
	if f.Kind == DSQL {
		return f.arn("dsql", f.Region, f.account(), "cluster/"+id)
	}
	user := UnknownUser
	if f.User != "" {
		user = literal(f.User)
	}
	return f.arn("rds-db", f.Region, f.account(), "dbuser:"+id+"/"+user)
}

func (f Facts) login() statement.Statement {
	return statement.Allow("LogIn", []string{f.LoginAction()}, []string{f.LoginResource()})
}

// DocumentARN is the session document's.
func (f Facts) DocumentARN() string {
	name := cmp.Or(f.Document, remoteHostDocument)
	switch {
	case strings.HasPrefix(name, "arn:"):
		return name
	case strings.HasPrefix(name, "AWS-"): // AWS's own: no account
		return f.arn("ssm", f.Region, "", "document/"+name)
	}
	return f.arn("ssm", f.Region, f.viaAccount(), "document/"+name)
}

// startSession allows sessions on the jump host by this document only: with
// SessionDocumentAccessCheck a session without a document, a shell, is checked
// against the shell's document, which is not listed. A condition on a tag cannot
// apply to the document, so that it gets a statement of its own.
//
// Source: Systems Manager user guide, getting-started-sessiondocumentaccesscheck.html.
func (f Facts) startSession() []statement.Statement {
	hosts, tag := f.jumpHosts()
	checked := map[string]map[string]string{"BoolIfExists": {"ssm:SessionDocumentAccessCheck": "true"}}
	start := []string{"ssm:StartSession"}
	if tag == nil {
		s := statement.Allow("StartSession", start, append(hosts, f.DocumentARN()))
		s.Condition = checked
		return []statement.Statement{s}
	}
	s := statement.Allow("StartSession", start, hosts)
	s.Condition = map[string]map[string]string{"BoolIfExists": checked["BoolIfExists"], "StringEquals": tag}
	return []statement.Statement{s, statement.Allow("StartSessionDocument", start, []string{f.DocumentARN()})}
}

// jumpHosts are the ARNs that Via stands for, and the tag they must have.
func (f Facts) jumpHosts() (arns []string, tag map[string]string) {
	kind, rest, _ := strings.Cut(f.Via, ":")
	switch kind {
	case "ecs":
		return []string{f.arn("ecs", f.Region, f.viaAccount(), "task/"+ecsTask(rest))}, nil
	case "tag":
		key, value, _ := strings.Cut(rest, "=")
		return f.machines(), map[string]string{"ssm:resourceTag/" + key: literal(value)}
	case "asg":
		return []string{f.arn("ec2", f.Region, f.viaAccount(), "instance/*")}, map[string]string{"ssm:resourceTag/aws:autoscaling:groupName": literal(rest)}
	}
	if strings.HasPrefix(f.Via, "mi-") {
		return []string{f.arn("ssm", f.Region, f.viaAccount(), "managed-instance/"+f.Via)}, nil
	}
	return []string{f.arn("ec2", f.Region, f.viaAccount(), "instance/"+f.Via)}, nil
}

// machines are all that a tag may be on.
func (f Facts) machines() []string {
	return []string{
		f.arn("ec2", f.Region, f.viaAccount(), "instance/*"),
		f.arn("ssm", f.Region, f.viaAccount(), "managed-instance/*"),
	}
}

// ecsTask is the end of the ARN for CLUSTER_TASK_RUNTIME or CLUSTER/SERVICE,
// whose tasks come and go.
func ecsTask(via string) string {
	if cluster, _, ok := strings.Cut(via, "/"); ok {
		return cluster + "/*"
	}
	if parts := strings.Split(via, "_"); len(parts) >= 3 { // a cluster's name may have underscores
		return strings.Join(parts[:len(parts)-2], "_") + "/" + parts[len(parts)-2]
	}
	return via + "/*"
}

// findJumpHost allows what finds out which jump hosts Via stands for.
func (f Facts) findJumpHost() []statement.Statement {
	kind, rest, _ := strings.Cut(f.Via, ":")
	cluster, _, service := strings.Cut(rest, "/")
	switch {
	case kind == "tag":
		return []statement.Statement{statement.Allow("FindJumpHost", []string{"ssm:DescribeInstanceInformation"}, []string{"*"})}
	case kind == "asg":
		return []statement.Statement{statement.Allow("FindJumpHost", []string{"autoscaling:DescribeAutoScalingGroups", "ssm:DescribeInstanceInformation"}, []string{"*"})}
	case kind == "ecs" && service:
		s := statement.Allow("FindJumpHost", []string{"ecs:ListTasks", "ecs:DescribeTasks"}, []string{"*"})
		s.Condition = map[string]map[string]string{"ArnEquals": {"ecs:cluster": f.arn("ecs", f.Region, f.viaAccount(), "cluster/"+cluster)}}
		return []statement.Statement{s}
	}
	return nil
}
