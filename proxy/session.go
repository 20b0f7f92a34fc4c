package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/slow"
)

const (
	// farewell bounds the time that last words may take to reach a client:
	// writing them, and waiting until it has closed. A conn closed with bytes
	// unread would reset, and some systems then drop what the peer has not
	// read yet.
	farewell = time.Second
	// patience is how long a login may take without a word in the log: longer
	// than one that starts an SSM session.
	patience = 5 * time.Second
	// maxFarewell bounds how much of what a client still sends is read then.
	maxFarewell = 64 << 10
)

// keepAlive finds clients that are gone without a word: after 30 s of silence,
// six probes 10 s apart.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 6}

// session is one client connection, accept to close. It is used by one
// goroutine at a time.
type session struct {
	server *Server
	served *served // nil until the client of a shared listener has named it
	route  *Route  // where it leads, for this login
	log    *slog.Logger
	client net.Conn // replaced by its TLS
	began  time.Time
	// arrival is the number of its connection, in the order of accepting.
	arrival uint64
	entry   *entry // what others see of it
	barred  error  // why this client may not connect; nil: it may
	shown   *x509.Certificate
	origin  netip.AddrPort // of the client, where a balancer has said so
	// identity is who the client has proved to be, role whose rights its login needs
	// beside those of the Route; both may be "".
	identity, role string
	// method is how the database asked for an ordinary password; "" for a token.
	method string
	// ssmSession is the id of what carries its stream; "" without a tunnel.
	ssmSession string

	wants    startupMessage // what the database is sent
	unserved *unserved      // behind the user in it
	named    bool           // the client has sent a StartupMessage
	ping     bool           // it only asks whether there is a server
	counts   bool           // among the Server's sessions
	forget   []func()       // takes out the cancel keys that were noted
	again    *again         // not nil: the client has a ReadyForQuery already
	guards   []Setting      // that a Grant adds to the Route's
	letIn    bool           // the last login got as far as AuthenticationOk
	giveTurn func()         // ends the turn of the login under way
	took     time.Duration  // the last login, with its connection

	leaveLobby func()
	asked      time.Time // when the StartupMessage had come
	watch      stopwatch // of the login since then
}

// run serves the client until it is done with, in part by a goroutine of all's.
// starting ends when sessions that are not logged in must go, ctx when all must.
//
// The relay may rest for hours. It gets a goroutine, with a small stack: that of
// the login has grown, by TLS, and goes.
func (s *session) run(ctx, starting context.Context, all *sync.WaitGroup) {
	ctx, cut := context.WithCancelCause(ctx)
	up, early := s.begin(starting, cut)
	rest := func() {
		defer cut(nil)
		defer s.close(ctx)
		if up != nil && up.ready != nil {
			up, early = s.settle(ctx, up, early)
		}
		if up != nil {
			s.relay(ctx, up, early)
		}
	}
	if up == nil {
		rest()
		return
	}
	all.Go(rest)
}

// begin goes through everything before the relay, under the login deadline, and
// refuses who cannot be logged in. cut ends the session. A nil upstream has
// nothing to relay.
func (s *session) begin(starting context.Context, cut context.CancelCauseFunc) (*upstream, []byte) {
	login, gone := context.WithCancelCause(starting)
	defer gone(nil)
	end := func(why error) { gone(why); cut(why) }
	s.leaveLobby = s.server.lobby.enter(s.arrival, func() { end(errCrowded) })
	s.server.tally.allow(s.entry, end)
	login, stop := context.WithTimeoutCause(login, s.server.loginTimeout, s.server.overdue)
	defer stop()
	if err := s.settleOrigin(login); err != nil {
		s.refuse(err, ended(login, err))
		return nil, nil
	}
	release := interrupt(login, s.client)
	up, early, err := s.start(login, gone)
	release()
	if err != nil {
		s.refuse(err, s.route.waking(ended(login, err)))
	}
	return up, early
}

