package policy

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/dbuser"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
)

// Placeholders of what is not known. None can be taken for the real thing.
const (
	UnknownResourceID = "RESOURCE-ID-UNKNOWN"
	UnknownAccount    = "ACCOUNT-UNKNOWN"
	UnknownUser       = "DATABASE-USER-UNKNOWN"
	UnknownJumpHost   = "JUMP-HOST-UNKNOWN"
	UnknownSecret     = "SECRET-ARN-UNKNOWN"
)

// Facts are what is known of a target. Empty fields are not known, unless it
// says otherwise.
type Facts struct {
	Target    string // what people call it
	Kind      database.Kind
	Partition string // "aws", "aws-cn", …; required
	Region    string // required
	Account   string // that owns the database
	// ResourceID is db-…, cluster-… or prx-…; of DSQL the cluster's identifier.
	ResourceID string
	Host       string // the endpoint
	Port       int
	User       string // whom the policy lets in
	MasterUser string
	// Express says that it is an Aurora express cluster: public, without VPC and
	// security group, and with no other login than IAM's.
	Express bool

	// Secret is the ARN of the secret with User's password, or a pattern for it;
	// UnknownSecret; empty for a user who logs in with tokens. Managed says that RDS keeps it.
	Secret  string
	Managed bool
	// SecretKey is the ARN of the customer's KMS key that encrypts it; empty for AWS's own
	// where SecretKeyKnown.
	SecretKey      string
	SecretKeyKnown bool

	// EndToEnd says of an RDS Proxy that it logs in to its database by IAM, with the role
	// ProxyRole, an ARN.
	EndToEnd  bool
	ProxyRole string

	// Via is the jump host as pgkeyless takes it: i-…, mi-…, ecs:…, tag:KEY=VALUE,
	// asg:NAME; UnknownJumpHost; empty for none.
	Via        string
	ViaAccount string // that owns it
	Document   string // session document, name or ARN; empty: the usual one
	// Lookup are the calls of RDS, or of DSQL, that find the database by what it was
	// named by; none for an endpoint.
	Lookup []string
}

// Gap is a fact that is missing.
type Gap struct {
	Placeholder string
	What        string // it is, and where to get it
}

// Unknown are the facts that the policy has a placeholder for.
func (f Facts) Unknown() []Gap {
	var gaps []Gap
	if f.User == "" {
		gaps = append(gaps, Gap{UnknownUser, "the database user: name it with --user NAME"})
	}
	if f.Secret == UnknownSecret {
		gaps = append(gaps, Gap{UnknownSecret, "the ARN of the secret with the password: `aws secretsmanager list-secrets --region " + f.Region + "` lists those there are"})
	}
	if f.ResourceID == "" && f.Secret == "" {
		gaps = append(gaps, Gap{UnknownResourceID, "the database's resource id: `" + f.findResourceID() + "` prints it"})
	}
	if f.Via == UnknownJumpHost {
		gaps = append(gaps, Gap{UnknownJumpHost, "the jump host: `pgkeyless list --region " + f.Region + "` lists those there are; name it with --via"})
	}
	if f.Account == "" && (f.Secret == "" || strings.Contains(f.Secret, UnknownAccount)) || f.Via != "" && f.ViaAccount == "" {
		gaps = append(gaps, Gap{UnknownAccount, "the account's number: `aws sts get-caller-identity --query Account --output text` prints it"})
	}
	return gaps
}

// findResourceID is a command for whoever may ask.
func (f Facts) findResourceID() string {
	call, list, id, match := "describe-db-instances", "DBInstances", "DbiResourceId", "Endpoint.Address==`%s`"
	switch f.Kind {
	case database.Cluster, database.Global:
		call, list, id = "describe-db-clusters", "DBClusters", "DbClusterResourceId"
		match = "Endpoint==`%[1]s` || ReaderEndpoint==`%[1]s` || contains(CustomEndpoints || `[]`, `%[1]s`)"
	case database.Proxy:
		call, list, id, match = "describe-db-proxies", "DBProxies", "DBProxyArn", "Endpoint==`%s`"
	}
	if f.Host == "" {
		name := cmp.Or(map[database.Kind]string{database.Cluster: "DBClusterIdentifier", database.Global: "DBClusterIdentifier", database.Proxy: "DBProxyName"}[f.Kind], "DBInstanceIdentifier")
		return fmt.Sprintf("aws rds %s --region %s --query '%s[?%s==`%s`].%s' --output text", call, f.Region, list, name, f.Target, id)
	}
	return fmt.Sprintf("aws rds %s --region %s --query '%s[?%s].%s' --output text", call, f.Region, list, fmt.Sprintf(match, f.Host), id)
}

// place is where the database is, viaPlace where the jump host is.
func (f Facts) place() iampolicy.Place {
	return iampolicy.Place{Partition: f.Partition, Region: f.Region, Account: f.account()}
}

func (f Facts) viaPlace() iampolicy.Place {
	return iampolicy.Place{Partition: f.Partition, Region: f.Region, Account: cmp.Or(f.ViaAccount, UnknownAccount)}
}

func (f Facts) account() string { return cmp.Or(f.Account, UnknownAccount) }

// master says that User is, or is likely to be, the master user, whose password
// rds_iam would take away.
func (f Facts) master() bool {
	return f.User != "" && f.User == cmp.Or(f.MasterUser, dbuser.UsualMaster)
}
