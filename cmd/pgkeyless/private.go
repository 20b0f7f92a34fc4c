package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/proxy"
	"github.com/spf13/cobra"
)

// socketPort is in the name of a socket; nothing listens on it.
const socketPort = 5432

// withProxy runs the program that command makes while a proxy serves the one
// target of args: one that runs already, or else one of its own that ends with
// the program. overTCP is for programs that cannot be relied on to know Unix
// sockets; the others get one that only this user can reach.
//
// pgkeyless itself is silent: what goes wrong with a connection reaches the
// program as an error of the database's.
func (a *app) withProxy(ctx context.Context, args []string, overTCP bool, command func(place) (*exec.Cmd, error)) error {
	t, run, err := a.loadServed(args)
	if err != nil {
		return err
	}
	signals, stop := a.notify()
	defer stop()
	if found, ok := a.findRunning(t); ok {
		return a.runAt(ctx, found.place(t, overTCP), command, signals)
	}
	if err := checkWay(t); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if run.DebugLogs || run.StructuredLogs {
		log = newLog(a.stderr, run)
	}
	w := newWiring(log, a.profiles(run))
	defer a.endSessions(ctx, w, log)
	var route proxy.Route
	if stopped, err := unlessStopped(ctx, signals, run, func(ctx context.Context) (err error) {
		route, err = w.route(ctx, t)
		return err
	}); stopped || err != nil {
		return err
	}
	l, host, cleanUp, err := privateListener(ctx, overTCP)
	if err != nil {
		return err
	}
	defer cleanUp()
	route.Listen = []net.Listener{l}
	srv, err := proxy.New(proxy.Config{Routes: []proxy.Route{route}, LoginTimeout: run.LoginTimeout, Log: log})
	if err != nil {
		l.Close()
		return err
	}
	serving, end := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(serving) }()
	defer func() { end(); <-served }() // nobody is left to wait for
	return a.runAt(ctx, place{host, portOf(l), t.User, t.Database}, command, signals)
}

// runAt runs the program against p.
func (a *app) runAt(ctx context.Context, p place, command func(place) (*exec.Cmd, error), signals <-chan os.Signal) error {
	cmd, err := command(p)
	if err != nil {
		return err
	}
	cmd.Env = childEnvironment(a.environ, p)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return runChild(ctx, cmd, signals)
}

// loadServable reads the settings for serving one target.
func (a *app) loadServable(args []string) (config.Target, config.Run, error) {
	return onlyTarget(config.Load(a.input(args)))
}

// loadServed is loadServable for a target that may be served already.
func (a *app) loadServed(args []string) (config.Target, config.Run, error) {
	return onlyTarget(config.LoadServed(a.input(args)))
}

func onlyTarget(cfg config.Config, err error) (config.Target, config.Run, error) {
	if err != nil {
		return config.Target{}, config.Run{}, err
	}
	if len(cfg.Targets) > 1 {
		return config.Target{}, config.Run{}, &usageError{fmt.Sprintf("%d targets where one is wanted", len(cfg.Targets)), "name one target"}
	}
	return cfg.Targets[0], cfg.Run, nil
}

// privateListener listens where this user's programs find it. host is a
// directory or an address.
func privateListener(ctx context.Context, overTCP bool) (l net.Listener, host string, cleanUp func(), err error) {
	if overTCP || runtime.GOOS == "windows" {
		const loopback = "127.0.0.1"
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp4", net.JoinHostPort(loopback, "0"))
		return l, loopback, func() {}, err
	}
	const hint = "set TMPDIR to another directory, short and for you to write to"
	dir, err := os.MkdirTemp("", "pgkeyless-") // for this user alone
	if err != nil {
		return nil, "", nil, &usageError{fmt.Sprintf("directory for the Unix socket: %v", err), hint}
	}
	cleanUp = func() { os.RemoveAll(dir) }
	if l, err = listenUnix(dir, socketPort); err != nil {
		cleanUp()
		return nil, "", nil, &usageError{err.Error(), hint}
	}
	return l, dir, cleanUp, nil
}

func portOf(l net.Listener) int {
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		return tcp.Port
	}
	return socketPort
}

// splitAtDash parts the arguments for pgkeyless from those behind "--".
func splitAtDash(cmd *cobra.Command, args []string) (own, theirs []string) {
	if i := cmd.ArgsLenAtDash(); i >= 0 {
		return args[:i], args[i:]
	}
	return args, nil
}

// findProgram looks name up in PATH.
func findProgram(name, hint string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", &usageError{fmt.Sprintf("no program %q is found", filepath.Base(name)), hint}
	}
	return path, nil
}