// start goes through the steps of begin. A nil upstream without an
// error was a CancelRequest, which is done with.
func (s *session) start(ctx context.Context, gone func(error)) (up *upstream, early []byte, err error) {
	client, wanted, err := greet(s.client, s.offered(), func() { s.prepare(ctx) })
	s.client = client
	if err != nil {
		return nil, nil, err
	}
	m, ok := wanted.(startupMessage)
	s.introduce(m)
	if s.barred != nil {
		if s.named = ok; !ok {
			s.auditLater(AuditEvent{Kind: AuditCancel, Reason: "refused"})
		}
		return nil, nil, s.barred
	}
	if _, secure := client.(*tls.Conn); ok && s.server.requireTLS && !secure && client.LocalAddr().Network() != "unix" {
		s.named = true
		return nil, nil, causes.NeedsTLS.New(nil, nil)
	}
	if !ok {
		s.cancel(ctx, wanted.(*pgproto3.CancelRequest))
		return nil, nil, nil
	}
	s.ping = isPing(m)
	if s.served == nil {
		if m, err = s.choose(m); err != nil {
			s.named = true
			return nil, nil, err
		}
	}
	s.named = true
	s.wants = s.route.rewrite(m) // as far as is known; who is refused is told, and audited, by it
	s.introduce(s.wants)
	if err := s.prove(ctx, m); err != nil {
		return nil, nil, err
	}
	if err := s.granted(m); err != nil {
		return nil, nil, err
	}
	sent := m.size()
	s.wants, s.asked = s.route.rewrite(s.signed(m)), time.Now()
	s.introduce(s.wants)
	s.log.Info("client accepted", "user", s.wants.value("user"), "database", s.wants.value("database"),
		"application_name", s.wants.value("application_name"))
	if s.wants.value("user") == "" {
		return nil, nil, causes.NoUser.New(nil, nil)
	}
	if size := s.wants.size(); size > maxStartup {
		return nil, nil, causes.StartupTooLong.New(causes.Facts{"length": strconv.Itoa(size), "limit": strconv.Itoa(maxStartup), "sent": strconv.Itoa(sent)}, nil)
	}
	if err := s.server.enter(); err != nil {
		return nil, nil, err
	}
	s.counts = true
	s.leaveLobby()

	watch, told := watchClient(s.client, gone), s.whenSlow()
	up, err = s.logIn(ctx)
	told()
	now := time.Now()
	s.watch.stop(now)
	if err == nil {
		s.server.tally.loggedIn(s.entry, &s.watch, s.asked, now)
		s.getReady(now)
		s.record(slog.LevelDebug, "logged in", append([]slog.Attr{slog.Duration("duration", now.Sub(s.asked))}, s.watch.attrs()...))
	}
	return up, watch.stop(), err
}

// prepare has the way to the database prepared for a client that is about to log in, where
// it can be only one: the client has asked for TLS, and its login is a handshake away. A
// connection that says nothing, such as a health check's, prepares nothing. Where clients
// have to prove who they are, none does: anyone can ask for TLS, and a login follows the
// proof at once.
func (s *session) prepare(ctx context.Context) {
	to := s.served
	if to == nil {
		to = s.server.onlyRoute()
	}
	if to == nil || s.barred != nil || s.server.proof != nil || to.Dialer == nil {
		return
	}
	to.expect(ctx, 1)
}

// introduce notes what the client says of itself, as far as others may know it.
func (s *session) introduce(m startupMessage) {
	s.server.tally.edit(s.entry, func(e *SessionSnapshot) {
		e.User, e.Database, e.ApplicationName = m.value("user"), m.value("database"), m.value("application_name")
		_, e.TLS = s.client.(*tls.Conn)
	})
}

// whenSlow logs that the client still waits, should patience pass before stop is
// called.
func (s *session) whenSlow() (stop func()) {
	return slow.After(patience, func() {
		said := []any{"at_most", s.server.loginTimeout}
		if pauses := time.Duration(s.served.pauses.Load()); pauses > 0 {
			said = append(said, "hint", pausing(pauses))
		}
		s.log.Info("client still waits for its login", said...)
	})
}

// choose takes the Route that m, or the client's TLS, names, and returns m
// without that name.
func (s *session) choose(m startupMessage) (startupMessage, error) {
	c, err := s.server.directory().choose(s.serverName(), m)
	if err != nil {
		return m, err
	}
	s.take(c.route)
	s.unserved = c.unserved
	return c.wants, nil
}

