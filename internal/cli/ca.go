package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/environ"
	"github.com/pgkeyless/pgkeyless/internal/localca"
	"github.com/pgkeyless/pgkeyless/internal/shell"
	"github.com/pgkeyless/pgkeyless/internal/truststore"
)

// caCommandName is too short for its likes to be taken for typing errors.
const caCommandName = "ca"

func (a *app) caCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   caCommandName,
		Short: "Print your CA, for clients that verify certificates",
		Long: `Print the path of your own certificate authority (CA), and what to set in which
client. pgkeyless creates the CA if there is none. The CA signs the
certificates that pgkeyless presents to clients on this machine. It cannot sign
for other hosts.

  pgkeyless ca             the path, and how to use it
  pgkeyless ca path        the path only
  pgkeyless ca install     add it to the trust stores of system and browsers
  pgkeyless ca uninstall   remove it from them`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			ca, err := openCA()
			if err != nil {
				return err
			}
			_, err = io.WriteString(a.screen(), caGuide(ca.File, ca.Certificate.NotAfter))
			return err
		},
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "path",
			Short: "Print the path of your CA",
			Args:  noArgs,
			RunE: func(*cobra.Command, []string) error {
				ca, err := openCA()
				if err == nil {
					_, err = fmt.Fprintln(a.screen(), ca.File)
				}
				return err
			},
		},
		&cobra.Command{
			Use:   "install",
			Short: "Add your CA to the trust stores of the system and of browsers",
			Long: `Add your CA to the trust store of the system, and to those of browsers that have
their own. The programs of every user then trust your pgkeyless on localhost. If
this needs root rights, sudo asks for your password.`,
			Args: noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return a.changeStores(cmd.Context(), "installed into", truststore.System.Install)
			},
		},
		&cobra.Command{
			Use:   "uninstall",
			Short: "Remove your CA from the trust stores",
			Args:  noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return a.changeStores(cmd.Context(), "not in", truststore.System.Uninstall)
			},
		},
	)
	return cmd
}

// caGuide says how to use the CA. What it says of clients is tried by
// integration/conformance/clients and integration/e2e, but for Npgsql, which looks
// at its root certificate only with the SSL modes that verify.
//
// Source: Npgsql's documentation, Connection String Parameters, and Security and
// Encryption; its NpgsqlConnector.cs since 6.0.
func caGuide(path string, until time.Time) string {
	return strings.NewReplacer("{path}", path, "{word}", shell.Word(path), "{until}", until.Format(time.DateOnly)).Replace(`{path}

This is your CA, valid until {until}. It can sign for localhost, names under it and
loopback addresses, and for nothing else. With it, clients can verify that they talk
to your pgkeyless: sslmode=require, verify-ca and verify-full.

  libpq (psql, psycopg, Ruby, PHP …)  export PGSSLROOTCERT={word}
  pgx, lib/pq                         the same variable, or sslrootcert={path}
  Node.js (pg, Prisma, Knex …)        export NODE_EXTRA_CA_CERTS={word}
  pgjdbc (DBeaver, DataGrip …)        sslrootcert={path} in the URL
  asyncpg                             sslrootcert={path} in the URL
  Npgsql                              SSL Mode=VerifyFull;Root Certificate={path}
  OpenSSL's own roots (pgloader …)    SSL_CERT_FILE={word} before the command; replaces all other roots
  other programs, browsers            pgkeyless ca install

pgkeyless exec and env set both variables, service-file writes sslrootcert.
`)
}

// openCA opens this user's CA, which is made if need be.
func openCA() (truststore.CA, error) {
	const hint = "set XDG_STATE_HOME to a directory that you can write to and others cannot"
	dir, err := localca.Dir()
	if err != nil {
		return truststore.CA{}, causes.MisuseOf(fmt.Errorf("no place for a CA: %w", err), hint)
	}
	authority, err := localca.Open(dir, time.Now())
	if err != nil {
		return truststore.CA{}, causes.MisuseOf(fmt.Errorf("your CA: %w", err), hint)
	}
	return truststore.CA{File: localca.File(dir), Certificate: authority.Certificate, Owner: owner()}, nil
}

// owner is the user's name, for a file's.
func owner() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "user"
}

// ownCA is the file with this user's CA, which is made if need be, or "" where there
// can be none: serve says why.
func ownCA() string {
	ca, err := openCA()
	if err != nil {
		return ""
	}
	return ca.File
}

// changeStores does something to all trust stores, and says so of each.
func (a *app) changeStores(ctx context.Context, done string, change func(truststore.System, context.Context, truststore.CA) []truststore.Outcome) error {
	if err := checkUser(a.environ, os.Geteuid()); err != nil {
		return err
	}
	ca, err := openCA()
	if err != nil {
		return err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	system := truststore.System{OS: runtime.GOOS, Home: home, Superuser: os.Geteuid() == 0, Run: runQuietly, Has: hasProgram}
	failed := false
	for _, outcome := range change(system, ctx, ca) {
		if outcome.Err != nil {
			failed = true
			fmt.Fprintf(a.stderr, "pgkeyless: error: %s: %s\n", outcome.Store, display.Line(outcome.Err.Error()))
			continue
		}
		fmt.Fprintf(a.stderr, "%s %s\n", done, outcome.Store)
	}
	if failed {
		return &ended{1}
	}
	return nil
}

// checkUser refuses to do for root what a user wants.
func checkUser(env []string, euid int) error {
	if user := sudoUser(env, euid); user != "" {
		return causes.Misuse("with sudo, this would be root's CA, not "+user+"'s", "run it without sudo; pgkeyless calls sudo where needed")
	}
	return nil
}

// sudoUser is the user who has called sudo, or "" without sudo.
func sudoUser(env []string, euid int) string {
	if user := environ.LookUp(env, "SUDO_USER"); user != "root" && euid == 0 {
		return user
	}
	return ""
}

// runQuietly runs a program, which may ask the user for a password. What it says
// otherwise is reported when it fails.
func runQuietly(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, programPath(name), args...)
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, &said, &said
	if err := cmd.Run(); err != nil {
		if text := strings.TrimSpace(said.String()); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func hasProgram(name string) bool {
	_, err := exec.LookPath(programPath(name))
	return err == nil
}

// programPath finds a program for administrators, too, whose directory a user's PATH
// may lack.
func programPath(name string) string {
	if _, err := exec.LookPath(name); errors.Is(err, exec.ErrNotFound) && runtime.GOOS != "windows" {
		if path := filepath.Join("/usr/sbin", name); isExecutable(path) {
			return path
		}
	}
	return name
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
