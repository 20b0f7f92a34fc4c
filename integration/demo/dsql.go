package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/dsql"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// dsqlDemo is the demo with an Aurora DSQL cluster in place of the instance behind a jump
// host.
type dsqlDemo struct {
	demo
	cluster *dsql.Server
}

// runDSQL starts the parts, checks or waits, and ends them.
func runDSQL(ctx context.Context, d demo, check bool) (err error) {
	k := dsqlDemo{demo: d}
	dir, err := os.MkdirTemp("", "pgkeyless-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	starting, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	fmt.Fprintln(d.out, "starting a stand-in for Aurora DSQL, emulated AWS and pgkeyless …")
	keys := lab.NewCredentials()
	if k.cluster, err = lab.StartDSQL(starting, keys, nil); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.cluster.Close()) }()
	k.behind, k.caFile = k.cluster.Address(), k.cluster.CAFile()
	if k.aws, err = lab.StartAWS(keys, "127.0.0.1:1", nil); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.aws.Close()) }()
	k.aws.SetDSQL(0, awsemu.DSQLCluster{Identifier: lab.DSQLID})
	if err := k.settle(dir, keys); err != nil {
		return err
	}
	if k.proxy, err = lab.StartProxy(starting, lab.Command{
		Binary: d.binary,
		Args:   []string{"serve", "--config-file", filepath.Join(dir, configFile), "--port", fmt.Sprint(d.port), "--unix-socket", dir, "--http-port", "0"},
		Env:    k.env, Echo: d.echo, Change: endWithDemo,
	}); err != nil {
		return err
	}
	if check {
		return errors.Join(k.check(ctx), k.end())
	}
	fmt.Fprint(d.out, k.guide())
	select {
	case <-ctx.Done():
	case <-k.proxy.Exited(): // end tells how
	}
	return k.end()
}

// grant lets the role app in, as docs/dsql.md shows.
var grant = []string{"CREATE ROLE app WITH LOGIN", "AWS IAM GRANT app TO '" + lab.RoleARN + "'"}

// guide is what to type in another terminal.
func (k *dsqlDemo) guide() string {
	psql := fmt.Sprintf("psql -h %s -p %s -U", k.host(), k.portText())
	return fmt.Sprintf(`
pgkeyless reaches %[1]s: a stand-in for Aurora DSQL
in front of PostgreSQL %[2]s. It logs in with a new IAM token each time. In another terminal:

    %[3]s admin                       # no database named: it is postgres
    %[3]s admin -c "%[4]s" -c "%[5]s"
    %[3]s app -c "select current_user"
    %[3]s nobody                      # no database role: a refusal that explains itself

The commands of pgkeyless, with the emulated account:

    source %[6]s
    pgkeyless list
    pgkeyless connect %[7]s                  # psql, as admin
    pgkeyless doctor %[7]s                   # says how TLS began
    pgkeyless policy %[7]s --user app
    pgkeyless status

Ctrl-C ends the demo and removes all of it but the programs in bin/.
`, lab.DSQLHost, k.cluster.Database().ServerVersion(), psql, grant[0], grant[1], filepath.Join(k.dir, sourceFile), k.kind.target)
}

// check goes from the list to psql, as admin and as a role of its own, and has doctor and
// policy look at the same cluster.
func (k *dsqlDemo) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	const who = "select current_user || ' in ' || current_database()"
	for _, step := range []struct {
		user       string
		statements []string
		want       string
	}{{"admin", []string{who}, "admin in postgres"}, {"admin", grant, "AWS IAM GRANT"}, {"app", []string{who}, "app in postgres"}} {
		said, err := k.psqlAs(ctx, step.user, step.statements...)
		if err != nil {
			return err
		}
		if !strings.Contains(said, step.want) {
			return fmt.Errorf("psql as %s answered %q, want %q", step.user, said, step.want)
		}
		fmt.Fprintf(k.out, "psql -U %-6s %s\n", step.user, said)
	}
	logins := k.cluster.Logins()
	last := logins[len(logins)-1]
	if last.User != "app" || last.Reason != "" || !last.Direct {
		return fmt.Errorf("the stand-in saw %+v, want a login as app over direct TLS", last)
	}
	fmt.Fprintln(k.out, "token verified (service dsql, action, host without port, region, expiry); direct TLS")
	for _, command := range []struct {
		args []string
		says []string
	}{
		{[]string{"list"}, []string{lab.DSQLID, "DSQL cluster", "public"}},
		{[]string{"doctor", k.kind.target}, []string{"direct TLS", "as admin to postgres", "\nall good\n"}},
		{[]string{"policy", k.kind.target, "--user", "app"}, []string{"dsql:DbConnect", lab.DSQLARN, `AWS IAM GRANT "app"`}},
	} {
		said, err := k.pgkeyless(ctx, append(command.args, "--config-file", filepath.Join(k.dir, configFile))...)
		if err != nil {
			return err
		}
		fmt.Fprintf(k.out, "\n$ pgkeyless %s\n%s", strings.Join(command.args, " "), said)
		for _, part := range command.says {
			if !strings.Contains(said, part) {
				return fmt.Errorf("pgkeyless %s did not say %q", command.args[0], part)
			}
		}
	}
	return nil
}

// psqlAs runs statements by the real psql, with no password and no database to give.
func (k *dsqlDemo) psqlAs(ctx context.Context, user string, statements ...string) (string, error) {
	path, err := exec.LookPath("psql")
	if err != nil {
		return "", fmt.Errorf("%w: run scripts/install-deps", err)
	}
	args := []string{"-XAtw", "-v", "ON_ERROR_STOP=1", "-h", k.host(), "-p", k.portText(), "-U", user}
	for _, s := range statements {
		args = append(args, "-c", s)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PGPASSFILE=/nonexistent"}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("psql: %w\n%s\npgkeyless printed:\n%s", err, stderr.String(), k.proxy.Output())
	}
	return strings.Join(strings.Fields(stdout.String()), " "), nil
}