// serverName is that of the client's TLS, or "".
func (s *session) serverName() string {
	if secure, ok := s.client.(*tls.Conn); ok {
		return secure.ConnectionState().ServerName
	}
	return ""
}

// take settles where the client is led.
func (s *session) take(to *served) {
	s.served, s.route, s.log = to, &to.Route, s.log.With("route", to.Name)
	s.server.tally.led(s.entry, to.Name)
}

// offered is the TLS that clients are offered. On a Unix socket it is nil: like
// PostgreSQL, the proxy has none there.
func (s *session) offered() *tls.Config {
	if s.client.LocalAddr().Network() == "unix" {
		return nil
	}
	if s.server.proof == nil {
		return s.server.tls
	}
	// crypto/tls does not say which certificate it has shown, to which a proof may be
	// bound.
	cfg := s.server.tls.Clone()
	cfg.ClientAuth = tls.RequestClientCert
	cfg.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := s.server.certificate(hello)
		if err == nil {
			s.shown, err = leafOf(cert)
		}
		return cert, err
	}
	return cfg
}

// logIn finds the database, connects to it and goes on until ReadyForQuery has
// been sent.
func (s *session) logIn(ctx context.Context) (*upstream, error) {
	s.watch.enter(StageLookup, time.Now())
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
	if s.ping || !isFull(err) || !s.server.ready.makeRoom(ctx, s.route.Address) {
		return up, err
	}
	s.log.Info("no room at the database, trying once more after giving up ready logins", "error", err)
	return s.inTurn(ctx, s.unguessed)
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

// relay carries bytes until both sides have ended, and logs how.
func (s *session) relay(ctx context.Context, up *upstream, early []byte) {
	r := &relay{client: s.client, server: up, linger: s.server.linger, loops: &s.server.loops, buffers: &s.server.buffers,
		name: s.route.Name, over: s.route.Ended, traffic: &s.entry.traffic}
	if address, moves, to := s.route.Address, s.route.Moves, s.served; s.route.ReadyLogins > 0 || moves {
		r.failover = func(state string) {
			s.server.ready.failover(address)
			if moves && state == stateReadOnly {
				to.stale.Store(true)
			}
		}
	}
	s.server.lull.moved()
	r.run(ctx, early)
	s.server.lull.moved()
	up.Close()
	s.ended(r.reason, r.err)
}

// ended says how a session that was logged in has ended, and why; err may be nil.
func (s *session) ended(reason string, err error) {
	s.auditLater(AuditEvent{Kind: AuditEnd, Took: time.Since(s.began), Reason: reason, Cause: causes.Name(err)})
	level, attrs := slog.LevelInfo, s.summary(reason, s.entry.traffic.up.Load(), s.entry.traffic.down.Load())
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	if causes.Name(err) != "" {
		attrs = append(attrs, words(&lostInSession{err})...)
	}
	if reason == reasonDatabaseLost {
		level = slog.LevelWarn
	}
	s.record(level, "session ended", attrs)
}

func (s *session) record(level slog.Level, msg string, attrs []slog.Attr) {
	s.log.LogAttrs(context.Background(), level, msg, attrs...)
}

// summary is what a session's last line says.
func (s *session) summary(reason string, up, down int64) []slog.Attr {
	return []slog.Attr{
		slog.String("reason", reason),
		slog.Duration("duration", time.Since(s.began)),
		slog.Int64("bytes_up", up),
		slog.Int64("bytes_down", down),
	}
}

// close ends the client's connection and lets go of what the session held. The
// client gets farewell to read its last words, unless ctx has ended or does.
func (s *session) close(ctx context.Context) {
	for _, forget := range s.forget {
		forget()
	}
	if s.counts {
		s.server.leave()
	}
	raw := beneath(s.client)
	defer func() {
		raw.Close()
		s.leaveLobby()
		s.server.tally.closed(s.entry, time.Now())
	}()
	if ctx.Err() != nil {
		return
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(closed); raw.Close() })
	halfClose(s.client)
	raw.SetReadDeadline(time.Now().Add(farewell))
	io.Copy(io.Discard, io.LimitReader(raw, maxFarewell))
	if !stop() {
		<-closed
	}
}
