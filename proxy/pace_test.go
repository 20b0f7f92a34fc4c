package proxy

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Logins that come back do so one by one, and those for which it would take too long are
// told at once.
func TestPaceSpreadsLogins(t *testing.T) {
	var p pace
	now := time.Unix(1000, 0)
	most := int((paceMost-pacePause)/paceEvery) + 1
	for i := range most {
		want := pacePause + time.Duration(i)*paceEvery
		if got, worth := p.wait(now); got != want || !worth {
			t.Fatalf("login %d waits %v, %v; want %v", i, got, worth, want)
		}
	}
	if got, worth := p.wait(now); worth {
		t.Errorf("one more waits %v", got)
	}
	if got, worth := p.wait(now.Add(time.Second)); !worth || got <= paceMost-time.Second {
		t.Errorf("a second later one waits %v, %v", got, worth)
	}
	if got, worth := p.wait(now.Add(time.Hour)); got != pacePause || !worth {
		t.Errorf("an hour later one waits %v, %v", got, worth)
	}
}

// tooFast refuses with what Aurora DSQL says.
func tooFast(c *databaseConn) {
	c.startup()
	c.send(errorPacket("SFATAL", "C53400", "MUnable to accept connection, rate exceeded."))
}

// A burst of logins that come too fast gets in, each at the second try, and not all of
// these at once.
func TestTooFastIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients = 20
		var attempts atomic.Int64
		var mu sync.Mutex
		var came []time.Time
		r := newRig(t, func(c *databaseConn) {
			if attempts.Add(1) <= clients {
				tooFast(c)
				return
			}
			mu.Lock()
			came = append(came, time.Now())
			mu.Unlock()
			c.logIn()
			c.untilTerminate()
		}, func(cfg *Config) { cfg.Routes[0].Refusals = &fakeExplainer{passing: true} })
		began := time.Now()
		var all sync.WaitGroup
		for range clients {
			all.Go(func() {
				c := r.established()
				c.send(terminate)
				c.Close()
			})
		}
		all.Wait()
		r.stop()
		if len(came) != clients {
			t.Fatalf("%d logins came back, want %d", len(came), clients)
		}
		first, last := came[0], came[0]
		for _, at := range came {
			if at.Before(first) {
				first = at
			}
			if at.After(last) {
				last = at
			}
		}
		if wait := first.Sub(began); wait < pacePause {
			t.Errorf("the first came back after %v, want %v", wait, pacePause)
		}
		if over := last.Sub(first); over < (clients-1)*paceEvery-retryJitter || last.Sub(began) > pacePause+clients*paceEvery+retryJitter {
			t.Errorf("they came back within %v, the last after %v", over, last.Sub(began))
		}
		if n := r.server.Snapshot().Retries; n != clients {
			t.Errorf("%d repeated logins counted, want %d", n, clients)
		}
	})
}

// A second refusal is the client's, as a warning in the log: nobody needs to mend pgkeyless.
func TestTooFastTwiceIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int64
		r := newRig(t, func(c *databaseConn) { attempts.Add(1); tooFast(c) }, func(cfg *Config) {
			cfg.Routes[0].Refusals = &fakeExplainer{passing: true}
		})
		c := r.dial()
		c.send(plainStartup)
		if got := c.failed(); got['C'] != "53400" || got['M'] != "Unable to accept connection, rate exceeded." {
			t.Errorf("got %q", got)
		}
		r.stop()
		if n := attempts.Load(); n != 2 {
			t.Errorf("%d logins, want 2", n)
		}
		if !r.log.hasLine("session ended", "rate exceeded", "sqlstate=53400") {
			t.Errorf("the log does not tell:\n%s", r.log.bytes())
		}
	})
}
