package cli

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/environ"
	"github.com/pgkeyless/pgkeyless/internal/service"
	"github.com/pgkeyless/pgkeyless/internal/serving"
)

func (a *app) serviceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Serve the config file whenever you log in",
		Long: `Manage a service that serves the targets of a config file whenever you log in:
a systemd user unit, a launchd agent on macOS, or a Windows service.

  pgkeyless service install     write the service and start it at each login
  pgkeyless service start       start it now
  pgkeyless service stop        stop it until the next login
  pgkeyless service uninstall   stop it and remove it
  pgkeyless service print       print it without changing anything

The service serves the config file in your configuration directory, or the one
that --config-file names. It does not see the variables of your shell.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			problem := "service needs a subcommand"
			if len(args) > 0 {
				problem = fmt.Sprintf("service has no subcommand %q", args[0])
			}
			return causes.Misuse(problem, "one of install, uninstall, start, stop, print: `pgkeyless service --help`")
		},
	}
	manage := func(use, short, done string, do func(service.Manager, context.Context) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := service.Here()
			if err == nil {
				err = do(m, cmd.Context())
			}
			if err == nil {
				fmt.Fprintln(a.stderr, done)
			}
			return err
		}}
	}
	cmd.AddCommand(
		a.serviceInstallCommand(),
		manage("uninstall", "Stop the service and remove it", "uninstalled", service.Manager.Uninstall),
		manage("start", "Start the service now", "started", service.Manager.Start),
		manage("stop", "Stop the service until the next login", "stopped", service.Manager.Stop),
		a.servicePrintCommand(),
	)
	return cmd
}

// serviceOptions are those that a service is made with.
func serviceOptions(o config.Option) bool {
	return o.Name == "config-file" || o.Name == "structured-logs"
}

func (a *app) serviceInstallCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Write the service and start it at each login",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if user := sudoUser(a.environ, os.Geteuid()); user != "" {
				return causes.Misuse("with sudo, this would be root's service, not "+user+"'s", "run it without sudo; for a server see `pgkeyless service print --system`")
			}
			file, err := a.serviceConfig()
			if err != nil {
				return err
			}
			if file == "" {
				return causes.Misuse("there is no config file for the service to serve",
					"write "+a.ownConfig()+", or name one with --config-file; docs/pgkeyless.example.yaml has every key")
			}
			// The service has none of this shell's variables.
			cfg, err := config.Load(config.Input{Flags: map[string]string{"config-file": file}})
			if err != nil {
				return err
			}
			m, err := service.Here()
			if err != nil {
				return err
			}
			program, err := ownProgram()
			if err != nil {
				return err
			}
			next, err := m.Install(cmd.Context(), service.Unit{Program: program, Config: file})
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stderr, "the service serves %s of %s\n", namesOf(cfg.Targets), display.Line(file))
			for _, line := range next {
				fmt.Fprintln(a.stderr, line)
			}
			if unseen := unseenByService(a.environ); len(unseen) > 0 {
				fmt.Fprintf(a.stderr, "the service does not see these variables of your shell: %s (docs/service.md)\n", strings.Join(unseen, ", "))
			}
			return nil
		},
	}
	a.addFlags(cmd, serviceOptions)
	return cmd
}

func (a *app) servicePrintCommand() *cobra.Command {
	var system bool
	var socket string
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Print what install would write",
		Long: `Print what install would write.

