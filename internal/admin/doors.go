package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/secret"
)

// Bounds of one HTTP server, so that whoever reaches it cannot take much.
const (
	headerPatience  = 5 * time.Second
	readPatience    = 10 * time.Second
	writePatience   = time.Minute
	profilePatience = 5 * time.Minute // a profile is taken for as long as its request says
	idlePatience    = time.Minute
	maxHeader       = 16 << 10
	maxBody         = 4 << 10
	maxConns        = 64 // of one server; beyond that the one that has been idle longest goes
)

// farewell is what open requests have when the run ends.
const farewell = time.Second

// doors are the ways in: each has listeners and a handler.
type doors struct {
	private *running.Admin
	open    []*door
	http    netip.AddrPort // where HTTP is, for people; the zero value: nowhere
	pageOn  bool
}

// door is one HTTP server.
type door struct {
	server    *http.Server
	listeners []net.Listener
}

// page is the URL of the status page, or "".
func (d *doors) page() string {
	if !d.pageOn {
		return ""
	}
	return "http://" + net.JoinHostPort("localhost", strconv.Itoa(int(d.http.Port()))) + "/"
}

// Listen opens what the run's options name, and the private socket. A port that is
// taken is a causes.Misuse. That there is no private socket stops nobody: noSocket
// says why. It is called once, before Run.
func (a *Admin) Listen(ctx context.Context) (noSocket, err error) {
	run := a.cfg.Run
	defer func() {
		if err != nil {
			a.doors.close()
		}
	}()
	if run.HealthCheck || run.Prometheus || run.StatusPage {
		all, err := listen(ctx, run.HTTPAddress, run.HTTPPort, "--http-port")
		if err != nil {
			return nil, err
		}
		a.doors.add(all, a.public(), writePatience, a.cfg.Log, a.judged)
		a.doors.http, a.doors.pageOn = all[0].Addr().(*net.TCPAddr).AddrPort(), run.StatusPage
	}
	if run.Debug || run.QuitQuitQuit {
		all, err := listen(ctx, config.Localhost, run.AdminPort, "--admin-port")
		if err != nil {
			return nil, err
		}
		a.doors.add(all, a.operators(), profilePatience, a.cfg.Log, a.judged)
	}
	l, at, noSocket := listenPrivately(runtime.GOOS == "windows")
	if noSocket == nil {
		a.doors.add([]net.Listener{l}, a.owners(secret.New(at.Secret)), writePatience, a.cfg.Log, nil)
		a.doors.private = at
	}
	return noSocket, nil
}

// Private is where this user's commands reach the run; nil where they cannot.
func (a *Admin) Private() *running.Admin { return a.doors.private }

// HTTPAddress is where probes, metrics and the page are served; not valid where they
// are not.
func (a *Admin) HTTPAddress() netip.AddrPort { return a.doors.http }

// Page is the URL of the status page, without its token; empty where there is none.
func (a *Admin) Page() string { return a.doors.page() }

// Run answers, and takes samples, until ctx ends. It waits for everything that it has
// started, and closes what Listen has opened.
func (a *Admin) Run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { a.watch(ctx) })
	for _, d := range a.doors.open {
		for _, l := range d.listeners {
			all.Go(func() {
				if err := d.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
					a.cfg.Log.Warn("an administrative listener has ended", "address", l.Addr().String(), "error", err)
				}
			})
		}
	}
	<-ctx.Done()
	a.doors.close()
}

// add makes a door of listeners and a handler. judge, unless nil, sees each connection.
func (d *doors) add(listeners []net.Listener, handler http.Handler, patience time.Duration, log *slog.Logger,
	judge func(context.Context, net.Conn) context.Context) {
	kept := new(conns)
	d.open = append(d.open, &door{listeners: listeners, server: &http.Server{
		Handler:           http.MaxBytesHandler(handler, maxBody),
		ReadHeaderTimeout: headerPatience,
		ReadTimeout:       readPatience,
		WriteTimeout:      patience,
		IdleTimeout:       idlePatience,
		MaxHeaderBytes:    maxHeader,
		ConnState:         kept.changed,
		ConnContext:       judge,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}})
}

// close ends every door, after the answers that are under way.
func (d *doors) close() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	var all sync.WaitGroup
	for _, open := range d.open {
		all.Go(func() {
			if open.server.Shutdown(ctx) != nil {
				open.server.Close()
			}
			for _, l := range open.listeners {
				l.Close() // one that Serve has not seen
			}
		})
	}
	all.Wait()
}

// listen opens a port on an address; localhost means both of its addresses, as far as
// the machine has them.
func listen(ctx context.Context, host string, port int, option string) (all []net.Listener, err error) {
	for i, address := range (config.Options{Address: host}).Addresses() {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
		switch {
		case err == nil:
			all = append(all, l)
			port = l.Addr().(*net.TCPAddr).Port
		case i > 0 && !errors.Is(err, syscall.EADDRINUSE): // no IPv6 here
		default:
			for _, l := range all {
				l.Close()
			}
			return nil, causes.MisuseOf(fmt.Errorf("%s %d on %s: %w", option, port, address, reason(err)),
				fmt.Sprintf("choose another port with %s N, or 0 for a free one", option))
		}
	}
	return all, nil
}

// reason is what the system says, without the address that is named already.
func reason(err error) error {
	if in, ok := errors.AsType[*os.SyscallError](err); ok {
		return in.Err
	}
	return err
}

// listenPrivately listens where this user's commands alone can ask: in the private
// runtime directory or, overTCP, on loopback for those who know a secret.
func listenPrivately(overTCP bool) (net.Listener, *running.Admin, error) {
	if overTCP {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		return l, &running.Admin{Network: "tcp", Address: l.Addr().String(), Secret: newSecret()}, nil
	}
	path, err := running.AdminSocket()
	if err != nil {
		return nil, nil, err
	}
	os.Remove(path) // of a dead process with our number
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, nil, err
	}
	return l, &running.Admin{Network: "unix", Address: path}, nil
}
