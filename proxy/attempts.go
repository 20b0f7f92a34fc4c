package proxy

import (
	"context"
	"errors"
	"time"
)

// logIn finds the database, connects to it and goes on until ReadyForQuery has
// been sent. waits is called before all that may take a while, in which the client may
// leave; a ready login takes none.
func (s *session) logIn(ctx context.Context, waits func()) (*upstream, error) {
	s.watch.enter(StageLookup, time.Now())
	if s.route.Resolve != nil {
		waits()
	}
	found, err := s.served.resolved(ctx)
	if err != nil {
		return nil, err
	}
	if found, err = s.own(found); err != nil {
		return nil, err
	}
	s.route = found
	if _, err := found.opening(s.wants); err != nil {
		return nil, err
	}
	if s.again == nil {
		if r := s.takeReady(); r != nil {
			return s.handOut(r)
		}
	}
	waits()
	return s.logInNow(ctx)
}

// logInNow is logIn once it is known where the database is, without a ready login.
func (s *session) logInNow(ctx context.Context) (*upstream, error) {
	up, err := s.attempts(ctx)
	s.served.outcome(ctx, err)
	return up, err
}

// by is the way of this client's logins.
func (s *session) by() way {
	if s.role == "" {
		return way{}
	}
	return way{s.role, s.identity}
}

// attempts logs in. It is repeated when the database has no room, and ready logins make
// some; once more, with a new token, when the database refused for a reason that may
// pass (pace.go); as rotated has it, when it refused the ordinary password, to this client
// or to another just before; and once more by the Route's Alternative. In between, and
// while AWS is asked why, others have their turn.
func (s *session) attempts(ctx context.Context) (*upstream, error) {
	up, err := (*upstream)(nil), s.refusedBefore()
	if err == nil {
		up, err = s.withRoom(ctx, s.guessed)
	}
	if s.ping {
		return up, err // whose words nobody reads
	}
	if s.route.passing(err) {
		up, err = s.retry(ctx, err)
	}
	if up, err = s.rotated(ctx, up, err); err != nil {
		up, err = s.otherwise(ctx, err)
	}
	return up, s.route.explain(ctx, err)
}

// withRoom is attempt in its turn, and another where ready logins make room for it.
func (s *session) withRoom(ctx context.Context, attempt func(context.Context) (*upstream, error)) (*upstream, error) {
	up, err := s.inTurn(ctx, attempt)
	if !s.ping && isFull(err) && s.server.ready.makeRoom(ctx, s.route.Address) {
		s.awaitRefused(ctx)
		s.log.Info("no room at the database, trying once more after giving up ready logins", "error", err)
		up, err = s.inTurn(ctx, s.unguessed)
	}
	s.closeRefused()
	return up, err
}

// awaitRefused waits until the database has ended the connection that it had no room for: a
// busy one is slow to end the process, which has a place of its own until then.
func (s *session) awaitRefused(ctx context.Context) {
	defer s.server.ready.bound(s.full.raw)()
	defer interrupt(ctx, s.full.raw)()
	s.full.abandon()
	s.full = nil
}

// closeRefused closes it, if it is there.
func (s *session) closeRefused() {
	if s.full != nil {
		s.full.raw.Close()
		s.full = nil
	}
}

// inTurn has attempt wait for its turn, which ends with it or is given back by giveTurn
// before.
func (s *session) inTurn(ctx context.Context, attempt func(context.Context) (*upstream, error)) (*upstream, error) {
	give, err := s.served.turns.take(ctx, s.by(), false, func(logins int) { s.route.expect(ctx, logins) })
	if err != nil {
		return nil, err
	}
	s.giveTurn = give
	defer func() {
		give()
		s.giveTurn = nil // a session may rest for hours
	}()
	began := time.Now()
	up, err := attempt(ctx)
	s.took = time.Since(began)
	return up, err
}

// guessed is an attempt with the token sent unasked, where the user's last login suggests
// it. If that was a wrong guess, it is repeated without.
func (s *session) guessed(ctx context.Context) (*upstream, error) {
	up, err := s.attempt(ctx, s.served.guesses.clearText(s.wants.value("user")))
	var wrong *wrongGuess
	if errors.As(err, &wrong) && ctx.Err() == nil {
		s.log.Debug("login repeated without an early token", "error", err)
		return s.unguessed(ctx)
	}
	return up, err
}

func (s *session) unguessed(ctx context.Context) (*upstream, error) { return s.attempt(ctx, false) }

// attempt is one login on a connection of its own. A key that the client is
// told is noted before the client can use it.
func (s *session) attempt(ctx context.Context, early bool) (*upstream, error) {
	s.letIn = false
	up, err := s.route.open(ctx, s.route.Address, s.server.firstByte, &s.watch)
	if err != nil {
		return nil, err
	}
	defer interrupt(ctx, up.raw)()
	s.server.tally.vouched(s.entry, up.ConnectionState())
	if over, ok := up.raw.(interface{ SSMSession() string }); ok {
		s.ssmSession = over.SSMSession()
	}
	l := &login{
		client:   s.client,
		server:   up,
		in:       messages{r: up},
		user:     s.wants.value("user"),
		route:    s.route,
		unserved: s.unserved,
		guesses:  &s.served.guesses,
		early:    early,
		watch:    &s.watch,
		admitted: s.auditLogin,
		asking:   s.giveTurn,
		key: func(pid uint32, secret []byte) {
			s.server.tally.edit(s.entry, func(e *SessionSnapshot) { e.PID, e.Target = pid, up.address })
			s.forget = append(s.forget, s.server.cancels.add(pid, secret, s.route, up.address))
		},
	}
	_, l.whole = up.raw.(retirer)
	if s.again != nil {
		s.again.instead(s, l, up)
	}
	admit := l.admitted
	l.admitted = func() error {
		s.method = l.method()
		return admit()
	}
	err = l.run(ctx, s.wants)
	s.letIn = l.letIn
	s.served.asked(l, err, s.log)
	if err != nil {
		var said *refusal
		if errors.As(err, &said) && said.code == stateShuttingDown {
			up.retire(failOverReason(said.code))
			s.server.ready.failover(s.route.Address)
		}
		if isFull(err) { // which withRoom closes
			s.full = up
			return nil, err
		}
		up.raw.Close()
		return nil, err
	}
	s.server.learn(s.served, l)
	up.boundary, up.begun = l.boundary, l.begun
	if method := l.method(); method != "" {
		s.log.Debug("logged in with a password", "method", method)
	}
	return up, nil
}