With --system, print a systemd unit for a server. It has its own unprivileged
user and reads /etc/pgkeyless/config.yaml. With --socket TARGET, print a socket
unit: systemd listens for TARGET and starts pgkeyless when the first client
connects.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := a.serviceText(cmd.Context(), system, socket)
			if err == nil {
				_, err = fmt.Fprint(a.screen(), text)
			}
			return err
		},
	}
	a.addFlags(cmd, serviceOptions)
	cmd.Flags().BoolVar(&system, "system", false, "print a systemd unit for a server")
	cmd.Flags().StringVar(&socket, "socket", "", "print a systemd socket unit for this `TARGET` of the config file")
	_ = cmd.RegisterFlagCompletionFunc("socket", func(_ *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return config.Names(a.input(nil)), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// serviceText is what service print prints.
func (a *app) serviceText(ctx context.Context, system bool, socket string) (string, error) {
	if socket != "" {
		return a.socketText(socket)
	}
	program, err := ownProgram()
	if err != nil {
		return "", err
	}
	u := service.Unit{Program: program, System: system}
	if !system || a.flags["config-file"] != "" {
		if u.Config, err = a.serviceConfig(); err != nil {
			return "", err
		}
	}
	if system {
		return service.Systemd{Run: service.Exec}.Print(ctx, u)
	}
	m, err := service.Here()
	if err != nil {
		return "", err
	}
	return m.Print(ctx, u)
}

// socketText is the socket unit for a target of the config file.
func (a *app) socketText(target string) (string, error) {
	// All of them: the port may be counted up from the others'.
	cfg, err := config.LoadAny(a.input(nil))
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(cfg.Targets, func(t config.Target) bool { return strings.EqualFold(t.Name, target) })
	if at < 0 && target == serving.SharedPort {
		at = slices.IndexFunc(cfg.Targets, func(t config.Target) bool { return t.Shared })
	}
	if at < 0 {
		return "", causes.Misuse(fmt.Sprintf("the config file has no target %q", target), "its targets: "+namesOf(cfg.Targets))
	}
	t := cfg.Targets[at]
	if t.Port == 0 {
		return "", causes.Misuse(fmt.Sprintf("target %q takes any free port", t.Name), "give it a port of its own in the config file")
	}
	s := service.Socket{Target: t.Name}
	if t.Shared {
		s.Target = serving.SharedPort
	}
	if t.NoTCP {
		return "", causes.Misuse(fmt.Sprintf("target %q has no port", t.Name), "give it one in the config file, or let the service open its Unix socket itself")
	}
	for _, host := range t.Addresses() {
		s.Addresses = append(s.Addresses, net.JoinHostPort(host, strconv.Itoa(t.Port)))
	}
	return service.SocketUnit(s), nil
}

// serviceConfig is the config file for a service, as an absolute path: the one that is
// named, or this user's own. One of a project is served only when it is named.
func (a *app) serviceConfig() (string, error) {
	named := a.flags["config-file"]
	if named == "" {
		named = environ.LookUp(a.environ, "PGKEYLESS_CONFIG_FILE")
	}
	if named == config.FileNone {
		return "", causes.Misuse("a service serves a config file", "name it with --config-file")
	}
	if named != "" {
		path, err := filepath.Abs(named)
		if err != nil {
			return "", causes.MisuseOf(err, "name it with its full path")
		}
		return path, nil
	}
	own, err := config.LoadRun(config.Input{Places: config.Places{User: a.places.User}})
	if err != nil || own.ConfigFile != "" {
		return own.ConfigFile, err
	}
	if found, err := config.LoadRun(config.Input{Places: a.places}); err == nil && found.ConfigFile != "" {
		return "", causes.Misuse(fmt.Sprintf("%s belongs to a project; a service serves it only if you name it", found.ConfigFile),
			fmt.Sprintf("name it: --config-file %s; or write %s", found.ConfigFile, a.ownConfig()))
	}
	return "", nil
}

// ownConfig is where this user's own config file belongs.
func (a *app) ownConfig() string { return filepath.Join(a.places.User, "pgkeyless", "config.yaml") }

// ownProgram is the path of this binary: as PATH has it, where that is a link, which
// outlives an update.
func ownProgram() (string, error) {
	own, err := os.Executable()
	if err != nil {
		return "", causes.MisuseOf(err, "start pgkeyless by its full path")
	}
	linked, err := exec.LookPath(os.Args[0])
	if err != nil {
		return own, nil
	}
	if linked, err = filepath.Abs(linked); err != nil {
		return own, nil
	}
	a, errA := os.Stat(own)
	b, errB := os.Stat(linked)
	if errA == nil && errB == nil && os.SameFile(a, b) {
		return linked, nil
	}
	return own, nil
}

// unseenByService names variables that pgkeyless would heed here.
func unseenByService(env []string) []string {
	var names []string
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case strings.HasPrefix(name, "AWS_"), strings.HasPrefix(name, "PGKEYLESS_"), slices.Contains([]string{"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"}, name):
			names = append(names, display.Line(name))
		}
	}
	slices.Sort(names)
	return names
}

func namesOf(targets []config.Target) string {
	var names []string
	for _, t := range targets {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ")
}
