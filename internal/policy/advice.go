package policy

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/agentversion"
	"github.com/pgkeyless/pgkeyless/internal/database"
)

// Advice is what is needed beside policy and SQL, a sentence or two each.
func Advice(f Facts) []string {
	var lines []string
	switch {
	case f.Secret == "":
	case f.SecretKeyKnown && f.SecretKey == "":
		lines = append(lines, "The secret is encrypted with the AWS managed key aws/secretsmanager, which takes no permission in the secret's own account.")
	case !f.SecretKeyKnown:
		lines = append(lines, "If a customer managed KMS key encrypts the secret, the identity also needs kms:Decrypt on that key.")
	}
	switch {
	case f.Kind == database.DSQL: // knows no other login
		if len(f.Lookup) > 0 {
			lines = append(lines, "The statement ListDatabases is for `pgkeyless list` only, and a target named by its ARN or endpoint does without FindDatabase.")
		}
	case f.Express: // nor does this
	case f.Kind == database.Proxy && f.Secret != "":
		lines = append(lines, "The proxy must have a secret for this user too, with IAM authentication not Required.")
	case f.Kind == database.Proxy:
		if f.EndToEnd {
			lines = append(lines, fmt.Sprintf("The proxy logs in to its database by IAM (DefaultAuthScheme IAM_AUTH), which must have IAM authentication on. "+
				"The proxy's role%s must allow rds-db:connect on the database's own resource id (db-… or cluster-…, not prx-…), as %s.",
				strings.TrimRight(" "+f.ProxyRole, " "), cmp.Or(f.User, UnknownUser)))
			break
		}
		lines = append(lines, "IAM authentication of the proxy must be Required.")
	case f.Secret == "":
		lines = append(lines, "IAM authentication must be on for the database.")
	}
	database := fmt.Sprintf("port %d of %s", cmp.Or(f.Port, 5432), cmp.Or(f.Host, f.Target))
	if f.Via == "" {
		return append(lines, fmt.Sprintf("This machine must reach %s. Security group: %s.", database, cmp.Or(f.public(), "the database's lets it in")))
	}
	lines = append(lines, f.jumpHostRole())
	group := fmt.Sprintf("the database's lets the jump host in on %s. The jump host", database)
	if public := f.public(); public != "" {
		group = public + ". The jump host must reach " + database + "; it"
	}
	return append(lines,
		"Security groups: "+group+" needs no open port; outbound it needs 443 and the database's port.",
		fmt.Sprintf("Without internet access, the jump host's VPC needs interface endpoints for ssm and ssmmessages in %s (and ec2messages for agents before 3.3.40.0), "+
			"whose security group lets it in on 443.", f.Region),
		"The jump host resolves the database's name: its VPC must use Amazon's DNS, or one that knows the name.")
}

// public says why no security group is in front of the database, or "".
func (f Facts) public() string {
	switch {
	case f.Kind == database.DSQL:
		return "a DSQL cluster has none, as its public endpoint is open to all addresses and IAM alone decides; your own PrivateLink endpoint has one"
	case f.Express:
		return "an Aurora express cluster has none, as it is in no VPC; its public endpoint is open to all addresses and IAM alone decides"
	}
	return ""
}

// jumpHostRole says what makes a machine a jump host.
func (f Facts) jumpHostRole() string {
	kind, _, _ := strings.Cut(f.Via, ":")
	switch {
	case kind == "ecs":
		return "The task's role must allow ssmmessages:CreateControlChannel, CreateDataChannel, OpenControlChannel and OpenDataChannel on *, " +
			"and the service or task must run with ECS Exec on (--enable-execute-command)."
	case strings.HasPrefix(f.Via, "mi-"):
		return "The node's hybrid activation needs a service role with the managed policy AmazonSSMManagedInstanceCore, the account the advanced-instances tier, " +
			"and the node the SSM agent " + agentversion.Supported + " or later."
	}
	return "The jump host's instance role needs the managed policy AmazonSSMManagedInstanceCore, and the machine the SSM agent " + agentversion.Supported + " or later."
}
