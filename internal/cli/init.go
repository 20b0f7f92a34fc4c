package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/checkup"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/doctor"
	"github.com/pgkeyless/pgkeyless/internal/environ"
	"github.com/pgkeyless/pgkeyless/internal/policy"
	"github.com/pgkeyless/pgkeyless/internal/prompt"
	"github.com/pgkeyless/pgkeyless/internal/setup"
	"github.com/pgkeyless/pgkeyless/internal/sharedfiles"
	"github.com/pgkeyless/pgkeyless/internal/shell"
	"github.com/pgkeyless/pgkeyless/internal/signals"
	"github.com/pgkeyless/pgkeyless/internal/targets"
)

func (a *app) initCommand() *cobra.Command {
	var given setup.Answers
	noCheck := false
	cmd := &cobra.Command{
		Use:   "init [TARGET]",
		Short: "Ask for a target, check it, and write a config file",
		Long: `Ask for profile, region, database, jump host and database user, with lists of
what your credentials can see. Then check the path as doctor does, offer the
IAM policy and the SQL if something is missing, and add the target to a config
file.

TARGET and flags answer questions beforehand. Without a terminal they must
answer all of them. Ctrl-C leaves nothing behind.

  pgkeyless init
  pgkeyless init orders --via i-0123456789abcdef0 --user app_user

Exit codes: 0 the file is written, 1 it is not, 130 interrupted.`,
		Args:              a.atMost(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			given.Database = strings.Join(args, "")
			return a.init(cmd.Context(), given, !noCheck)
		},
	}
	a.addFlags(cmd, func(o config.Option) bool {
		return o.PerTarget() && !o.NamesTarget() || slices.Contains([]string{"login-timeout", "mfa-command", "sso-login"}, o.Name)
	})
	cmd.Flags().StringVar(&given.Name, "name", "", "name of the target (default made from the database's)")
	cmd.Flags().StringVar(&given.File, "file", "", "config file to write (default pgkeyless.yaml here, or your own)")
	cmd.Flags().BoolVar(&noCheck, "no-check", false, "write the file without checking the path")
	return cmd
}

// init asks, where there is a terminal, and writes a config file.
func (a *app) init(ctx context.Context, given setup.Answers, check bool) error {
	run, err := config.LoadRun(config.Input{Flags: a.flags, Environ: a.environ})
	if err != nil {
		return err
	}
	for name, field := range map[string]*string{"profile": &given.Profile, "region": &given.Region, "via": &given.Via, "user": &given.User, "dbname": &given.DBName} {
		*field = cmp.Or(a.flags[name], environ.LookUp(a.environ, "PGKEYLESS_"+strings.ToUpper(name)))
	}
	if given.File != "" {
		if given.File, err = filepath.Abs(given.File); err != nil {
			return err
		}
	}
	given.More = map[string]string{}
	for _, o := range config.All() {
		value := cmp.Or(a.flags[o.Name], environ.LookUp(a.environ, o.Variable()))
		if value == "" || !o.PerTarget() {
			continue
		}
		if o.Path() && value != config.SocketNone && value != "off" { // beside the file it would be another
			if whole, err := filepath.Abs(value); err == nil {
				value = whole
			}
		}
		given.More[o.Name] = value
	}
	profiles := a.profiles(run)
	c := setup.Config{
		Given: given, Out: a.stderr,
		Profiles: sharedfiles.Read().Profiles(), Regions: targets.Regions(),
		Region: func(ctx context.Context, profile string) (string, error) {
			cfg, err := profiles.Config(ctx, profile, "")
			return cfg.Region, err
		},
		Look: func(ctx context.Context, profile, region string) (setup.Seen, error) {
			return seenIn(ctx, profiles, profile, region)
		},
		Policy: func(ctx context.Context, t config.Target) error { return a.showPolicy(ctx, t, run) },
		Files:  a.configFiles(), Places: a.places,
	}
	if f, ok := a.dialogue(); ok {
		c.Ask = f
	}
	var passwordUser string
	if check {
		c.Check = func(ctx context.Context, t config.Target) (path setup.Path, err error) {
			path, passwordUser, err = a.walkPath(ctx, t, run)
			return path, err
		}
	}
	written, err := setup.Run(ctx, c)
	_, stopped := errors.AsType[*signals.Stopped](err)
	if stopped || errors.Is(err, setup.ErrLeft) {
		fmt.Fprintln(a.stderr, "pgkeyless: nothing was written")
	}
	if errors.Is(err, setup.ErrLeft) {
		return &ended{130}
	}
	if err != nil {
		return err
	}
	a.tellWritten(written, cmp.Or(written.User, passwordUser))
	return nil
}

// dialogue is the terminal to ask on, if there is one.
func (a *app) dialogue() (setup.Form, bool) {
	if !prompt.IsTerminal(os.Stdin) || !prompt.IsTerminal(a.tty()) {
		return setup.Form{}, false
	}
	plain := slices.Contains(a.environ, "TERM=dumb") || !prompt.Sized(a.tty())
	return setup.Form{In: os.Stdin, Out: a.tty(), Plain: plain, Until: func(ctx context.Context) (context.Context, func()) { return a.untilSignal(ctx, nil) }}, true
}

