package iampolicy

import "strings"

// RemoteHostDocument is AWS's own session document that forwards a port to a host
// behind the jump host.
const RemoteHostDocument = "AWS-StartPortForwardingSessionToRemoteHost"

// Place is where a resource is. What is not known may be a placeholder.
type Place struct{ Partition, Region, Account string }

func (p Place) arn(service, resource string) string {
	return strings.Join([]string{"arn", p.Partition, service, p.Region, p.Account, resource}, ":")
}

// LoginAction is the action that a database checks a token by.
const LoginAction = "rds-db:connect"

// DSQLLoginAction is LoginAction of DSQL, where the administrator's is another.
//
// Source: DSQL user guide, authentication-authorization.html.
func DSQLLoginAction(user string) string {
	if user == "admin" {
		return "dsql:DbConnectAdmin"
	}
	return "dsql:DbConnect"
}

// DatabaseUser is the ARN that LoginAction is checked on. resourceID is the
// database's: db-…, cluster-… or prx-….
//
// Source: RDS user guide, UsingWithRDS.IAMDBAuth.IAMPolicy.html.
func (p Place) DatabaseUser(resourceID, user string) string {
	return p.arn("rds-db", "dbuser:"+resourceID+"/"+Literal(user))
}

// DSQLCluster is the ARN that DSQLLoginAction is checked on.
func (p Place) DSQLCluster(identifier string) string { return p.arn("dsql", "cluster/"+identifier) }

// Secret is the ARN of a secret by its name, with the characters that AWS adds to it.
func (p Place) Secret(name string) string { return p.arn("secretsmanager", "secret:"+name) }

// Key is the ARN of a KMS key by its id.
func (p Place) Key(id string) string { return p.arn("kms", "key/"+id) }

// Document is the ARN of a session document by its name; an ARN is returned as it
// is. AWS's own documents are of no account.
func (p Place) Document(name string) string {
	switch {
	case strings.HasPrefix(name, "arn:"):
		return name
	case strings.HasPrefix(name, "AWS-"):
		p.Account = ""
	}
	return p.arn("ssm", "document/"+name)
}

// JumpHost is the ARN of what StartSession starts a session on: i-…, mi-… or
// ecs:CLUSTER_TASK_RUNTIME. Of ecs:CLUSTER/SERVICE it is that of all tasks of the
// cluster: they come and go.
//
// Source: Service Authorization Reference, list_awssystemsmanager.html.
func (p Place) JumpHost(target string) string {
	if container, ok := strings.CutPrefix(target, "ecs:"); ok {
		return p.arn("ecs", "task/"+task(container))
	}
	if strings.HasPrefix(target, "mi-") {
		return p.ManagedNode(target)
	}
	return p.Instance(target)
}

// Instance is the ARN of an EC2 instance.
func (p Place) Instance(id string) string { return p.arn("ec2", "instance/"+id) }

// ManagedNode is the ARN of a machine that is no EC2 instance.
func (p Place) ManagedNode(id string) string { return p.arn("ssm", "managed-instance/"+id) }

// ECSCluster is the ARN of a cluster of ECS.
func (p Place) ECSCluster(name string) string { return p.arn("ecs", "cluster/"+name) }

func task(container string) string {
	if cluster, _, ok := strings.Cut(container, "/"); ok {
		return cluster + "/*"
	}
	if parts := strings.Split(container, "_"); len(parts) >= 3 { // a cluster's name may have underscores
		return strings.Join(parts[:len(parts)-2], "_") + "/" + parts[len(parts)-2]
	}
	return container + "/*"
}

// sessions is the ARN of all SSM sessions in a partition, but for the end.
func sessions(partition string) string { return Place{partition, "*", "*"}.arn("ssm", "session/") }

// UseOwnSessions are the statements that let an identity resume and end the SSM
// sessions that it started, and no others. The id of a session begins with the
// name of the IAM user or of the role session; but the only variable with such a
// name is aws:username, which only IAM users have. For the others there is the tag
// that Session Manager puts on every session, the aws:userid of who started it.
//
// Source: Systems Manager user guide, getting-started-restrict-access-examples.html,
// example 4, both methods.
func UseOwnSessions(partition string) []Statement {
	actions := []string{"ssm:ResumeSession", "ssm:TerminateSession"}
	byTag := Allow("UseOwnSessions", actions, []string{sessions(partition) + "*"})
	byTag.Condition = map[string]map[string]string{"StringLike": {"ssm:resourceTag/aws:ssmmessages:session-id": "${aws:userid}"}}
	return []Statement{byTag, Allow("UseOwnSessionsAsUser", actions, []string{sessions(partition) + "${aws:username}-*"})}
}

// OpenDataChannel is the statement that lets an identity open data channels. The
// action cannot be limited to a resource.
//
// Source: service authorization reference, list_amazonmessagegatewayservice.html.
func OpenDataChannel() Statement {
	return Allow("OpenDataChannel", []string{"ssmmessages:OpenDataChannel"}, []string{"*"})
}

// SessionOf is the ARN of one session of the caller with that name, where arn is a
// resource of UseOwnSessions; else it is arn itself.
func (p Place) SessionOf(name, arn string) string {
	if !strings.HasPrefix(arn, sessions(p.Partition)) {
		return arn
	}
	return p.arn("ssm", "session/"+name+"-0123456789abcdef0")
}
