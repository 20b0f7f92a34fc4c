package discover

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/database"
)

// Database is what RDS knows of one. The zero value of a field says that RDS
// did not tell, or that there is no such thing for its Kind.
type Database struct {
	Identifier string // of the instance, cluster, proxy or global cluster
	Kind       database.Kind
	ARN        string
	// ResourceID is what an IAM policy for rds-db:connect names: db-…, cluster-…
	// or prx-…. A member of a cluster has the cluster's. Empty when it could not
	// be had.
	ResourceID string
	Account    string // that owns it
	Region     string // in which tokens for it are signed
	Engine     string // "postgres", "aurora-postgresql"; "POSTGRESQL" for a proxy; "aurora-dsql"
	// EngineVersion is like "16.4"; a proxy and DSQL have none.
	EngineVersion string
	// EngineMode is "serverless" for Aurora Serverless v1, which is no serverless
	// of today.
	EngineMode string
	Status     string // "available", "stopped", …
	// Endpoint says which of several Host is: "writer", "reader", or the
	// identifier of a custom endpoint, a proxy's endpoint or a member. Empty when
	// there is only one.
	Endpoint string
	Host     string // lower case
	Port     int
	IAM      bool   // whether IAM authentication is on
	Cluster  string // the identifier of the cluster that an instance is in
	// MasterUser may log in with a password, which rds_iam would take away, or by
	// IAM: RDS does not tell.
	MasterUser string
	// Secret is the one in which RDS keeps the master user's password; none is no proof
	// that there is no password.
	Secret MasterSecret
	// Express says that it is an Aurora cluster of express configuration: with a
	// public endpoint, in no VPC, and with no login but IAM's.
	Express bool
	// Pool is what RDS says of an RDS Proxy alone.
	Pool Pool
	// PausesAfter is how long without a connection it pauses after, as Aurora Serverless v2
	// does where its least capacity is 0; zero: it does not.
	PausesAfter time.Duration
	// VPC is the id of the one it is in; "" where that is not known, as of a cluster that
	// was looked up by itself.
	VPC string
}

// MasterSecret is a secret of Secrets Manager that RDS keeps. The zero value is none.
type MasterSecret struct {
	ARN    string
	Status string // "creating", "active", "rotating", "impaired"
	Key    string // ARN of the KMS key that encrypts it, AWS's own or the customer's
}

// Pool is how an RDS Proxy serves its clients, and logs in to its database.
type Pool struct {
	// IAMAuth is REQUIRED, ENABLED or DISABLED: what clients need, by the proxy's secrets;
	// commas separate them where they differ. "" where it has no secret.
	IAMAuth string
	// EndToEnd says that it takes tokens for all users, and logs in to the database by IAM
	// as well (DefaultAuthScheme IAM_AUTH).
	EndToEnd   bool
	RequireTLS bool          // of clients
	Idle       time.Duration // after which it ends a client's session; 0: RDS does not say
	Role       string        // ARN of the role with which it logs in, or reads its secrets
}

// Address is "host:port".
func (d Database) Address() string { return net.JoinHostPort(d.Host, strconv.Itoa(d.Port)) }

// Public reports whether its endpoint is reached over the internet, without a jump host.
func (d Database) Public() bool { return d.Express || d.Kind == database.DSQL }

// Postgres says whether clients of PostgreSQL can talk to it.
func (d Database) Postgres() bool {
	switch strings.ToLower(d.Engine) {
	case "postgres", "aurora-postgresql", "postgresql", dsqlEngine:
		return true
	}
	return false
}

// unusable are the states in which a database takes no connections, with what
// to do about each.
//
// Sources: Amazon RDS user guide, accessing-monitoring.html ("Viewing DB instance
// status") and its page for clusters; Aurora DSQL user guide, "Cluster status".
var unusable = map[string]string{
	"stopped":                             "",
	"stopping":                            "wait until it has stopped, then start it",
	"starting":                            "wait a few minutes, then reconnect",
	"creating":                            "wait until it is available, then reconnect",
	"deleting":                            "it is being deleted: name another database",
	"failed":                              "restore it from a snapshot or a point in time",
	"incompatible-network":                "its VPC or subnets are gone: see the events in the RDS console",
	"incompatible-restore":                "restore it to another point in time",
	"inaccessible-encryption-credentials": "its KMS key cannot be used: enable the key, then restore it from a backup",
	"inaccessible-encryption-credentials-recoverable": "its KMS key cannot be used: enable the key, then start the database",
	"insufficient-resource-limits":                    "see the events in the RDS console",
	"pending_setup":                                   "it is one of several Regions, and not linked to the others yet: finish its setup in the DSQL console",
	"pending_delete":                                  "it is being deleted: name another database",
	"deleted":                                         "it was deleted: name another database",
}

