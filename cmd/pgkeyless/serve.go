package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/config"
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
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.serve,
	}
	a.addFlags(cmd, func(config.Option) bool { return true })
	return cmd
}

// serve opens everything, says so, and forwards until a signal or an error. It
// calls no AWS service before the first client comes, so being ready does not
// depend on one.
func (a *app) serve(cmd *cobra.Command, args []string) (err error) {
	if err := unknownCommand(cmd, args); err != nil {
		return err
	}
	cfg, err := config.Load(a.input(args))
	if err != nil {
		return err
	}
	log := newLog(a.stderr, cfg.Run)
	signals, stop := a.notify()
	defer stop()

	ctx := cmd.Context()
	w := newWiring(log)
	defer a.endSessions(ctx, w, log)
	srv, routes, err := open(ctx, w, cfg, log)
	if err != nil {
		return err
	}
	registered := a.register(nil, cfg.Targets, routes, log)
	defer registered.close()
	warn(log, cfg, routes)
	announce(ctx, a.stderr, log, cfg.Run, routes)
	return live(ctx, srv, signals, cfg.Run, log)
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
func unknownCommand(cmd *cobra.Command, args []string) error {
	if cmd.HasParent() || len(args) == 0 || args[0] == "" || strings.ContainsAny(args[0], ".?:/@") {
		return nil
	}
	near := cmd.SuggestionsFor(args[0])
	if len(near) == 0 || near[0] == args[0] { // the same: it came after "--"
		return nil
	}
	return &usageError{fmt.Sprintf("unknown command %q", args[0]), fmt.Sprintf("did you mean `pgkeyless %s`?", near[0])}
}

// open makes the Server with all its listeners open. It checks every target
// before it opens the first port. The Server owns the listeners.
func open(ctx context.Context, w *wiring, cfg config.Config, log *slog.Logger) (srv *proxy.Server, routes []proxy.Route, err error) {
	for _, t := range cfg.Targets {
		r, err := w.route(ctx, t)
		if err != nil {
			return nil, nil, err
		}
		routes = append(routes, r)
	}
	defer func() {
		if err != nil {
			closeListeners(routes)
		}
	}()
	for i, t := range cfg.Targets {
		var noSocket error
		if routes[i].Listen, noSocket, err = listen(ctx, t); err != nil {
			return nil, nil, err
		}
		if noSocket != nil {
			log.Info("no unix socket", "route", t.Name, "reason", oneLine(noSocket.Error()))
		}
	}
	if srv, err = proxy.New(proxy.Config{Routes: routes, Log: log}); err != nil {
		return nil, nil, err
	}
	return srv, routes, nil
}

func closeListeners(routes []proxy.Route) {
	for _, r := range routes {
		for _, l := range r.Listen {
			l.Close()
		}
	}
}

// warn tells what works and may surprise. routes are cfg's targets, listening.
func warn(log *slog.Logger, cfg config.Config, routes []proxy.Route) {
	for _, w := range staleEnvironment(cfg.Targets) {
		log.Warn(w)
	}
	for i, t := range cfg.Targets {
		if !isLoopback(t.Address) {
			log.Warn("whoever reaches this address is logged in without a password; 127.0.0.1 is for this machine alone",
				"address", routes[i].Listen[0].Addr().String(), "route", t.Name) // the first is TCP's
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
