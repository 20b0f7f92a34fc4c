package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/proxy"
	"github.com/spf13/cobra"
)

// terminateWithin bounds the end of the SSM sessions, which takes one round trip
// to the agent or one API call.
const terminateWithin = 5 * time.Second

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "serve TARGET...",
		Short:             "Listen and forward; the same as no command at all",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTargets,
		RunE:              a.serve,
	}
	a.addFlags(cmd, func(config.Option) bool { return true })
	return cmd
}

// serve opens everything, says so, and forwards until a signal or an error.
// Being ready does not depend on an AWS service: none is called before the first
// client comes, but to look names up, and that only for so long.
func (a *app) serve(cmd *cobra.Command, args []string) (err error) {
	if err := a.unknownCommand(cmd, args); err != nil {
		return err
	}
	cfg, err := config.Load(a.input(args))
	if err != nil {
		return err
	}
	log := newLog(a.stderr, cfg.Run)
	if cfg.Run.ConfigFile != "" {
		log.Info("config file read", "path", cfg.Run.ConfigFile)
	}
	signals, stop := a.notify()
	defer stop()

	ctx := cmd.Context()
	w := newWiring(log, a.profiles(cfg.Run))
	defer a.endSessions(ctx, w, log)
	p := new(ports)
	var front front
	stopped, err := unlessStopped(ctx, signals, cfg.Run, func(ctx context.Context) (err error) {
		front, err = openFront(ctx, w, cfg, p, log)
		return err
	})
	if stopped {
		p.close()
		return err
	}
	if err != nil {
		return err
	}
	srv, err := proxy.New(proxy.Config{Routes: front.routes, Shared: front.shared, Default: defaultRoute(cfg.Run, front.routes), MaxConnections: cfg.Run.MaxConnections, LoginTimeout: cfg.Run.LoginTimeout, Log: log, Lull: debug.FreeOSMemory})
	if err != nil {
		p.close()
		return err
	}
	r := &reloading{app: a, input: a.input(args), run: cfg.Run, said: cfg.RunSettings, wiring: w, srv: srv, front: front, enrolled: new(enrolment), log: log}
	r.enrol()
	defer r.enrolled.withdraw()
	warn(log, front)
	announce(ctx, a.stderr, log, cfg.Run, front)
	hangups := hangups{lost: terminalWatch()}
	if cfg.Run.ConfigFile != "" {
		hangups.reload = r.reload
	}
	return live(ctx, withdrawing{srv, r.enrolled}, signals, cfg.Run, hangups, log)
}

// withdrawing is a Server that takes itself out of the registry before it refuses
// clients: connect and exec must not be led to it then.
type withdrawing struct {
	*proxy.Server
	enrolled *enrolment
}

func (w withdrawing) Shutdown(ctx context.Context) error {
	w.enrolled.withdraw()
	return w.Server.Shutdown(ctx)
}

// endSessions ends the SSM sessions, also when ctx has ended.
func (a *app) endSessions(ctx context.Context, w *wiring, log *slog.Logger) {
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), terminateWithin)
	defer cancel()
	if err := w.close(ending); err != nil {
		log.Warn("an SSM session may stay open until its idle timeout", "error", oneLine(err.Error()))
	}
}

// unknownCommand catches a mistyped command, which looks like a target.
func (a *app) unknownCommand(cmd *cobra.Command, args []string) error {
	if cmd.HasParent() || len(args) == 0 || args[0] == "" || strings.ContainsAny(args[0], ".?:/@") {
		return nil
	}
	near := cmd.SuggestionsFor(args[0])
	if len(near) == 0 || near[0] == args[0] { // the same: it came after "--"
		return nil
	}
	if slices.ContainsFunc(config.Names(a.input(nil)), func(name string) bool { return strings.EqualFold(name, args[0]) }) {
		return nil
	}
	return &usageError{fmt.Sprintf("unknown command %q", args[0]), fmt.Sprintf("did you mean `pgkeyless %s`? a target of this name goes behind serve: `pgkeyless serve %s`", near[0], args[0])}
}

// warn tells what works and may surprise.
func warn(log *slog.Logger, front front) {
	for _, w := range staleEnvironment(front.targets) {
		log.Warn(w)
	}
	for i, t := range front.targets {
		if !isLoopback(t.Address) {
			log.Warn("whoever reaches this address is logged in without a password; 127.0.0.1 is for this machine alone",
				"address", front.address(i).String(), "route", t.Name)
		}
	}
}

func isLoopback(address string) bool {
	if strings.EqualFold(address, "localhost") {
		return true
	}
	ip := net.ParseIP(address)
	return ip != nil && ip.IsLoopback()
}
