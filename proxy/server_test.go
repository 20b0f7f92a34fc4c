package proxy

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestShutdownLetsSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			for {
				m, err := readMessage(c)
				if err != nil || m[0] == 'X' {
					return
				}
				c.send(m)
			}
		}, nil)
		established := r.established()
		r.server.routes[0].Dialer = stuckDial(make(chan error, 1))
		dialling := r.dial()
		dialling.send(plainStartup)
		quiet := r.dial()
		synctest.Wait()

		down := make(chan error, 1)
		go func() { down <- r.server.Shutdown(context.Background()) }()
		var refused sync.WaitGroup
		for name, c := range map[string]*client{"dialling": dialling, "quiet": quiet} {
			refused.Go(func() {
				if got := c.failed(); got['C'] != "57P01" {
					t.Errorf("%s client got %q, want 57P01", name, got)
				}
				c.Close()
			})
		}
		refused.Wait()
		if _, err := r.listener.dial(); err == nil {
			t.Error("the listener is open")
		}
		time.Sleep(time.Hour)
		query := message('Q', []byte("still working\x00")...)
		established.send(query)
		established.expect(query)
		select {
		case err := <-down:
			t.Errorf("Shutdown returned %v while a session goes on", err)
		default:
		}
		established.send(terminate)
		established.Close()
		if err := <-down; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-r.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		r.served <- nil
		r.stop()
	})
}

func TestShutdownCutsAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.untilTerminate()
		}, nil)
		c := r.established()
		told := make(chan map[byte]string, 1)
		go func() { told <- c.failed() }()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		if err := r.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v, want deadline exceeded", err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("took %v, want 10s", took)
		}
		if got := <-told; got['S'] != "FATAL" || got['C'] != "57P01" || got['M'] != "the proxy is shutting down" {
			t.Errorf("the client was told %q", got)
		}
		if err := <-r.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if !r.log.hasLine("session ended", "level=INFO", `reason="proxy shut down"`) {
			t.Errorf("want proxy shut down in\n%s", r.log.bytes())
		}
		if err := r.server.Shutdown(t.Context()); err != nil {
			t.Errorf("second Shutdown: %v", err)
		}
		r.served <- nil
		r.stop()
	})
}

func TestCancelledServeEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.untilTerminate()
		}, nil)
		c := r.established()
		told := make(chan map[byte]string, 1)
		go func() { told <- c.failed() }()
		starting := r.dial()
		synctest.Wait()
		go r.cut()
		if got := starting.failed(); got['C'] != "57P01" {
			t.Errorf("got %q, want 57P01", got)
		}
		began := time.Now()
		if err := <-r.served; !errors.Is(err, context.Canceled) {
			t.Errorf("Serve: %v, want context canceled", err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("took %v", took)
		}
		if got := <-told; got['C'] != "57P01" {
			t.Errorf("the established client was told %q, want 57P01", got)
		}
		r.served <- nil
		r.stop()
	})
}

// Words of the proxy's own must not land inside a message of the database, and a
// client that reads nothing is not waited for.
func TestCancelledServeInTheMiddle(t *testing.T) {
	for _, test := range []struct {
		name  string
		sent  []byte
		reads bool
		takes time.Duration
	}{
		{"of a message", message('D', make([]byte, 100)...)[:20], true, 0},
		{"of an answer that nobody reads", message('D', make([]byte, 100)...), false, farewell},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *databaseConn) {
					c.logIn()
					c.send(test.sent)
					c.untilTerminate()
				}, nil)
				c := r.established()
				if test.reads {
					c.expect(test.sent)
				}
				synctest.Wait()
				began := time.Now()
				go r.cut()
				if err := <-r.served; !errors.Is(err, context.Canceled) {
					t.Errorf("Serve: %v, want context canceled", err)
				}
				if took := time.Since(began); took != test.takes {
					t.Errorf("took %v, want %v", took, test.takes)
				}
				c.expectEnd()
				r.served <- nil
				r.stop()
			})
		})
	}
}

