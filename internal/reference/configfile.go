package reference

import (
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

// configFilePage says what a config file may hold, and where it is found.
func configFilePage(options []config.Option) string {
	var b strings.Builder
	b.WriteString(`# The config file

A config file is YAML. It names targets, sets their options and those of the process:

` + "```yaml" + `
# pgkeyless.yaml
max-connections: 50             # an option of the process

defaults:                       # options of all targets
  via: i-0123456789abcdef0
  profile: dev

targets:
  orders:                       # the identifier of an RDS instance, cluster or proxy
    port: 5433
    user: app_user
  reports:
    database: orders.cluster-abc123.eu-central-1.rds.amazonaws.com
    read-only: true
` + "```" + `

` + "`pgkeyless`" + ` without targets then serves both, ` + "`pgkeyless orders`" + ` serves one, and ` + "`pgkeyless 'orders?user=me'`" + ` overrides an option.
[pgkeyless.example.yaml](../pgkeyless.example.yaml) has every key with a comment. Errors are reported with file name and line
number, several at once.

## Where it is found

pgkeyless reads one file, the first of these:

1. the file that ` + "`--config-file` or `PGKEYLESS_CONFIG_FILE`" + ` names; ` + "`none`" + ` reads no file
2. ` + "`pgkeyless.yaml`, `pgkeyless.yml`, `.pgkeyless.yaml` or `.pgkeyless.yml`" + ` in the working directory, or the nearest directory
   above it, up to your home directory
3. ` + "`pgkeyless/config.yaml` or `pgkeyless/config.yml`" + ` in your configuration directory: ` + "`~/.config`" + ` on Linux,
   ` + "`~/Library/Application Support`" + ` on macOS, ` + "`%AppData%`" + ` on Windows

A file of the second kind may come from somebody else, with a cloned repository for example. It cannot open ports beyond
loopback, run a command, or add trusted certificates: it can set only the keys that the table marks. To use other keys, put
them in your own file, or name the file with ` + "`--config-file`" + `. ` + "`pgkeyless config path`" + ` prints the file in use.

## Reloading

SIGHUP or ` + "`pgkeyless reload`" + ` makes a running pgkeyless read its config file again:

- New targets get listeners, and those of removed targets close.
- Changed options apply to new connections. No session is dropped.
- A file with an error is refused. One line in the log says why, and the old settings stay in force.
- Options of the process need a restart, except ` + "`shared-port` and `default-target`" + `.
- While pgkeyless starts, a reload waits until it is ready. During the drain it has no effect.

Without a config file, SIGHUP ends pgkeyless. So does closing the terminal, in any case; under ` + "`nohup`" + ` it is ignored.

## Keys

Paths are relative to the directory of the config file.

`)
	var rows [][]string
	for _, o := range options {
		if !o.InFile() {
			continue
		}
		place := "top level"
		if o.PerTarget() {
			place = "`defaults`, a target"
		}
		found := "no"
		if o.InProjectFile() {
			found = "yes"
		}
		rows = append(rows, []string{code(o.Name), place, found})
	}
	rows = append(rows, []string{"`database`", "a target", "yes"}, []string{"`database-users`, `targets`, `read-only`, `role-arn`", "a user under `users`", "no"})
	table(&b, []string{"key", "where", "in a project directory's file"}, rows)
	b.WriteString(`
` + "`database`" + ` is the target's identifier, ARN or endpoint, ` + "`HOST[:PORT]`" + `. Without it, the target's name is the identifier.
[What each identity may do](../security.md#what-each-identity-may-do) has the keys under ` + "`users`" + `.
[Options](options.md) has the meaning of the other keys.
`)
	return b.String()
}
