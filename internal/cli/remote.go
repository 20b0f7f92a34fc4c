package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/control"
	"github.com/pgkeyless/pgkeyless/internal/status"
)

// remoteOptions are those that say where a running proxy is, where there is no
// registry, as in a container.
func remoteOptions(o config.Option) bool {
	return o.Name == "admin-port" || o.Name == "http-port" || o.Name == "config-file"
}

// remoteCommand is a command about running proxies: at most one argument, a target.
func (a *app) remoteCommand(use, short, long string, do func(ctx context.Context, target string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:               use,
		Short:             short,
		Long:              long,
		Args:              a.atMost(1),
		ValidArgsFunction: a.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			return do(cmd.Context(), strings.Join(args, ""))
		},
	}
	a.addFlags(cmd, remoteOptions)
	return cmd
}

// atMost lets in so many arguments.
func (a *app) atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		return causes.Misuse(fmt.Sprintf("%s accepts no further argument %q", cmd.Name(), args[n]), "`"+cmd.CommandPath()+" --help` has examples")
	}
}

// remotes are the running proxies that a command is about: those that serve target,
// or all of them. Where the registry has none, the port counts that flags, variables
// or the config file name.
func (a *app) remotes(ctx context.Context, target string) ([]*control.Remote, error) {
	run, err := config.LoadRun(a.input(nil))
	if err != nil {
		return nil, err
	}
	switch {
	case a.flags["admin-port"] != "":
		return []*control.Remote{control.At(run.AdminPort)}, nil
	case a.flags["http-port"] != "":
		return []*control.Remote{control.At(run.HTTPPort)}, nil
	}
	all := control.All()
	if len(all) == 0 && (run.Debug || run.QuitQuitQuit) {
		return []*control.Remote{control.At(run.AdminPort)}, nil
	}
	if len(all) == 0 && (run.HealthCheck || run.StatusPage) {
		return []*control.Remote{control.At(run.HTTPPort)}, nil
	}
	if target == "" {
		if len(all) == 0 {
			return nil, causes.Misuse("you have no running pgkeyless", "start one with `pgkeyless TARGET`; in a container, name its port with --admin-port or --http-port")
		}
		return all, nil
	}
	var fit []*control.Remote
	var served []string
	for _, r := range all {
		names := r.Targets
		if len(names) == 0 { // it drains
			if d, err := r.Status(ctx); err == nil {
				names = namesIn(d)
			}
		}
		served = append(served, names...)
		if slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, target) }) {
			fit = append(fit, r)
		}
	}
	if len(fit) > 0 {
		return fit, nil
	}
	hint := "start it with `pgkeyless " + target + "`"
	if len(served) > 0 {
		hint = "running proxies serve " + strings.Join(served, ", ")
	}
	return nil, causes.Misuse(fmt.Sprintf("no running pgkeyless serves %q", target), hint)
}

func namesIn(d status.Document) []string {
	var names []string
	for _, t := range d.Targets {
		names = append(names, t.Name)
	}
	return names
}

// remote is the one running proxy that a command changes something at.
func (a *app) remote(ctx context.Context, target string) (*control.Remote, error) {
	all, err := a.remotes(ctx, target)
	if err != nil {
		return nil, err
	}
	if len(all) == 1 {
		return all[0], nil
	}
	var which []string
	for _, r := range all {
		which = append(which, fmt.Sprintf("%s serves %s", r, strings.Join(r.Targets, ", ")))
	}
	return nil, causes.Misuse(fmt.Sprintf("%d proxies are running", len(all)), "name a target of the proxy that you mean: "+strings.Join(which, "; "))
}

// offered says which option a port lacks.
func offered(err error, option string) error {
	if errors.Is(err, control.ErrNotOffered) {
		return causes.MisuseOf(err, "start that proxy with "+option+", or run the command as its user, where the registry is")
	}
	return err
}
