package reference

import (
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

// environmentPage lists the variables that pgkeyless reads and sets.
func environmentPage(options []config.Option) string {
	var b strings.Builder
	b.WriteString(`# Environment variables

## Of pgkeyless

An empty variable counts as unset. pgkeyless reports a variable that is almost one of these as an error.

`)
	rows := [][]string{{"`PGKEYLESS_TARGET_0`, `PGKEYLESS_TARGET_1`, …", "targets, if the command line names none"}}
	for _, o := range options {
		rows = append(rows, []string{code(o.Variable()), "[option](options.md) " + code(o.Name)})
	}
	table(&b, []string{"variable", "sets"}, rows)
	b.WriteString(`
pgkeyless runs ` + "`--mfa-command`" + ` with ` + "`PGKEYLESS_MFA_SERIAL`" + ` (the MFA device) and ` + "`PGKEYLESS_MFA_PROFILE`" + `.

## Of the AWS SDK

pgkeyless reads the variables that the AWS CLI reads. These matter most:

| variable | meaning |
|---|---|
| ` + "`AWS_PROFILE`, `AWS_REGION`" + ` | profile and region, if no option sets them |
| ` + "`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`" + ` | keys. They override ` + "`AWS_PROFILE`" + ` and the default profile, and cannot be renewed |
| ` + "`AWS_CONFIG_FILE`, `AWS_SHARED_CREDENTIALS_FILE`" + ` | where the shared files are |
| ` + "`AWS_CA_BUNDLE`" + ` | PEM file of the CA certificates for AWS, the tunnel's websocket included. It replaces the system's roots |
| ` + "`HTTPS_PROXY`, `NO_PROXY`" + ` | HTTP proxy on the way to AWS, for the websocket too. Credentials of containers, pods and instances never use it |
| ` + "`AWS_ENDPOINT_URL_SSM`" + ` and its kind | endpoint of a service. ` + "`http://`" + ` is allowed for loopback addresses only |
| ` + "`AWS_ENDPOINT_URL_SSMMESSAGES`" + ` | where the tunnel's websocket goes; ` + "`ssmmessages-endpoint`" + ` overrides it |
| ` + "`AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`" + ` | FIPS and dual-stack endpoints |

## Of the system

| variable | meaning |
|---|---|
| ` + "`XDG_RUNTIME_DIR`" + ` | directory of Unix sockets and of the registry of running proxies |
| ` + "`XDG_STATE_HOME`" + ` | directory of your CA |
| ` + "`XDG_CONFIG_HOME`" + ` | your configuration directory on Linux |
| ` + "`PGSERVICEFILE`" + ` | file that ` + "`pgkeyless service-file`" + ` writes |
| ` + "`NOTIFY_SOCKET`, `LISTEN_FDS`, `WATCHDOG_USEC`" + ` | set by systemd ([service](../service.md)) |

` + "`PGHOST`, `PGPORT`" + ` and the other ` + "`PG…`" + ` variables belong to clients. pgkeyless does not read them.

## For clients

` + "`pgkeyless exec` and `pgkeyless env`" + ` set these for clients, and unset those that would point elsewhere:

| variable | value |
|---|---|
| ` + "`PGHOST`, `PGPORT`" + ` | where pgkeyless serves the target |
| ` + "`PGUSER`, `PGDATABASE`" + ` | the target's ` + "`user` and `dbname`" + `, if set |
| ` + "`DATABASE_URL`" + ` | the same as a URL |
| ` + "`PGSSLROOTCERT`, `NODE_EXTRA_CA_CERTS`" + ` | your CA, so that clients can verify pgkeyless's certificate |
`)
	return b.String()
}
