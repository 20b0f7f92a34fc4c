package proxy

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Logins that come back do so one by one, and those for which it would take too long are
// refused at once, in nobody's place.
func TestPaceSpreadsLogins(t *testing.T) {
	var p pace
	now := time.Unix(1000, 0)
	most := int((paceMost-pacePause)/paceEvery) + 1
	if got, worth := p.wait(now, pacePause-1); worth {
		t.Errorf("one that has less time waits %v", got)
	}
	for i := range most {
		want := pacePause + time.Duration(i)*paceEvery
		if got, worth := p.wait(now, paceMost); got != want || !worth {
			t.Fatalf("login %d waits %v, %v; want %v", i, got, worth, want)
		}
	}
	if got, worth := p.wait(now, paceMost); worth {
		t.Errorf("one more waits %v", got)
	}
	if got, worth := p.wait(now.Add(time.Second), paceMost); !worth || got <= paceMost-time.Second {
		t.Errorf("a second later one waits %v, %v", got, worth)
	}
	if got, worth := p.wait(now.Add(time.Hour), paceMost); got != pacePause || !worth {
		t.Errorf("an hour later one waits %v, %v", got, worth)
	}
}

// tooFast refuses with what Aurora DSQL says.
func tooFast(c *databaseConn) {
	c.startup()
	c.send(errorPacket("SFATAL", "C53400", "MUnable to accept connection, rate exceeded."))
}

// A burst of logins that come too fast gets in, each at the second try. These are spread:
// as many as the pace allows come within half a second, and no more.
func TestTooFastIsTriedAgain(t *testing.T) {
	const (
		clients = 100
		window  = 500 * time.Millisecond
		most    = int((window+retryJitter)/paceEvery) + 1
	)
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int64
		var mu sync.Mutex
		var came []time.Duration
		var began time.Time
		r := newRig(t, func(c *databaseConn) {
			if attempts.Add(1) <= clients {
				tooFast(c)
				return
			}
			mu.Lock()
			came = append(came, time.Since(began))
			mu.Unlock()
			c.logIn()
			c.untilTerminate()
		}, func(cfg *Config) { cfg.Routes[0].Refusals = &fakeExplainer{passing: true} })
		began = time.Now()
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
		slices.Sort(came)
		if came[0] < pacePause || came[clients-1] > paceMost {
			t.Errorf("they came back after %v to %v, want %v at the earliest and %v at the latest", came[0], came[clients-1], pacePause, paceMost)
		}
		for i, at := range came {
			n, _ := slices.BinarySearch(came, at+window)
			if n -= i; n > most {
				t.Fatalf("%d came back from %v on within %v, want %d at most", n, at, window, most)
			}
		}
		if n := r.server.Snapshot().Retries; n != clients {
			t.Errorf("%d repeated logins counted, want %d", n, clients)
		}
		if !r.log.hasLine("database takes no more connections now, trying once more", "sqlstate=53400") || r.log.hasLine("new token") {
			t.Errorf("the log does not tell why:\n%s", r.log.bytes())
		}
	})
}

// A login that would wait for longer than it may take is refused at once, and takes no
// place among those that wait.
func TestTooFastWithoutTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, tooFast, func(cfg *Config) {
			cfg.Routes[0].Refusals = &fakeExplainer{passing: true}
			cfg.LoginTimeout = 2 * time.Second
		})
		next := time.Now().Add(3 * time.Second)
		line := &r.server.onlyRoute().pace
		line.next = next
		began := time.Now()
		c := r.dial()
		c.send(plainStartup)
		if got := c.failed(); got['C'] != "53400" {
			t.Errorf("got %q", got)
		}
		if took := time.Since(began); took >= pacePause+farewell {
			t.Errorf("the client waited %v for nothing", took)
		}
		r.stop()
		if line.next != next {
			t.Errorf("the next place is %v later", line.next.Sub(next))
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
