package proxy

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
)

// listening is an open listener and where its clients are led.
type listening struct {
	net.Listener
	// route is nil for a shared listener. Sessions keep the one they began with.
	route   atomic.Pointer[served]
	dropped atomic.Bool // closed by Replace, which is no fault
}

// routing is what Replace exchanges.
type routing struct {
	routes    []*served
	byDefault string
	open      map[net.Listener]*listening
}

// newRouting checks routes, shared and byDefault, which are as in Config, and
// copies what it keeps.
func newRouting(routes []Route, shared []net.Listener, byDefault string) (routing, error) {
	if len(routes) == 0 {
		return routing{}, errors.New("proxy: no routes")
	}
	r := routing{byDefault: byDefault, open: map[net.Listener]*listening{}}
	for _, route := range routes {
		if err := route.check(len(shared) > 0); err != nil {
			return routing{}, err
		}
		route.Listen = slices.Clone(route.Listen)
		to := &served{Route: route}
		r.routes = append(r.routes, to)
		for _, l := range route.Listen {
			r.open[l] = &listening{Listener: l}
			r.open[l].route.Store(to)
		}
	}
	for _, l := range shared {
		r.open[l] = &listening{Listener: l}
	}
	if byDefault != "" && r.directory().fallback == nil {
		return routing{}, fmt.Errorf("proxy: no route named %q, the default", byDefault)
	}
	return r, nil
}

// directory is what the clients of shared listeners choose from.
func (r routing) directory() directory {
	d := directory{routes: r.routes}
	switch {
	case r.byDefault != "":
		d.fallback = d.find(r.byDefault)
	case len(d.routes) == 1:
		d.fallback = d.routes[0]
	}
	return d
}

// Replace puts routes, shared and byDefault (as in Config) in place of those
// there are, for the clients that come from now on; sessions go on as they
// began, those that are logging in too. A listener that was open stays so when
// it is among the new ones. The others of the old are closed; new ones must be
// open, and the Server owns them when Replace returns nil. With an error nothing
// has changed.
func (s *Server) Replace(routes []Route, shared []net.Listener, byDefault string) error {
	next, err := newRouting(routes, shared, byDefault)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping || s.closed {
		return errShuttingDown
	}
	before := s.routing
	for l, fresh := range next.open {
		if old, ok := before.open[l]; ok {
			old.route.Store(fresh.route.Load())
			next.open[l] = old
		} else if s.serving {
			s.serve(fresh)
		}
	}
	for l, old := range before.open {
		if _, stays := next.open[l]; !stays {
			old.dropped.Store(true)
			l.Close()
		}
	}
	s.routing = next
	s.tally.serve(next.routes)
	for _, old := range before.routes {
		old.replaced.Store(true)
		s.ready.of(old, readyReplaced)
	}
	return nil
}

// directory is that of the moment.
func (s *Server) directory() directory {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.routing.directory()
}

// onlyRoute is the Route of the moment, where there is one alone.
func (s *Server) onlyRoute() *served {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.routes) != 1 {
		return nil
	}
	return s.routes[0]
}

// closeListeners ends accepting, also for a Replace that comes later.
func (s *Server) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for l := range s.open {
		l.Close()
	}
}