// tty is stderr as it is: a form moves the cursor, and escapes the words of others itself.
func (a *app) tty() *os.File {
	if l, ok := a.stderr.(*lockedWriter); ok {
		if f, ok := l.w.(*os.File); ok {
			return f
		}
	}
	return nil
}

// seenIn is what the credentials of a profile see in a region.
func seenIn(ctx context.Context, profiles *credentials.Profiles, profile, region string) (seen setup.Seen, err error) {
	found, err := takeInventory(ctx, profiles, profile, []string{region})
	if err != nil {
		return seen, err
	}
	for _, d := range found.Databases {
		if !d.Postgres || d.Endpoint == "" {
			continue
		}
		label := fmt.Sprintf("%s (%s, %s %s, %s)", d.Identifier, d.Kind, d.Engine, d.Version, d.Status)
		if !d.IAM {
			label += " without IAM authentication"
		}
		if d.ManagedSecret != "" {
			seen.Managed = append(seen.Managed, d.Identifier)
		}
		if d.Public {
			label += ", public"
			seen.Public = append(seen.Public, d.Identifier)
		}
		if d.Kind == database.DSQL.String() {
			seen.DSQL = append(seen.DSQL, d.Identifier)
		}
		seen.Databases = append(seen.Databases, setup.Choice{Value: d.Identifier, Label: display.Line(label)})
	}
	for _, h := range found.JumpHosts {
		if h.Online {
			seen.JumpHosts = append(seen.JumpHosts, setup.Choice{Value: h.ID, Label: display.Line(strings.TrimSpace(fmt.Sprintf("%s %s %s", h.ID, h.Name, h.IP)))})
		}
	}
	for _, e := range found.Errors {
		seen.Problems = append(seen.Problems, e.Region+": "+e.Error)
	}
	return seen, nil
}

// walkPath walks the path to t as doctor does, and finds out whose password its secret has.
func (a *app) walkPath(ctx context.Context, t config.Target, run config.Run) (path setup.Path, passwordUser string, err error) {
	var shown doctor.Printer = doctor.NewPlain(a.stderr)
	if f, ok := a.dialogue(); ok && !f.Plain {
		shown = doctor.NewTerminal(f.Out)
	}
	walk, code := doctor.New(shown), 0
	err = a.withCheckup(ctx, t, run, walk, func(ctx context.Context, c *checkup.Checkup) error {
		c.WalkPath(ctx)
		code, passwordUser = walk.Done(), c.PasswordUser()
		return nil
	})
	path = setup.Broken
	switch code {
	case 0:
		path = setup.Good
	case doctor.Secret.Code, doctor.StartSession.Code, doctor.Websocket.Code, doctor.Login.Code, doctor.Rights.Code:
		path = setup.Refused
	}
	return path, passwordUser, err
}

// showPolicy prints what t needs.
func (a *app) showPolicy(ctx context.Context, t config.Target, run config.Run) error {
	return a.withCheckup(ctx, t, run, nil, func(ctx context.Context, c *checkup.Checkup) error {
		facts, _, err := c.Policy(ctx)
		if err == nil {
			_, err = fmt.Fprint(a.stderr, policy.Text(facts))
		}
		return err
	})
}

// configFiles are where a target may be written: the file that is named, or else the file in use, one in this directory,
// the user's own.
func (a *app) configFiles() []string {
	if named := cmp.Or(a.flags["config-file"], environ.LookUp(a.environ, "PGKEYLESS_CONFIG_FILE")); named != "" {
		if whole, err := filepath.Abs(named); err == nil {
			named = whole
		}
		return []string{named}
	}
	var files []string
	if run, err := config.LoadRun(a.input(nil)); err == nil && run.ConfigFile != "" {
		files = append(files, run.ConfigFile)
	}
	if a.places.Dir != "" && a.places.Dir != a.places.Home {
		files = append(files, filepath.Join(a.places.Dir, "pgkeyless.yaml"))
	}
	if a.places.User != "" {
		files = append(files, a.ownConfig())
	}
	var once []string
	for _, f := range files {
		if !slices.Contains(once, f) {
			once = append(once, f)
		}
	}
	return once
}

// tellWritten says what comes next, for user, whom only clients know where it is "".
func (a *app) tellWritten(w setup.Answers, user string) {
	fmt.Fprintf(a.stderr, "pgkeyless: target %s is in %s\n", w.Name, w.File)
	name := shell.Word(w.Name)
	if w.File != a.ownConfig() && filepath.Dir(w.File) != a.places.Dir {
		name += " --config-file " + shell.Word(w.File)
	}
	switch {
	case user != "":
		user = shell.Word(user)
	case w.More["secret"] == config.SecretManaged:
		user = "MASTER_USER"
	default:
		user = "USER"
	}
	psql := "psql -h localhost -U " + user
	if w.DBName != "" {
		psql += " " + shell.Word(w.DBName)
	} else {
		psql += " DBNAME"
	}
	fmt.Fprintf(a.stderr, "\n  pgkeyless %s\n  %s\n\nor, for one psql: pgkeyless connect %s\n", name, psql, name)
}