// Trouble says why logins cannot succeed as the database is now, or nil: IAM
// authentication is off, or it is stopped. Both can be fixed while pgkeyless
// runs.
func (d Database) Trouble() error {
	if fix, down := unusable[d.Status]; down {
		if d.Status == "stopped" {
			fix = "start it: `" + d.command("start-db", "") + "`"
		}
		return causes.DatabaseDown.New(d.facts("fix", fix), nil)
	}
	if d.TokensOff() {
		return causes.IAMSwitchedOff.New(d.facts("fix", d.switchOn()), nil)
	}
	return nil
}

// TokensOff says that RDS told that IAM authentication is off. A global database
// whose writer could not be asked about has not been told of.
func (d Database) TokensOff() bool {
	return !d.IAM && (d.Kind != database.Global || d.ResourceID != "")
}

// facts are what errors say of the database, and further pairs.
func (d Database) facts(more ...string) causes.Facts {
	facts := causes.Facts{"kind": d.Kind.String(), "name": d.Identifier, "status": d.Status, "database": d.String(), "cluster": d.Cluster, "engine": engineName(d.Engine)}
	for i := 0; i+1 < len(more); i += 2 {
		facts[more[i]] = more[i+1]
	}
	return facts
}

// switchOn is how IAM authentication is switched on.
func (d Database) switchOn() string {
	if d.Kind == database.Proxy {
		return "set IAM authentication of the proxy to Required: `" + d.SwitchOn() + "`, with IAMAuth=REQUIRED for each secret"
	}
	return "switch it on: `" + d.SwitchOn() + "`"
}

// SwitchOn is the AWS CLI's command that switches IAM authentication on. For a
// proxy it ends in "…", in place of its secrets.
func (d Database) SwitchOn() string {
	if d.Kind == database.Proxy {
		return fmt.Sprintf("aws rds modify-db-proxy --db-proxy-name %s --region %s --auth …", d.Identifier, d.Region)
	}
	return d.command("modify-db", " --enable-iam-database-authentication --apply-immediately")
}

// ManageSecret is the start of the AWS CLI's command that changes how RDS keeps the
// master user's password.
func (d Database) ManageSecret() string { return d.command("modify-db", "") }

// command is an `aws rds` command for the instance, or for its cluster where
// that decides.
func (d Database) command(verb, options string) string {
	kind, identifier := "instance", d.Identifier
	switch {
	case d.Kind == database.Cluster:
		kind = "cluster"
	case d.Cluster != "":
		kind, identifier = "cluster", d.Cluster
	}
	return fmt.Sprintf("aws rds %s-%s --db-%s-identifier %s --region %s%s", verb, kind, kind, identifier, d.Region, options)
}

// unsupported says why pgkeyless cannot do anything with the database, ever, or
// nil.
func (d Database) unsupported() error {
	switch {
	case !d.Postgres():
		return causes.OtherEngine.New(d.facts(), about{ErrUnsupported, nil})
	case d.EngineMode == "serverless":
		return causes.ServerlessOne.New(d.facts(), about{ErrUnsupported, nil})
	}
	return nil
}

// String tells people which database it is.
func (d Database) String() string {
	s := fmt.Sprintf("%s %s in %s", d.Kind, d.Identifier, d.Region)
	if d.Account != "" {
		s += ", account " + d.Account
	}
	if d.Host != "" {
		s += ", endpoint " + d.Address()
	}
	return s
}

// engineName is an engine's name as people write it.
func engineName(engine string) string {
	name, _, _ := strings.Cut(strings.ToLower(engine), "-")
	for prefix, words := range map[string]string{
		"mysql": "MySQL", "mariadb": "MariaDB", "oracle": "Oracle", "sqlserver": "SQL Server", "db2": "Db2",
		"docdb": "DocumentDB", "neptune": "Neptune", "aurora": "Aurora MySQL",
	} {
		if name == prefix {
			return words
		}
	}
	if engine == "" {
		return "an unknown engine"
	}
	return engine
}
