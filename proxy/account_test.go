package proxy

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

func TestStopwatchAddsUpRepeatedStages(t *testing.T) {
	t0 := time.Unix(1000, 0)
	var w stopwatch
	for i, stage := range []Stage{StageLookup, StageDial, StageTLS, StageDial, StageTLS, StageAuth} {
		w.enter(stage, t0.Add(time.Duration(i)*time.Second))
	}
	w.stop(t0.Add(6 * time.Second))
	w.stop(t0.Add(time.Hour)) // again, as a failed login does
	want := map[Stage]time.Duration{StageLookup: time.Second, StageDial: 2 * time.Second, StageTLS: 2 * time.Second, StageAuth: time.Second}
	if !maps.Equal(w.spent, want) {
		t.Errorf("spent %v, want %v", w.spent, want)
	}
	if w.stage != StageAuth {
		t.Errorf("the last stage is %q, want %q", w.stage, StageAuth)
	}
	var none *stopwatch
	none.enter(StageDial, t0)
}

func TestHistogramPutsEachDurationIntoOneBucket(t *testing.T) {
	bounds := []time.Duration{time.Millisecond, time.Second}
	h := newHistogram(bounds)
	if h.Count() != 0 {
		t.Errorf("an empty histogram counts %d", h.Count())
	}
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, time.Second, time.Hour} {
		h.observe(d)
	}
	if want := []int64{2, 2, 1}; !slices.Equal(h.Counts, want) || h.Count() != 5 {
		t.Errorf("counts are %v of %d, want %v of 5", h.Counts, h.Count(), want)
	}
	if want := time.Hour + time.Second + 2*time.Millisecond + 1; h.Sum != want {
		t.Errorf("sum is %v, want %v", h.Sum, want)
	}
}

// slow dials take a second.
type slowDialer struct{ Dialer }

func (d slowDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	time.Sleep(time.Second)
	return d.Dialer.DialContext(ctx, network, address)
}

// only is the snapshot of the only Route that has a name.
func (s Snapshot) only(t *testing.T) RouteSnapshot {
	t.Helper()
	named := slices.DeleteFunc(slices.Clone(s.Routes), func(r RouteSnapshot) bool { return r.Name == "" })
	if len(named) != 1 {
		t.Fatalf("%d routes, want 1: %+v", len(named), s.Routes)
	}
	return named[0]
}

func TestAccountOfALogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) { c.logIn(); c.untilTerminate() }, func(cfg *Config) {
			cfg.Routes[0].Dialer, cfg.Routes[0].Tunnel = slowDialer{cfg.Routes[0].Dialer}, true
		})
		if got := r.server.Snapshot().only(t); got.Name != host || got.Accepted != 0 {
			t.Errorf("before the first client: %+v", got)
		}
		c := r.established()
		time.Sleep(10 * time.Second)
		got := r.server.Snapshot().only(t)
		if got.Active != 1 || got.Starting != 0 || got.Peak != 1 || got.Logins != 1 || got.SessionTimes.Count() != 0 {
			t.Errorf("logged in: %+v", got)
		}
		if in := time.Until(got.RootExpires); in < 999*time.Hour || in > 1001*time.Hour {
			t.Errorf("the root ends in %v, want 1000 hours", in)
		}
		if got.LastLogin.Took != time.Second || got.LastLogin.In[StageTunnel] != time.Second {
			t.Errorf("last login %+v, want a second, all in the tunnel", got.LastLogin)
		}
		for _, stage := range []Stage{StageLookup, StageTunnel, StageTLS, StageCredentials, StageAuth} {
			if n := got.LoginTimes[stage].Count(); n != 1 {
				t.Errorf("%d times for stage %s, want 1", n, stage)
			}
		}
		if n := got.LoginTimes[StageDial].Count(); n != 0 {
			t.Errorf("%d times for a direct dial, want none", n)
		}
		c.send(terminate)
		c.Close()
		time.Sleep(10 * time.Second)
		got = r.server.Snapshot().only(t)
		if got.Active != 0 || got.Peak != 1 || got.SessionTimes.Count() != 1 || got.SessionTimes.Sum < 10*time.Second {
			t.Errorf("after the session: %+v", got)
		}
		r.stop()
	})
}

