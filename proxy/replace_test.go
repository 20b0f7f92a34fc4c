package proxy

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// replaceRig is a rig with two databases: orders, which the Server leads to at
// first, and billing. Each tells the client its own name and sends queries back.
func replaceRig(t *testing.T) (r *rig, orders, billing Route) {
	t.Helper()
	session := func(name string) func(*databaseConn) {
		return func(c *databaseConn) {
			c.startup()
			c.send(authRequest(0), parameterStatus("database", name), readyForQuery)
			for {
				m, err := readMessage(c)
				if err != nil || m[0] == 'X' {
					return
				}
				c.send(m)
			}
		}
	}
	ca := newAuthority(t, "another test CA")
	r = newRig(t, session("orders"), func(cfg *Config) { orders = cfg.Routes[0] })
	second := &database{t: t, tls: ca.serverConfig(t, host, time.Hour), session: session("billing")}
	t.Cleanup(second.wg.Wait)
	billing = orders
	billing.Name, billing.Dialer, billing.TLS = "billing", second, ca.clientConfig
	return r, orders, billing
}

// through logs a client in at l and expects it to be at the named database.
func (r *rig) through(l *pipeListener, name string) *client {
	r.t.Helper()
	conn, err := l.dial()
	if err != nil {
		r.t.Fatalf("dialling for %s: %v", name, err)
	}
	c := &client{conn, r.t}
	c.send(plainStartup)
	c.expect(join(authRequest(0), parameterStatus("database", name), readyForQuery))
	return c
}

func (c *client) works() {
	c.t.Helper()
	query := message('Q', []byte("still working\x00")...)
	c.send(query)
	c.expect(query)
}

func (c *client) leave() {
	c.send(terminate)
	c.Close()
}

func TestReplaceLetsSessionsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, orders, billing := replaceRig(t)
		old := r.through(r.listener, "orders")

		// The listener stays and leads elsewhere; another is new.
		added := newPipeListener()
		moved := orders
		moved.Name, moved.Listen = "orders2", []net.Listener{added}
		billing.Listen = []net.Listener{r.listener}
		if err := r.server.Replace([]Route{billing, moved}, nil, ""); err != nil {
			t.Fatal(err)
		}
		second, third := r.through(r.listener, "billing"), r.through(added, "orders")

		// The first listener goes; its sessions do not.
		if err := r.server.Replace([]Route{moved}, nil, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := r.listener.dial(); err == nil {
			t.Error("the listener that was left out is open")
		}
		fourth := r.through(added, "orders")
		time.Sleep(time.Hour)
		for _, c := range []*client{old, second, third, fourth} {
			c.works()
			c.leave()
		}
		synctest.Wait()
		select {
		case err := <-r.served:
			t.Fatalf("Serve ended with %v", err)
		default:
		}
		r.stop()
	})
}

// Who is logging in gets the database that the listener led to when it came.
func TestReplaceDuringALogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, billing := replaceRig(t)
		conn := r.dial()
		synctest.Wait() // accepted, and waited for
		if err := r.server.Replace([]Route{billing}, nil, ""); err != nil {
			t.Fatal(err)
		}
		conn.send(plainStartup)
		conn.expect(join(authRequest(0), parameterStatus("database", "orders"), readyForQuery))
		conn.leave()
		r.through(r.listener, "billing").leave()
		r.stop()
	})
}

func TestReplaceOnASharedListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, orders, billing := replaceRig(t)
		orders.Listen, billing.Listen = nil, nil
		shared := []net.Listener{r.listener}
		if err := r.server.Replace([]Route{orders, billing}, shared, "billing"); err != nil {
			t.Fatal(err)
		}
		r.through(r.listener, "billing").leave()
		if err := r.server.Replace([]Route{orders}, shared, ""); err != nil {
			t.Fatal(err)
		}
		r.through(r.listener, "orders").leave()
		r.stop()
	})
}

func TestReplaceThatIsRefusedChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, orders, billing := replaceRig(t)
		broken := billing
		broken.Address = ""
		for _, tt := range []struct {
			routes    []Route
			byDefault string
			err       string
		}{
			{nil, "", "no routes"},
			{[]Route{orders, broken}, "", "no address"},
			{[]Route{billing}, "orders", "no route named"},
		} {
			if err := r.server.Replace(tt.routes, nil, tt.byDefault); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Replace: %v, want %q", err, tt.err)
			}
		}
		r.through(r.listener, "orders").leave()
		r.stop()
	})
}

func TestReplaceBeforeServeAndAfterShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, orders, _ := replaceRig(t)
		r.stop()
		first, second := newPipeListener(), newPipeListener()
		orders.Listen = []net.Listener{first}
		s, err := New(Config{Routes: []Route{orders}})
		if err != nil {
			t.Fatal(err)
		}
		orders.Listen = []net.Listener{second}
		if err := s.Replace([]Route{orders}, nil, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := first.dial(); err == nil {
			t.Error("the first listener is open")
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(context.Background()) }()
		if c, err := second.dial(); err != nil {
			t.Errorf("dialling the second: %v", err)
		} else {
			c.Close()
		}
		if err := s.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		third := newPipeListener()
		orders.Listen = []net.Listener{third}
		if err := s.Replace([]Route{orders}, nil, ""); err == nil {
			t.Error("Replace after Shutdown succeeded")
		}
		select {
		case <-third.closed:
			t.Error("a refused Replace closed its caller's listener")
		default:
		}
	})
}

// Several at once, with clients coming and a Shutdown between them: for the race
// detector, and for goroutines that would stay.
func TestReplaceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, orders, billing := replaceRig(t)
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				mine := billing
				for range 20 {
					mine.Listen = []net.Listener{newPipeListener()}
					routes := []Route{orders, mine}
					if i%2 == 0 {
						routes = routes[:1]
					}
					if err := r.server.Replace(routes, nil, ""); err != nil {
						return
					}
				}
			})
			all.Go(func() {
				if c, err := r.listener.dial(); err == nil {
					c.Close()
				}
			})
		}
		all.Go(func() {
			if err := r.server.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		})
		all.Wait()
		r.stop()
	})
}
