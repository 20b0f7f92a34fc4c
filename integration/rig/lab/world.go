package lab

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
	"github.com/pgkeyless/pgkeyless/integration/rig/rdsproxy"
)

// The one database of the emulated account and the jump host that reaches it.
const (
	Host     = "orders.c9akciq32abc.eu-central-1.rds.amazonaws.com"
	Endpoint = Host + ":5432"
	Region   = "eu-central-1"
	Account  = "111122223333"
	// PooledHost is the endpoint of an RDS Proxy in front of the database.
	PooledHost = "pooled.proxy-c9akciq32abc.eu-central-1.rds.amazonaws.com"
	Target     = "i-0123456789abcdef0"
	ARN        = "arn:aws:sts::" + Account + ":assumed-role/developer/ada"
)

// Credentials are the temporary AWS keys of the one caller.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
}

// NewCredentials makes random ones, the session token as long as STS makes it.
func NewCredentials() Credentials {
	var session strings.Builder
	for session.Len() < 1200 {
		session.WriteString(rand.Text())
	}
	return Credentials{
		AccessKeyID:     "ASIA" + rand.Text()[:16],
		SecretAccessKey: rand.Text() + rand.Text()[:14],
		SessionToken:    session.String(),
	}
}

// String keeps secrets out of logs and test failures.
func (Credentials) String() string { return "[redacted]" }

// Env is what a program needs to use c against the endpoint at url, and
// nothing else of AWS: no region either, which Host has in its name.
func (c Credentials) Env(url string) []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + c.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + c.SecretAccessKey,
		"AWS_SESSION_TOKEN=" + c.SessionToken,
		"AWS_ENDPOINT_URL=" + url,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/nonexistent/config",
		"AWS_SHARED_CREDENTIALS_FILE=/nonexistent/credentials",
	}
}

// StartDatabase starts PostgreSQL as Host and makes it verify tokens by c.
// tweak, when not nil, changes the configuration first.
func StartDatabase(ctx context.Context, c Credentials, tweak func(*pgserver.Config)) (*pgserver.Server, error) {
	cfg := pgserver.Config{
		Host:   Host,
		Region: Region,
		Keys:   map[string]pgserver.Key{c.AccessKeyID: {Secret: c.SecretAccessKey, SessionToken: c.SessionToken}},
	}
	if tweak != nil {
		tweak(&cfg)
	}
	return pgserver.Start(ctx, cfg)
}

// StartRDSProxy starts a stand-in for RDS Proxy in front of database, as PooledHost, for
// tokens by c. It logs in with the secret of pgserver.PlainUser, and end to end by IAM, by c
// itself, as others. tweak, when not nil, changes the configuration first. The caller must
// Close it.
func StartRDSProxy(c Credentials, database *pgserver.Server, tweak func(*rdsproxy.Config)) (*rdsproxy.Server, error) {
	key := pgserver.Key{Secret: c.SecretAccessKey, SessionToken: c.SessionToken}
	cfg := rdsproxy.Config{
		Host: PooledHost, Region: Region, Keys: map[string]pgserver.Key{c.AccessKeyID: key},
		Database: database, DatabaseHost: Host,
		Secrets: map[string]string{pgserver.PlainUser: pgserver.PlainPassword},
		Role:    c.AccessKeyID, RoleKey: key,
	}
	if tweak != nil {
		tweak(&cfg)
	}
	return rdsproxy.Start(cfg)
}

// StartAWS starts the emulator with c as its caller, Target online, and
// Endpoint leading to the database at address. tweak, when not nil, changes the
// configuration first.
func StartAWS(c Credentials, address string, tweak func(*awsemu.Config)) (*awsemu.Emulator, error) {
	cfg := awsemu.Config{
		Region:  Region,
		Account: Account,
		Callers: map[string]awsemu.Caller{c.AccessKeyID: {
			SecretAccessKey: c.SecretAccessKey,
			SessionToken:    c.SessionToken,
			ARN:             ARN,
		}},
		Config:  gateway.Config{Hosts: map[string]string{Endpoint: address}},
		Targets: map[string]bool{Target: true},
	}
	if tweak != nil {
		tweak(&cfg)
	}
	return awsemu.Start(cfg)
}

// TargetArg is the pgkeyless argument for the database: Endpoint with via and
// ca-file, and further options as "name=value".
func TargetArg(caFile string, options ...string) string {
	arg := fmt.Sprintf("%s?via=%s&ca-file=%s", Host, Target, caFile)
	for _, option := range options {
		arg += "&" + option
	}
	return arg
}