// What stays wrong for everybody makes a Route fail; the next login that works ends
// that, and one client's own mistake says nothing.
func TestRouteFailsUntilALoginWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan []byte, 1)
		r := newRig(t, func(c *databaseConn) {
			select {
			case no := <-answers:
				c.startup()
				c.send(no)
			default:
				c.logIn()
				c.untilTerminate()
			}
		}, nil)
		attempt := func(answer []byte) RouteSnapshot {
			t.Helper()
			answers <- answer
			c := r.dial()
			c.send(plainStartup)
			c.failed()
			c.Close()
			synctest.Wait()
			return r.server.Snapshot().only(t)
		}
		got := attempt(errorPacket("SFATAL", "C3D000", `Mdatabase "app" does not exist`))
		if !got.FailingSince.IsZero() || got.Refused != 1 {
			t.Errorf("after an unknown database: %+v", got)
		}
		began := time.Now()
		got = attempt(errorPacket("SFATAL", "C28000", "MPAM authentication failed"))
		time.Sleep(time.Minute)
		got = attempt(errorPacket("SFATAL", "C28000", "MPAM authentication failed"))
		if got.FailingSince.Before(began) || got.FailingSince.After(began.Add(time.Second*10)) {
			t.Errorf("failing since %v, want about %v", got.FailingSince, began)
		}
		if got.LastFailure.Stage != StageAuth || got.LastFailure.SQLState != "28000" || !got.LastFailure.At.After(got.FailingSince) {
			t.Errorf("last failure %+v", got.LastFailure)
		}
		var failures int64
		for f, n := range got.Failures {
			if f.Stage != StageAuth {
				t.Errorf("a failure at %q, want auth", f.Stage)
			}
			failures += n
		}
		if got.Refused != 3 || failures != 3 || got.Failed != 0 {
			t.Errorf("%d refused, %d failed, %d failures; want 3, 0, 3", got.Refused, got.Failed, failures)
		}
		c := r.established()
		synctest.Wait()
		if got := r.server.Snapshot().only(t); !got.FailingSince.IsZero() {
			t.Errorf("failing since %v after a login", got.FailingSince)
		}
		c.Close()
		r.stop()
	})
}

// unreachable is a Dialer that finds nothing.
type unreachable struct{ err error }

func (u unreachable) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, u.err
}

func TestFailureNamesStageAndCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, func(cfg *Config) {
			cfg.Routes[0].Dialer = unreachable{causes.DatabaseRefuses.New(causes.Facts{"jump host": "i-1", "endpoint": host}, errors.New("no"))}
			cfg.Routes[0].Tunnel = true
		})
		c := r.dial()
		c.send(plainStartup)
		said := c.failed()
		c.Close()
		synctest.Wait()
		got := r.server.Snapshot().only(t)
		if n := got.Failures[Failure{StageTunnel, causes.DatabaseRefuses.Name}]; n != 1 || got.Failed != 1 || got.Refused != 0 {
			t.Errorf("failures %v, %d failed; want one of the tunnel", got.Failures, got.Failed)
		}
		if got.LastFailure.Message != said['M'] || got.LastFailure.Hint != said['H'] {
			t.Errorf("last failure %+v, but its client got %q and %q", got.LastFailure, said['M'], said['H'])
		}
		r.stop()
	})
}

// A Route that a Replace drops keeps its account while it has sessions.
func TestAccountsFollowReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, orders, billing := replaceRig(t)
		names := func() (all []string) {
			for _, route := range r.server.Snapshot().Routes {
				if route.Name != "" {
					all = append(all, route.Name)
				}
			}
			return all
		}
		c := r.through(r.listener, "orders")
		if err := r.server.Replace([]Route{billing}, nil, ""); err != nil {
			t.Fatal(err)
		}
		if got, want := names(), []string{"billing", orders.Name}; !slices.Equal(got, want) {
			t.Errorf("routes %q, want %q", got, want)
		}
		c.leave()
		time.Sleep(10 * time.Second)
		if got, want := names(), []string{"billing"}; !slices.Equal(got, want) {
			t.Errorf("routes %q, want %q", got, want)
		}
		r.stop()
	})
}
