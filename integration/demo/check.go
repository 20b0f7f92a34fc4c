package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// whoAmI asks the database who it thinks its client is, and how it came in.
const whoAmI = `select current_user, ssl, coalesce(version, '-'), coalesce(cipher, '-'), current_database()
  from pg_stat_ssl where pid = pg_backend_pid()`

// check runs a query, doctor and policy.
func (d *demo) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return errors.Join(d.checkQuery(ctx), d.checkCommands(ctx))
}

// checkQuery runs whoAmI by psql and compares what the database, the emulator and
// the token verifier each say of it.
func (d *demo) checkQuery(ctx context.Context) error {
	answer, err := d.psql(ctx, whoAmI)
	if err != nil {
		return err
	}
	f := strings.Split(answer, "|")
	if len(f) != 5 {
		return fmt.Errorf("psql answered %q", answer)
	}
	user, tls, version, cipher, database := f[0], f[1], f[2], f[3], f[4]
	if user != pgserver.AppUser || tls != "t" || database != pgserver.Database {
		return fmt.Errorf("logged in as %q to %q, TLS %q", user, database, tls)
	}

	sessions := slices.DeleteFunc(d.aws.Sessions(), func(s gateway.Session) bool { return s.Streams == 0 }) // spare ones
	through := "no SSM session: the endpoint is public"
	switch {
	case d.kind.via != "" && len(sessions) == 0:
		return fmt.Errorf("the query did not go through an SSM session: %+v", d.aws.Sessions())
	case d.kind.via == "" && len(d.aws.Sessions()) > 0:
		return fmt.Errorf("SSM sessions for a public endpoint: %+v", d.aws.Sessions())
	case d.kind.via != "":
		through = fmt.Sprintf("session %s on %s", sessions[0].ID, sessions[0].Target)
	}
	logins := d.database.Logins()
	if len(logins) == 0 {
		return errors.New("no login by IAM token reached the database")
	}
	last := logins[len(logins)-1]
	if !last.OK || last.User != pgserver.AppUser {
		return fmt.Errorf("IAM token of %q refused: %s", last.User, last.Reason)
	}

	fmt.Fprintf(d.out, "current_user = %s\n", user)
	fmt.Fprintf(d.out, "database     = %s, PostgreSQL %s\n", database, d.database.ServerVersion())
	fmt.Fprintf(d.out, "TLS          = on (%s, %s), certificate verified for %s\n", version, cipher, d.kind.host)
	fmt.Fprintf(d.out, "through      = %s\n", through)
	fmt.Fprintf(d.out, "token        = verified (signature, host, port, user, region, date, expiry)\n")
	return nil
}

// psql runs one statement by the real psql, with no password to give.
func (d *demo) psql(ctx context.Context, sql string) (string, error) {
	path, err := exec.LookPath("psql")
	if err != nil {
		return "", fmt.Errorf("%w: run scripts/install-deps", err)
	}
	cmd := exec.CommandContext(ctx, path, "-XAtw", "-h", d.host(), "-p", d.portText(), "-U", pgserver.AppUser, "-c", sql, pgserver.Database)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PGPASSFILE=/nonexistent"}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("psql: %w\n%s\npgkeyless printed:\n%s", err, stderr.String(), d.proxy.Output())
	}
	return strings.TrimSpace(stdout.String()), nil
}

func (d *demo) host() string     { host, _ := d.address(); return host }
func (d *demo) portText() string { _, port := d.address(); return port }

func (d *demo) address() (host, port string) {
	host, port, err := net.SplitHostPort(d.proxy.Addresses()[0])
	if err != nil {
		return "localhost", "5432"
	}
	return host, port
}
