package serving

import (
	"context"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/loopback"
	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/targets"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// Config is one run.
type Config struct {
	Input  config.Input  // what Config was loaded from; a reload loads it again
	Config config.Config // what is served at first
	// Profiles holds the AWS credentials.
	Profiles *credentials.Profiles
	// Signals are those that end the run, and SIGHUP.
	Signals <-chan os.Signal
	// Stderr takes the lines for people, Log what happens.
	Stderr io.Writer
	Log    *slog.Logger
}

// Serve opens everything, says so, and forwards until a signal or an error.
// Being ready does not depend on an AWS service: none is called before the first
// client comes, but to look names up, and that only for so long.
func Serve(ctx context.Context, c Config) error {
	run, log := c.Config.Run, c.Log
	w := targets.New(log, c.Profiles)
	defer w.End(ctx)
	p := new(ports)
	var front front
	hangups := hangups{reloadable: run.ConfigFile != "", lost: terminalWatch()}
	stopped, err := unlessStopped(ctx, c.Signals, run, &hangups, func(ctx context.Context) (err error) {
		front, err = openFront(ctx, w, c.Config, p, log)
		return err
	})
	if stopped {
		p.close()
		return err
	}
	if err != nil {
		return err
	}
	certificate, ca := certificates(log)
	srv, err := proxy.New(proxy.Config{Routes: front.routes, Shared: front.shared, Default: defaultRoute(run, front.routes), Certificate: certificate,
		MaxConnections: run.MaxConnections, LoginTimeout: run.LoginTimeout, Log: log, Lull: debug.FreeOSMemory})
	if err != nil {
		p.close()
		return err
	}
	r := &reloading{stderr: c.Stderr, input: c.Input, run: run, said: c.Config.RunSettings, wiring: w, srv: srv, ca: ca, front: front, enrolled: new(running.Enrolment), log: log}
	r.enrol()
	defer r.enrolled.Withdraw()
	warn(log, front)
	tellWithout6(log, front)
	announce(ctx, c.Stderr, log, run, front)
	hangups.reload = r.reload
	return live(ctx, withdrawing{srv, r.enrolled}, c.Signals, run, hangups, log)
}

// withdrawing is a Server that says in the registry that it drains before it refuses
// clients: connect and exec must not be led to it then.
type withdrawing struct {
	*proxy.Server
	enrolled *running.Enrolment
}

func (w withdrawing) Shutdown(ctx context.Context) error {
	if err := w.enrolled.Drain(); err != nil {
		w.enrolled.Withdraw()
	}
	return w.Server.Shutdown(ctx)
}

// warn tells what works and may surprise.
func warn(log *slog.Logger, front front) {
	for _, w := range targets.StaleEnvironment(front.targets) {
		log.Warn(w)
	}
	moved := map[string][]string{}
	for _, t := range front.targets {
		if by := t.PortOverridden(); by != "" {
			moved[by] = append(moved[by], t.Name)
		}
	}
	for by, names := range moved {
		log.Warn(by+" overrides the port that the config file gives to targets", "targets", strings.Join(names, ", "))
	}
	for i, t := range front.targets {
		if !loopback.Is(t.Address) {
			log.Warn("whoever reaches this address is logged in without a password; localhost is for this machine alone",
				"address", front.address(i).String(), "route", t.Name)
		}
	}
}

// tellWithout6 says so where it is so.
func tellWithout6(log *slog.Logger, front front) {
	if front.without6 {
		log.Info("this machine has no ::1; clients reach localhost at 127.0.0.1 alone")
	}
}
