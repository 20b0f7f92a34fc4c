package policy

import (
	"cmp"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
)

// ListDatabases is the Sid of a statement that no login needs: for `pgkeyless list`.
const ListDatabases = "ListDatabases"

// For is the policy that lets an identity log in as f.User, and nothing beyond.
func For(f Facts) iampolicy.Document {
	statements := f.logIn()
	if f.Kind == database.DSQL && len(f.Lookup) > 0 {
		statements = append(statements, iampolicy.Allow("FindDatabase", f.Lookup, []string{f.LoginResource()}), iampolicy.Allow(ListDatabases, []string{"dsql:ListClusters"}, []string{"*"}))
	} else if len(f.Lookup) > 0 {
		statements = append(statements, iampolicy.Allow("FindDatabase", f.Lookup, []string{"*"}))
	}
	if f.Via != "" {
		statements = append(statements, f.findJumpHost()...)
		statements = append(statements, f.startSession()...)
		statements = append(statements, iampolicy.UseOwnSessions(f.Partition)...)
		statements = append(statements, iampolicy.OpenDataChannel())
	}
	return iampolicy.New(statements...)
}

// LoginAction and LoginResource are what a token is checked by.
func (f Facts) LoginAction() string {
	if f.Kind == database.DSQL {
		return iampolicy.DSQLLoginAction(f.User)
	}
	return iampolicy.LoginAction
}

// LoginResource is the ARN that LoginAction is checked on.
func (f Facts) LoginResource() string {
	id := cmp.Or(f.ResourceID, UnknownResourceID)
	if f.Kind == database.DSQL {
		return f.place().DSQLCluster(id)
	}
	return f.place().DatabaseUser(id, cmp.Or(f.User, UnknownUser))
}

// DecryptSecret is the Sid of the statement about the key of a secret.
const DecryptSecret = "DecryptSecret"

// logIn allows what a login takes: a token, or the secret with the password. The key of a
// secret is used by Secrets Manager alone.
//
// Source: Secrets Manager user guide, security-encryption.html.
func (f Facts) logIn() []iampolicy.Statement {
	if f.Secret == "" {
		return []iampolicy.Statement{iampolicy.Allow("LogIn", []string{f.LoginAction()}, []string{f.LoginResource()})}
	}
	statements := []iampolicy.Statement{iampolicy.Allow("ReadSecret", []string{"secretsmanager:GetSecretValue"}, []string{f.Secret})}
	if f.SecretKey != "" {
		s := iampolicy.Allow(DecryptSecret, []string{"kms:Decrypt"}, []string{f.SecretKey})
		s.Condition = map[string]map[string]string{"StringLike": {"kms:ViaService": "secretsmanager.*"}}
		statements = append(statements, s)
	}
	return statements
}

// DocumentARN is the session document's.
func (f Facts) DocumentARN() string {
	return f.viaPlace().Document(cmp.Or(f.Document, iampolicy.RemoteHostDocument))
}

// startSession allows sessions on the jump host by this document only: with
// SessionDocumentAccessCheck a session without a document, a shell, is checked
// against the shell's document, which is not listed. A condition on a tag cannot
// apply to the document, so that it gets a statement of its own.
//
// Source: Systems Manager user guide, getting-started-sessiondocumentaccesscheck.html.
func (f Facts) startSession() []iampolicy.Statement {
	hosts, tag := f.jumpHosts()
	checked := map[string]map[string]string{"BoolIfExists": {"ssm:SessionDocumentAccessCheck": "true"}}
	start := []string{"ssm:StartSession"}
	if tag == nil {
		s := iampolicy.Allow("StartSession", start, append(hosts, f.DocumentARN()))
		s.Condition = checked
		return []iampolicy.Statement{s}
	}
	s := iampolicy.Allow("StartSession", start, hosts)
	s.Condition = map[string]map[string]string{"BoolIfExists": checked["BoolIfExists"], "StringEquals": tag}
	return []iampolicy.Statement{s, iampolicy.Allow("StartSessionDocument", start, []string{f.DocumentARN()})}
}

// jumpHosts are the ARNs that Via means, and the tag they must have.
func (f Facts) jumpHosts() (arns []string, tag map[string]string) {
	kind, rest, _ := strings.Cut(f.Via, ":")
	switch kind {
	case "tag":
		key, value, _ := strings.Cut(rest, "=")
		return f.machines(), map[string]string{"ssm:resourceTag/" + key: iampolicy.Literal(value)}
	case "asg":
		return []string{f.viaPlace().Instance("*")}, map[string]string{"ssm:resourceTag/aws:autoscaling:groupName": iampolicy.Literal(rest)}
	}
	return []string{f.viaPlace().JumpHost(f.Via)}, nil
}

// machines are all that a tag may be on.
func (f Facts) machines() []string {
	return []string{f.viaPlace().Instance("*"), f.viaPlace().ManagedNode("*")}
}

// findJumpHost allows what finds out which jump hosts Via means.
func (f Facts) findJumpHost() []iampolicy.Statement {
	kind, rest, _ := strings.Cut(f.Via, ":")
	cluster, _, service := strings.Cut(rest, "/")
	switch {
	case kind == "tag":
		return []iampolicy.Statement{iampolicy.Allow("FindJumpHost", []string{"ssm:DescribeInstanceInformation"}, []string{"*"})}
	case kind == "asg":
		return []iampolicy.Statement{iampolicy.Allow("FindJumpHost", []string{"autoscaling:DescribeAutoScalingGroups", "ssm:DescribeInstanceInformation"}, []string{"*"})}
	case kind == "ecs" && service:
		s := iampolicy.Allow("FindJumpHost", []string{"ecs:ListTasks", "ecs:DescribeTasks"}, []string{"*"})
		s.Condition = map[string]map[string]string{"ArnEquals": {"ecs:cluster": f.viaPlace().ECSCluster(cluster)}}
		return []iampolicy.Statement{s}
	}
	return nil
}
