package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/serving"
	"github.com/pgkeyless/pgkeyless/internal/setup"
	"github.com/pgkeyless/pgkeyless/internal/supervisor"
)

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "serve TARGET...",
		Short:             "Listen and forward; the same as no command",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTargets,
		RunE:              a.serve,
	}
	a.addFlags(cmd, func(config.Option) bool { return true })
	return cmd
}

// serve forwards until a signal or an error.
func (a *app) serve(cmd *cobra.Command, args []string) error {
	if err := a.unknownCommand(cmd, args); err != nil {
		return err
	}
	caught, stop := a.notify() // first: SIGHUP may come while the files are read
	defer stop()
	inherited, err := supervisor.Inherited() // before another program is started, which must not get them
	if err != nil {
		return err
	}
	input := a.input(args)
	cfg, err := config.Load(input)
	if errors.Is(err, config.ErrNoTarget) && !cmd.HasParent() {
		if _, asks := a.dialogue(); asks {
			stop()
			fmt.Fprintln(a.stderr, "pgkeyless: no target and no config file: a few questions make one. Ctrl-C leaves.")
			return a.init(cmd.Context(), setup.Answers{}, true)
		}
	}
	if err != nil {
		return err
	}
	log := newLog(a.stderr, cfg.Run)
	if cfg.Run.ConfigFile != "" {
		log.Info("config file read", "path", cfg.Run.ConfigFile)
	}
	told := a.supervisor
	if told == nil {
		told = supervisor.NewSystemd(log)
	}
	return serving.Serve(cmd.Context(), serving.Config{Input: input, Config: cfg, Release: a.release(), Profiles: a.profiles(cfg.Run), Signals: caught, Inherited: inherited,
		Supervisor: told, Stderr: a.stderr, Log: log})
}

// unknownCommand catches a mistyped command, which looks like a target.
func (a *app) unknownCommand(cmd *cobra.Command, args []string) error {
	if cmd.HasParent() || len(args) == 0 || args[0] == "" || strings.ContainsAny(args[0], ".?:/@") {
		return nil
	}
	near := slices.DeleteFunc(cmd.SuggestionsFor(args[0]), func(name string) bool { return name == caCommandName })
	if len(near) == 0 || near[0] == args[0] { // the same: it came after "--"
		return nil
	}
	if slices.ContainsFunc(config.Names(a.input(nil)), func(name string) bool { return strings.EqualFold(name, args[0]) }) {
		return nil
	}
	return causes.Misuse(fmt.Sprintf("unknown command %q", args[0]), fmt.Sprintf("did you mean `pgkeyless %s`? a target of this name goes after serve: `pgkeyless serve %s`", near[0], args[0]))
}
