package awsemu

import (
	"cmp"
	"log/slog"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
)

// Caller is one access key that the emulator knows.
type Caller struct {
	SecretAccessKey string
	SessionToken    string // empty for a long-term key
	ARN             string // what GetCallerIdentity answers; its last part names the SSM sessions
	UserID          string // empty: made from the access key
	RoleARN         string // of the role that ARN says is assumed; empty: the one without a path
	Expired         bool   // answered with ExpiredTokenException, however well signed

	region string // that a request of it was signed for
}

// Config says who may call, and what the APIs know. The zero value works for
// nobody: at least one Caller is needed.
type Config struct {
	gateway.Config // how sessions behave, and what their agents reach

	Region  string            // default us-east-1
	Regions []string          // further ones, in which RDS, ECS and the like answer
	Account string            // default 123456789012
	Callers map[string]Caller // by access key id
	Roles   map[string]Role   // that callers may assume, by ARN
	SSO     *SSO              // nil: there is no Identity Center

	// Targets are the jump hosts, by Target string, and whether their agent is
	// online. A nil map: every well-formed target is.
	Targets map[string]bool
}

// withDefaults fills in the defaults, but for the gateway's own.
func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Region = cmp.Or(c.Region, "us-east-1")
	c.Account = cmp.Or(c.Account, "123456789012")
	return c
}
