package proxy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

func TestRouteIsResolvedForEachLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stale []bool
		refuse := true
		r := newRig(t, func(c *databaseConn) {
			c.startup()
			if refuse {
				c.send(errorPacket("SFATAL", "VFATAL", "C28000", "Mno"))
				return
			}
			c.send(authRequest(0), readyForQuery)
			c.untilTerminate()
		}, func(cfg *Config) {
			whole := cfg.Routes[0]
			cfg.Routes[0] = Route{Name: "orders", Listen: whole.Listen, Resolve: func(_ context.Context, again bool) (Route, error) {
				stale = append(stale, again)
				if len(stale) == 1 {
					return Route{}, &statedError{"no database \"orders\"", "08001", "asked in eu-west-1", "name another"}
				}
				return whole, nil
			}}
		})
		defer r.stop()
		c := r.dial()
		c.send(plainStartup)
		told := c.failed()
		if told['M'] != `finding orders: no database "orders"` || told['C'] != "08001" || told['D'] != "asked in eu-west-1" || told['H'] != "name another" {
			t.Errorf("the client is told %q", told)
		}
		c = r.dial()
		c.send(plainStartup)
		if told := c.failed(); told['C'] != "28000" {
			t.Errorf("the database's refusal: %q", told)
		}
		refuse = false
		for range 2 {
			c = r.dial()
			c.send(plainStartup)
			c.expect(join(authRequest(0), readyForQuery))
			c.send(terminate)
			synctest.Wait() // how a login went is noted after ReadyForQuery
		}
		if want := []bool{false, false, true, false}; !slices.Equal(stale, want) {
			t.Errorf("asked with stale %v, want %v", stale, want)
		}
	})
}

func TestResolvedRouteMustBeWhole(t *testing.T) {
	r := Route{Name: "orders", Resolve: func(context.Context, bool) (Route, error) { return Route{Address: "h:1"}, nil }}
	if _, err := r.resolved(t.Context()); err == nil || !strings.Contains(err.Error(), "must be set") {
		t.Errorf("a route without a dialer: %v", err)
	}
	_, err := Probe(t.Context(), Route{Name: "orders", Resolve: func(context.Context, bool) (Route, error) {
		return Route{}, errors.New("no such name")
	}}, "u", "d", 0, func(s ProbeStep) {
		if s.Stage != ProbeDial || s.Err == nil {
			t.Errorf("told %+v", s)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "no such name") {
		t.Errorf("a probe without a database: %v", err)
	}
}