// A client that stays after its ErrorResponse holds nobody up.
func TestCancelledServeDoesNotWaitForFarewells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		c := r.dial()
		defer c.Close()
		c.send(startupPacket(2<<16, "user", "u"))
		if m, err := readMessage(c); err != nil || m[0] != 'E' {
			t.Fatalf("got %q (%v), want an ErrorResponse", m, err)
		}
		synctest.Wait()
		began := time.Now()
		r.stop()
		if took := time.Since(began); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestServeAfterShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		s := newServer(t, l)
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if _, err := l.dial(); err == nil {
			t.Error("the listener is open")
		}
		if err := s.Serve(t.Context()); err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := s.Serve(t.Context()); err == nil {
			t.Error("Serve twice: no error")
		}
	})
}

// newServer makes a Server that no client gets through.
func newServer(t *testing.T, l net.Listener) *Server {
	t.Helper()
	s, err := New(Config{Routes: []Route{{
		Name: host, Listen: []net.Listener{l}, Address: host + ":5432",
		Dialer: stuckDial(make(chan error, 99)), Tokens: new(fakeTokens), TLS: newAuthority(t, "CA").clientConfig,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// moodyListener fails a few times before each client.
type moodyListener struct {
	*pipeListener
	fail  int
	times []time.Time
}

func (l *moodyListener) Accept() (net.Conn, error) {
	if l.times = append(l.times, time.Now()); l.fail > 0 {
		l.fail--
		return nil, os.NewSyscallError("accept4", syscall.EMFILE)
	}
	return l.pipeListener.Accept()
}

func TestAcceptGoesOnAfterErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &moodyListener{pipeListener: newPipeListener(), fail: 10}
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.untilTerminate()
		}, func(cfg *Config) { cfg.Routes[0].Listen = []net.Listener{l} })
		r.listener = l.pipeListener
		r.established().Close()
		r.stop()
		for i, want := range []time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000} {
			if got := l.times[i+1].Sub(l.times[i]); got != want*time.Millisecond {
				t.Errorf("wait %d was %v, want %v", i, got, want*time.Millisecond)
			}
		}
		if !r.log.hasLine("level=WARN", "too many open files", "ulimit -n") {
			t.Errorf("no warning in\n%s", r.log.bytes())
		}
	})
}

func TestListenerClosedByOthersEndsServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		s := newServer(t, l)
		served := make(chan error)
		go func() { served <- s.Serve(t.Context()) }()
		synctest.Wait()
		l.Close()
		if err := <-served; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve: %v, want net.ErrClosed", err)
		}
	})
}

func TestUnixSocketHasNoTLS(t *testing.T) {
	dir, err := os.MkdirTemp("", "pgk") // short: a socket's path is limited
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, ".s.PGSQL.5432")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(c *databaseConn) {
		c.logIn()
		c.untilTerminate()
	}, func(cfg *Config) { cfg.Routes[0].Listen = []net.Listener{l} })
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{conn, t}
	c.send(sslRequest)
	c.expect([]byte{'N'})
	c.send(plainStartup)
	c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
	c.send(terminate)
	c.expectEnd()
	c.Close()
	r.stop()
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket file is left")
	}
}

func TestNewChecksItsConfig(t *testing.T) {
	whole := Route{
		Name: host, Listen: []net.Listener{newPipeListener()}, Address: host + ":5432",
		Dialer: new(net.Dialer), Tokens: new(fakeTokens), TLS: newAuthority(t, "CA").clientConfig,
	}
	if _, err := New(Config{Routes: []Route{whole}}); err != nil {
		t.Fatalf("a whole route: %v", err)
	}
	tests := map[string]func(*Config){
		"no routes":              func(c *Config) { c.Routes = nil },
		"a route without a name": func(c *Config) { c.Routes[0].Name = "" },
		"no listener":            func(c *Config) { c.Routes[0].Listen = nil },
		"no address":             func(c *Config) { c.Routes[0].Address = "" },
		"Dialer":                 func(c *Config) { c.Routes[0].Dialer = nil },
		"Tokens":                 func(c *Config) { c.Routes[0].Tokens = nil },
		"TLS":                    func(c *Config) { c.Routes[0].TLS = nil },
		"NUL":                    func(c *Config) { c.Routes[0].User = "a\x00b" },
		"a negative limit":       func(c *Config) { c.MaxConnections = -1 },
	}
	for want, change := range tests {
		cfg := Config{Routes: []Route{whole}}
		change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v", want, err)
		}
	}
}
