package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
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
	full     *upstream      // that of the last login, which the database had no room for; else nil
	giveTurn func()         // ends the turn of the login under way
	took     time.Duration  // the last login, with its connection

	leaveLobby func()
	asked      time.Time // when the StartupMessage had come
	watch      stopwatch // of the login since then
}

// run serves the client until it is done with, in part after it has returned: all waits
// for that. starting ends when sessions that are not logged in must go, ctx when all must.
//
// The relay may rest for hours, and does so without the stack of the login, which has
// grown by TLS.
func (s *session) run(ctx, starting context.Context, all *sync.WaitGroup) {
	ctx, cut := context.WithCancelCause(ctx)
	all.Add(1)
	end := func() {
		defer all.Done()
		defer cut(nil)
		s.close(ctx)
	}
	switch up, early := s.begin(starting, cut); {
	case up == nil:
		end()
	case up.ready == nil:
		s.relay(ctx, up, early, end)
	default:
		go func() {
			if up, early := s.settle(ctx, up, early); up != nil {
				s.relay(ctx, up, early, end)
			} else {
				end()
			}
		}()
	}
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

	var watched *watch
	told := s.whenSlow()
	up, err = s.logIn(ctx, func() {
		if watched == nil {
			watched = watchClient(s.client, gone)
		}
	})
	told()
	now := time.Now()
	s.watch.stop(now)
	if err == nil {
		s.server.tally.loggedIn(s.entry, &s.watch, s.asked, now)
		s.getReady(now)
		s.record(slog.LevelDebug, "logged in", append([]slog.Attr{slog.Duration("duration", now.Sub(s.asked))}, s.watch.attrs()...))
		s.watch = stopwatch{} // the session may rest for hours
	}
	if watched != nil {
		early = watched.stop()
	}
	return up, early, err
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

// relay has bytes carried until both sides have ended, logs how, and calls end. It
// returns before that.
func (s *session) relay(ctx context.Context, up *upstream, early []byte, end func()) {
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
	r.start(ctx, early, func() {
		s.server.lull.moved()
		up.Close()
		s.ended(r.reason, r.err)
		end()
	})
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
