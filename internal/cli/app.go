package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/prompt"
	"github.com/pgkeyless/pgkeyless/internal/serving"
	"github.com/pgkeyless/pgkeyless/internal/signals"
)

// Main runs the command of this process and ends it. version is that of the
// release; empty for other builds.
func Main(version string) {
	a := newApp(os.Stdout, os.Stderr)
	a.version = version
	os.Exit(a.asStarted(func() int { return a.run(context.Background(), os.Args[1:]) }))
}

// newApp is an app in the environment of this process.
func newApp(stdout, stderr io.Writer) *app {
	return &app{
		stdout:  stdout,
		stderr:  &lockedWriter{w: stderr},
		environ: os.Environ(),
		flags:   map[string]string{},
		places:  places(),
		notify:  signals.Notify,
	}
}

// places is where this user's config files are. What the system does not know
// is left out.
func places() config.Places {
	dir, _ := os.Getwd()
	home, _ := os.UserHomeDir()
	user, _ := os.UserConfigDir()
	return config.Places{Dir: dir, Home: home, User: user}
}

// app is what the commands share.
type app struct {
	version        string // of the release; empty for other builds
	stdout, stderr io.Writer
	environ        []string
	flags          map[string]string // the flags given, by the option's name
	places         config.Places     // of the config file, when none is named
	// notify starts to catch the signals that end a run; stop gives them back.
	notify func() (signals <-chan os.Signal, stop func())
	// supervisor hears how serve goes; nil is systemd, where that has started it.
	supervisor serving.Supervisor
	kept       []*credentials.Profiles // whose processes end with the command
}

// run does what args say and returns the exit code: 0 when all went well, 1
// after an error that it has told on stderr, 128 + N after signal N. Cancelling
// ctx ends it at once and counts as well.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(append([]string{}, args...)) // never nil, which would mean os.Args
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	for _, p := range a.kept {
		p.End()
	}
	if _, unread := errors.AsType[*unparsed](err); unread && (slices.Contains(args, "--structured-logs") || slices.Contains(args, "-l")) {
		a.flags["structured-logs"] = "true" // it may stand behind the flag that could not be parsed
	}
	return a.explain(err)
}

// root is the command tree. The root itself serves, so that a bare list of
// targets works; a target that is named like a command goes after "serve" or
// "--".
func (a *app) root() *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:   "pgkeyless [serve] TARGET... [flags]",
		Short: "Reach private RDS and Aurora PostgreSQL on localhost, without a password",
		Long: `pgkeyless listens on localhost and forwards PostgreSQL clients to private RDS
and Aurora databases. It opens an SSM session by itself, verifies the database's
certificate, and logs in with a new IAM token each time.

A TARGET is a target of the config file, the identifier or ARN of an RDS
instance, cluster or proxy, or an endpoint, HOST[:PORT]. Options for one target
follow as a query string. They override flags, flags override PGKEYLESS_…
variables, and variables override the config file:

  pgkeyless db.abc123.eu-central-1.rds.amazonaws.com --via i-0123456789abcdef0
  pgkeyless 'HOST?via=i-0123456789abcdef0&user=app&port=5433' 'HOST2?via=none'

Without TARGET, pgkeyless serves all targets of the config file: pgkeyless.yaml
in this directory or above, else your own. "pgkeyless config print" shows where
each value comes from.

The first Ctrl-C lets open sessions end, the second ends them. Exit codes: 0 on
a normal end, 1 on an error, 130 after SIGINT, 143 after SIGTERM. With a config
file, SIGHUP reloads it without dropping a session.`,
		SuggestionsMinimumDistance: 2,
		SilenceErrors:              true,
		SilenceUsage:               true,
		Args:                       cobra.ArbitraryArgs,
		ValidArgsFunction:          a.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			if version {
				return a.printVersion()
			}
			return a.serve(cmd, args)
		},
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	// Not cobra's own flag: its template keeps every method of every type in the binary.
	root.Flags().BoolVarP(&version, "version", "v", false, "print the version")
	root.SetGlobalNormalizationFunc(canonicalFlag)
	root.SetFlagErrorFunc(flagError)
	root.SetUsageFunc(printUsage)
	a.addFlags(root, func(config.Option) bool { return true })
	root.AddCommand(a.serveCommand(), a.connectCommand(), a.execCommand(), a.envCommand(), a.serviceFileCommand(), a.serviceCommand(), a.listCommand(), a.initCommand(),
		a.doctorCommand(), a.policyCommand(), a.tokenCommand(), a.caCommand(), a.configCommand(), a.versionCommand(), a.completionCommand(),
		a.statusCommand(), a.passwordCommand(), a.waitCommand(), a.reloadCommand(), a.disconnectCommand(), a.shutdownCommand())
	refuseUnknownTopics(root)
	return root
}

// refuseUnknownTopics makes cobra's help command, which reports the root
// whatever it is asked, know its commands.
func refuseUnknownTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil {
		return
	}
	help.Args = func(_ *cobra.Command, args []string) error {
		found, rest, err := root.Find(args)
		if err == nil && len(rest) == 0 {
			return nil
		}
		hint := "`pgkeyless help` lists the commands"
		if len(rest) > 0 {
			if near := found.SuggestionsFor(rest[0]); len(near) > 0 {
				hint = fmt.Sprintf("did you mean `pgkeyless help %s`?", near[0])
			}
		}
		return causes.Misuse(fmt.Sprintf("unknown command %q", strings.Join(args, " ")), hint)
	}
}

// profiles holds the AWS credentials of one run, and knows whom to ask for what
// they want of a person.
func (a *app) profiles(run config.Run) *credentials.Profiles {
	return a.keep(&credentials.Profiles{People: prompt.People(a.asking(run)), Log: newLog(a.stderr, run), Patience: run.LoginTimeout})
}

// keep makes p's credential_process, if it runs then, end with the command.
func (a *app) keep(p *credentials.Profiles) *credentials.Profiles {
	a.kept = append(a.kept, p)
	return p
}

// asking says how the run asks people.
func (a *app) asking(run config.Run) prompt.Config {
	c := prompt.Config{MFACommand: run.MFACommand, SSOLogin: run.SSOLogin, Stderr: a.stderr}
	if run.StructuredLogs {
		c.Log = newLog(a.stderr, run)
	}
	return c
}

// input is everything that config reads, with args as targets.
func (a *app) input(args []string) config.Input {
	return config.Input{Targets: args, Flags: a.flags, Environ: a.environ, Places: a.places}
}

// lockedWriter lets log lines and ready lines of several goroutines stay whole, and
// nothing in them reach a terminal that it would obey: names of files and databases,
// and what programs and servers say.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return display.Escaping(l.w).Write(p)
}

// screen is stdout, for text with names in it that a terminal must not obey. A program
// that reads it gets them as they are.
func (a *app) screen() io.Writer {
	if prompt.IsTerminal(a.stdout) {
		return display.Escaping(a.stdout)
	}
	return a.stdout
}
