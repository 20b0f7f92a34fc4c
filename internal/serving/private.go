package serving

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// socketPort is in the name of a socket; nothing listens on it.
const socketPort = 5432

// Private serves route on a listener of its own, on loopback or in a directory
// for this user alone, while f runs, which gets the place: host, port and CA. Sessions that are open
// when f returns are cut: nobody is left to use them.
func Private(ctx context.Context, route proxy.Route, overTCP bool, run config.Run, log *slog.Logger, f func(running.Place) error) error {
	l, host, cleanUp, err := privateListener(ctx, overTCP)
	if err != nil {
		return err
	}
	defer cleanUp()
	route.Listen = []net.Listener{l}
	at := running.Place{Host: host, Port: portOf(l)}
	cfg := proxy.Config{Routes: []proxy.Route{route}, LoginTimeout: run.LoginTimeout, Log: log}
	if l.Addr().Network() != "unix" {
		cfg.Certificate, at.CA = certificates(log)
		rule, err := localRule(run, log)
		if err != nil {
			l.Close()
			return err
		}
		cfg.Admit = rule.Admit
	}
	srv, err := proxy.New(cfg)
	if err != nil {
		l.Close()
		return err
	}
	serving, end := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(serving) }()
	defer func() { end(); <-served }()
	return f(at)
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
	removeLeftBehind(os.TempDir(), time.Now())
	dir, err := os.MkdirTemp("", privatePrefix) // for this user alone
	if err != nil {
		return nil, "", nil, causes.Misuse(fmt.Sprintf("directory for the Unix socket: %v", err), hint)
	}
	cleanUp = func() { os.RemoveAll(dir) }
	if l, err = listenUnix(dir, socketPort); err != nil {
		cleanUp()
		return nil, "", nil, causes.Misuse(err.Error(), hint)
	}
	return l, dir, cleanUp, nil
}

func portOf(l net.Listener) int {
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		return tcp.Port
	}
	return socketPort
}
