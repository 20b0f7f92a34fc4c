package serving

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/access"
	"github.com/pgkeyless/pgkeyless/internal/admin"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/supervisor"
	"github.com/pgkeyless/pgkeyless/internal/targets"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// Config is one run.
type Config struct {
	Input   config.Input  // what Config was loaded from; a reload loads it again
	Config  config.Config // what is served at first
	Release string        // version of pgkeyless
	// Profiles holds the AWS credentials.
	Profiles *credentials.Profiles
	// Signals are those that end the run, and SIGHUP.
	Signals <-chan os.Signal
	// Inherited are sockets that the process was started with: one that is named like
	// a target serves that, SharedPort the port that targets share.
	Inherited []supervisor.Socket
	// Supervisor hears how the run goes; nil is nobody.
	Supervisor Supervisor
	// Stderr takes the lines for people, Log what happens.
	Stderr io.Writer
	Log    *slog.Logger
}

// Serve opens everything, says so, and forwards until a signal, a request or an
// error. Being ready does not depend on an AWS service: none is called before the
// first client comes, but to look names up, and that only for so long.
func Serve(ctx context.Context, c Config) error {
	run, events := c.Config.Run, admin.NewEvents()
	log := slog.New(slog.NewMultiHandler(c.Log.Handler(), events))
	c.Profiles.Log = log
	ready, err := openReady(run.ReadyFD)
	if err != nil {
		return err
	}
	defer ready.Close()
	clients, err := newClients(run, c.Input.Environ, log)
	if err != nil {
		return err
	}
	clients.may.Replace(entries(c.Config.Users))
	wanted, quit := withRequests(c.Signals)
	defer wanted.stop()
	w := targets.New(log, c.Profiles)
	r := &reloading{stderr: c.Stderr, input: c.Input, run: run, said: c.Config.RunSettings, wiring: w, may: clients.may, enrolled: new(running.Enrolment), passwords: clients.passwords, log: log}
	r.admin = admin.New(admin.Config{Run: run, Release: c.Release, Started: time.Now(), Log: log, Events: events, Profiles: c.Profiles, Wiring: w,
		Admit: clients.local.Admit, Reload: r.onRequest, Quit: quit})
	if r.audit, err = openAudit(run, r.admin); err != nil {
		return err
	}
	defer r.audit.close()
	noSocket, err := r.admin.Listen(ctx)
	if err != nil {
		return err
	}
	defer inBackground(r.admin.Run)()
	defer w.End(ctx)
	p := &ports{inherited: c.Inherited}
	var front front
	hangups := hangups{reloadable: run.ConfigFile != "" || run.AuditLog != "", lost: terminalWatch()}
	stopped, err := unlessStopped(ctx, wanted.signals, run, &hangups, func(ctx context.Context) (err error) {
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
	certificate, ca := clients.certificates(log)
	srv, err := proxy.New(proxy.Config{Routes: front.routes, Shared: front.shared, Default: defaultRoute(run, front.routes), Certificate: certificate,
		MaxConnections: run.MaxConnections, LoginTimeout: run.LoginTimeout, Log: log, Peer: new(access.Peers).Of,
		Admit: clients.admit, Proof: clients.proof, Grants: clients.may.Grant, RequireTLS: run.RequireTLS, Balancers: run.Balancers(), Audit: r.audit.write,
		Peers: peersOf(run), ForwardCancels: run.ForwardCancels, Lookup: net.DefaultResolver.LookupNetIP, Lull: debug.FreeOSMemory,
		BrowserHint: browserHint(r.admin)})
	if err != nil {
		p.close()
		return err
	}
	sup := &supervised{supervisor: c.Supervisor, status: func() string { return r.admin.Document().Line() }, atMost: run.MaxSigtermDelay}
	if c.Supervisor == nil {
		sup.supervisor = alone{}
	}
	r.begin(srv, ca, sup, front)
	r.enrolled.Administer(r.admin.Private())
	if err := clients.passwords.serve(front); err != nil {
		p.close()
		return err
	}
	defer clients.passwords.withdraw() // where no signal ends the run
	r.enrol()
	defer r.enrolled.Withdraw()
	warn(log, run, front, c.Config.Users)
	tellWithout6(log, front)
	if noSocket != nil {
		log.Info("status and the other commands will not find this proxy", "reason", display.Line(noSocket.Error()))
	}
	announce(ctx, c.Stderr, log, run, front)
	clients.passwords.tell(ctx, c.Stderr, log, run)
	tellHTTP(ctx, c.Stderr, log, run, r.admin)
	if err := tellReady(ready, front); err != nil {
		log.Error("the ready lines could not be written", "error", display.Line(err.Error()))
	}
	defer inBackground(func(ctx context.Context) { warnOfMissing(ctx, log, front.targets, c.Profiles) })()
	hangups.reload = func(ctx context.Context) { _ = r.reload(ctx) } // which logs its error
	sup.ready()
	defer inBackground(func(ctx context.Context) { warmUp(ctx, log, front) })()
	defer sup.keep(r.admin)()
	return live(ctx, withdrawing{srv, r.enrolled, clients.passwords}, wanted.signals, run, hangups, func() { r.admin.Draining(); sup.stopping() }, log)
}

// inBackground runs work until the function is called that it returns, which waits.
func inBackground(work func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { work(ctx) })
	return func() { cancel(); done.Wait() }
}

// withdrawing is a Server that, before it refuses clients, says in the registry that it
// drains, and takes its lines out of the password file: connect and exec must not be led
// to it then, and no client may send the password to whoever takes its port.
type withdrawing struct {
	*proxy.Server
	enrolled  *running.Enrolment
	passwords *localPassword
}

func (w withdrawing) Shutdown(ctx context.Context) error {
	if err := w.enrolled.Drain(); err != nil {
		w.enrolled.Withdraw()
	}
	w.passwords.withdraw()
	return w.Server.Shutdown(ctx)
}

// warn tells what works and may surprise.
func warn(log *slog.Logger, run config.Run, front front, users []config.User) {
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
		log.Warn(by+" overrides the ports of targets in the config file", "targets", strings.Join(names, ", "))
	}
	if from := run.Balancers(); from != nil {
		log.Info("TCP connections from these addresses must begin with a PROXY protocol header", "from", fmt.Sprint(from))
	}
	for i, t := range front.targets {
		if a := front.beyond(i); a != nil && run.Auth == config.AuthNone {
			log.Warn("anyone who reaches this address is logged in without a password; localhost is for this machine only",
				"address", a.String(), "route", t.Name)
		}
	}
	if run.ForwardCancels && run.Peers == "" {
		for _, t := range front.targets {
			if t.Via != config.ViaNone && t.Via != "" && slices.ContainsFunc(users, func(u config.User) bool { return tunnelsAs(u, t) }) {
				log.Warn("a cancel request that is forwarded does not use the client's role-arn: its SSM session is pgkeyless's own, or fails; use peers instead of forward-cancels", "route", t.Name)
			}
		}
	}
}

// tunnelsAs reports whether logins of u to t have SSM sessions of a role.
func tunnelsAs(u config.User, t config.Target) bool {
	return u.RoleARN != "" && (len(u.Targets) == 0 || slices.ContainsFunc(u.Targets, func(name string) bool { return strings.EqualFold(name, t.Name) }))
}

// tellWithout6 says so where it is so.
func tellWithout6(log *slog.Logger, front front) {
	if front.without6 {
		log.Info("this machine has no ::1; clients reach localhost at 127.0.0.1 only")
	}
}
