package proxy

import (
	"context"
	"slices"
	"time"
)

// Ready logins: after a client has logged in, another login is made with the same
// StartupMessage, and kept for the next client that sends that (readypool.go).
//
// To the database it is a session as any other. The client gets what the database sent
// from AuthenticationOk to ReadyForQuery, and behind it what it has said since: byte for
// byte what it would have got from a login of its own, but for what has changed at the
// database in between.

// readyKey is for which clients a login of this one would do. ok is false where none is
// wanted.
func (s *session) readyKey() (key readyKey, ok bool) {
	if s.route.ReadyLogins == 0 || s.ping || !s.wants.mayBeReady() {
		return readyKey{}, false
	}
	return readyKeyOf(s.served, s.route.Address, s.identity, s.role, s.wants), true
}

// takeReady returns a login that is ready for this client, or nil. One that has ended, or
// that another would be made in place of now, is none.
func (s *session) takeReady() *readyLogin {
	key, ok := s.readyKey()
	if !ok {
		return nil
	}
	for {
		r := s.server.ready.take(key)
		if r == nil {
			return nil
		}
		said, rests := r.rest.stop()
		r.said = said
		switch {
		case !rests:
			s.server.ready.drop(r, readyEnded)
		case r.retired():
			s.server.ready.drop(r, readyRetired)
		case r.busy():
			s.server.ready.drop(r, readyBusy)
		case !time.Now().Before(r.expires):
			s.server.ready.drop(r, readyExpired)
		case !s.route.still(r.identity):
			s.server.ready.drop(r, readyIdentity)
			s.server.ready.of(s.served, readyIdentity)
		default:
			return r
		}
	}
}

// handOut gives r to the client.
func (s *session) handOut(r *readyLogin) (*upstream, error) {
	up := r.up
	s.server.tally.vouched(s.entry, up.ConnectionState())
	s.server.tally.edit(s.entry, func(e *SessionSnapshot) { e.PID, e.Target = r.pid, up.address })
	s.ssmSession, s.method = r.ssm, r.method
	if len(r.secret) >= minCancelKey {
		s.forget = append(s.forget, s.server.cancels.add(r.pid, r.secret, r.route, up.address))
	}
	err := s.auditLoginOf(AuditEvent{Took: time.Since(s.asked), Ready: r.made})
	if err == nil {
		whole, _, _ := atRest(r.said)
		up.begun, r.said = slices.Clone(r.said[whole:]), r.said[:whole:whole]
		up.boundary.follow(r.said)
		if _, failed := s.client.Write(slices.Concat(r.greeting, r.said)); failed != nil {
			err = clientGone(failed)
		}
	}
	if err != nil {
		s.server.ready.drop(r, readyEnded)
		return nil, err
	}
	s.server.ready.used(r)
	s.log.Debug("ready login handed out", "pid", r.pid, "made", r.made, "age", time.Since(r.made))
	up.ready = r
	return up, nil
}

// getReady has logins made for the clients that come next.
func (s *session) getReady(now time.Time) {
	key, ok := s.readyKey()
	if !ok {
		return
	}
	server, route, by, m := s.server, s.route, s.by(), s.wants
	server.ready.client(key, m.value("user"), route, route.ReadyLogins, now, func(ctx context.Context) (*readyLogin, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, server.loginTimeout, server.overdue)
		defer cancel()
		if !sleep(ctx, readyAfter) {
			return nil, context.Cause(ctx)
		}
		give, err := key.served.turns.take(ctx, by, true, nil)
		if err != nil {
			return nil, err
		}
		defer give()
		return server.makeReady(ctx, key, route, m, key.served.guesses.clearText(m.value("user")))
	})
}
