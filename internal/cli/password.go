package cli

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/access"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/passfile"
	"github.com/pgkeyless/pgkeyless/internal/prompt"
)

const (
	// saltLength is PostgreSQL's.
	saltLength = 16
	// maxPassword is more than libpq sends.
	maxPassword = 1024
)

func (a *app) passwordCommand() *cobra.Command {
	var local bool
	cmd := &cobra.Command{
		Use:   "password NAME | --local",
		Short: "Create a line for an auth-file, or print the local password",
		Long: `Ask for a password and print a line for an auth-file (--auth scram) that lets
the database user NAME log in with it. The line holds a verifier, which does
not reveal the password. Without a terminal, the password is the first line of
stdin.

  pgkeyless password ada >> userlist.txt

With --local, print the password that --local-password asks for. libpq finds it
by itself, in PGPASSFILE or ~/.pgpass. Paste it into other clients.

  pgkeyless password --local`,
		Args: cobra.MatchAll(func(_ *cobra.Command, args []string) error {
			switch {
			case local && len(args) > 0:
				return causes.Misuse("password --local takes no name: the local password is for every user", "leave the name out")
			case !local && (len(args) == 0 || args[0] == ""):
				return causes.Misuse("password needs the name of a database user", "`pgkeyless password NAME`, or --local for the local password")
			}
			return nil
		}, a.atMost(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			if local {
				return a.printLocalPassword()
			}
			return a.printVerifier(args[0])
		},
	}
	cmd.Flags().BoolVar(&local, "local", false, "print the local password (--local-password)")
	return cmd
}

// printVerifier asks for a password and prints a line of an auth-file.
func (a *app) printVerifier(name string) error {
	password, err := a.readPassword(name)
	if err != nil {
		return err
	}
	salt := make([]byte, saltLength)
	rand.Read(salt)
	verifier, err := access.Verifier(password, salt)
	if err != nil {
		return err
	}
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	_, err = fmt.Fprintln(a.stdout, quote(name), quote(verifier))
	return err
}

func (a *app) printLocalPassword() error {
	path, err := passfile.Path(a.environ)
	if err != nil {
		return err
	}
	words, ok, err := passfile.Read(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !ok {
		return causes.Misuse(path+" has no local password", "start pgkeyless with --local-password once: it makes one")
	}
	_, err = fmt.Fprintln(a.stdout, words.Reveal())
	return err
}

// readPassword asks for it twice, or takes the first line of stdin.
func (a *app) readPassword(name string) (string, error) {
	if strings.ContainsAny(name, "\r\n\x00") {
		return "", causes.Misuse("a control character in the name", "database users have none")
	}
	if prompt.IsTerminal(os.Stdin) {
		first, err := prompt.Secret(a.stderr, fmt.Sprintf("password for %s: ", name))
		if err != nil {
			return "", err
		}
		again, err := prompt.Secret(a.stderr, "once more: ")
		if err != nil {
			return "", err
		}
		if first != again {
			return "", causes.Misuse("the two passwords differ", "try again")
		}
		return checkPassword(first)
	}
	line, err := bufio.NewReader(io.LimitReader(os.Stdin, maxPassword+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return checkPassword(strings.TrimRight(line, "\r\n"))
}

func checkPassword(p string) (string, error) {
	if p == "" || len(p) > maxPassword {
		return "", causes.Misuse("the password is empty or too long", fmt.Sprintf("type 1 to %d bytes", maxPassword))
	}
	return p, nil
}
