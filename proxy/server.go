package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgkeyless/pgkeyless/proxy/eventloop"
)

const (
	defaultLoginTimeout     = 60 * time.Second
	defaultFirstByteTimeout = 10 * time.Second
	defaultLinger           = 5 * time.Second
)

// Config is what a Server is made from. Routes is required.
type Config struct {
	Routes []Route
	// Shared holds open listeners whose clients name the Route they mean: by
	// user (USER@NAME), by database (DBNAME@NAME) or by TLS server name
	// (NAME.localhost), in any case. The Server closes them.
	Shared []net.Listener
	// Default names the Route for clients of Shared that name none. Empty, it is
	// the only Route, and with several there is none. A client that names something
	// else is refused, but for a user such as ada@example.com where this Route has
	// no User: that is the database's to refuse.
	Default string
	// Certificate chooses the certificate for a client that asks for TLS, as
	// tls.Config.GetCertificate does. nil is one that is made in memory, and that no
	// client can verify.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Log gets one line when a client is accepted and one when its session
	// ends; nil discards them.
	Log *slog.Logger
	// LoginTimeout bounds everything between accept and ReadyForQuery. Zero
	// means 60 s: a paused Aurora Serverless needs 15 s and more to wake.
	LoginTimeout time.Duration
	// FirstByteTimeout is how long a dialled conn that can be retired (see
	// Dialer) may take for the database's first byte, before it is given up for
	// a second one. That one, and a conn that cannot be retired, may take as
	// long as the login may: the database may be one that wakes up. Zero means
	// 10 s, which is many round trips and less than people wait.
	FirstByteTimeout time.Duration
	// Linger is how long one side may stay silent after the other has closed,
	// before its connection is closed too. Zero means 5 s.
	Linger time.Duration
	// MaxConnections bounds logged-in sessions and logins at one time; one more
	// is refused with SQLSTATE 53300. Zero means no bound.
	MaxConnections int
	// Peer says whose process a client's connection comes from, for people: "ada
	// (pid 4711)", say, or "" where that is not known. It is called for each
	// connection, before the first byte is read; nil knows nobody.
	Peer func(net.Conn) string
	// BrowserHint is a line for people who open the port in a browser: where the
	// status page is, say. Empty says nothing more than what the port speaks.
	BrowserHint string
	// Admit says whether a client may connect at all: its error is what the client
	// gets once it has sent its StartupMessage, and its CancelRequest has no effect.
	// It is called for each connection as soon as it is accepted. nil admits
	// everyone.
	Admit func(net.Conn) error
	// Proof has clients of TCP listeners prove who they are, once they have sent their
	// StartupMessage. nil asks for nothing.
	Proof Proof
	// Grants says what a client may do that has proved its identity. Its error is what the
	// client gets. nil grants everything. It is called for each login, from many
	// goroutines at once.
	Grants func(Wanted) (Grant, error)
	// RequireTLS refuses clients of TCP listeners that use no TLS.
	RequireTLS bool
	// Balancers are the addresses from which TCP connections begin with a PROXY protocol
	// header, of version 1 or 2, that says where the client is. A connection from there
	// without one is refused, and so is one from elsewhere with one. Admit and Peer are
	// asked about the connection itself, whatever its header says.
	Balancers []netip.Prefix
	// Audit hears of each login, refusal, cancel request and end, from many goroutines.
	// An error at a login refuses it. nil tells nobody.
	Audit func(AuditEvent) error
	// Peers returns the addresses of other replicas, this one perhaps among them; port 0
	// is the one that the client has come to. A
	// CancelRequest with a key that no client here was told goes to each, and to the
	// database of the Route if one of them takes no connection; one that a peer has sent
	// goes nowhere. nil knows no peers.
	Peers func(context.Context) ([]netip.AddrPort, error)
	// ForwardCancels sends such requests to the database of the Route instead, which
	// checks the key. Both are bounded for each source, and in number.
	ForwardCancels bool
	// Lookup finds the servers behind the host name of a Route without a tunnel, as
	// (*net.Resolver).LookupNetIP does: ForwardCancels sends requests to each of them.
	// nil leaves it to the Dialer, which takes one.
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	// Lull is called when a busy time is over, in which many sessions have begun
	// or ended: to give back the memory that this took, say. Serve waits for it.
	// nil means that there is nothing to do.
	Lull func()
}

// Server accepts clients, logs them in to their database and relays. Its
// methods are safe for concurrent use.
type Server struct {
	log            *slog.Logger
	loginTimeout   time.Duration
	overdue        overdue // the cause of what takes longer
	firstByte      time.Duration
	linger         time.Duration
	maxConnections int64
	browserHint    string

	tls        *tls.Config // offered to clients
	cancels    *cancels
	lobby      lobby
	sparing    sparing
	probes     probes
	strangers  strangers
	tally      tally
	ready      readyPool
	lull       *lull
	onLull     func()
	peer       func(net.Conn) string
	admit      func(net.Conn) error
	proof      Proof
	grants     func(Wanted) (Grant, error)
	requireTLS bool
	balancers  balancers
	audit      func(AuditEvent) error
	loops      eventloop.Group // that relay sockets
	buffers    sync.Pool       // for relays without one
	lastID     atomic.Uint64
	arrivals   atomic.Uint64
	sessions   atomic.Int64

	done chan struct{} // closed when Serve returns

	mu sync.Mutex
	routing
	serving  bool
	stopping bool
	closed   bool                    // the listeners are
	serve    func(*listening)        // accepts its clients, while serving and not closed
	stop     context.CancelCauseFunc // ends sessions that are not logged in
	cut      context.CancelCauseFunc // ends everything
}

// New checks cfg and makes a Server. It starts nothing.
func New(cfg Config) (*Server, error) {
	routes, err := newRouting(cfg.Routes, cfg.Shared, cfg.Default)
	if err != nil {
		return nil, err
	}
	if cfg.LoginTimeout < 0 || cfg.FirstByteTimeout < 0 || cfg.Linger < 0 || cfg.MaxConnections < 0 {
		return nil, errors.New("proxy: a negative limit")
	}
	offered, err := offeredTLS(cfg.Certificate, time.Now())
	if err != nil {
		return nil, err
	}
	s := &Server{
		routing:        routes,
		log:            cfg.Log,
		loginTimeout:   cfg.LoginTimeout,
		firstByte:      cmp.Or(cfg.FirstByteTimeout, defaultFirstByteTimeout),
		linger:         cfg.Linger,
		maxConnections: int64(cfg.MaxConnections),
		browserHint:    cfg.BrowserHint,
		tls:            offered,
		cancels:        newCancels(),
		lobby:          lobby{room: roomFor(openFiles())},
		lull:           newLull(),
		onLull:         cfg.Lull,
		peer:           cfg.Peer,
		admit:          cfg.Admit,
		proof:          cfg.Proof,
		grants:         cfg.Grants,
		requireTLS:     cfg.RequireTLS,
		balancers:      cfg.Balancers,
		audit:          cfg.Audit,
		strangers: strangers{toDatabase: cfg.ForwardCancels, peers: cfg.Peers, dial: new(net.Dialer).DialContext, hello: balancers(cfg.Balancers).hello,
			lookup: cfg.Lookup, slots: make(chan struct{}, maxStrangers)},
		buffers: sync.Pool{New: func() any { return new([bufferSize]byte) }},
		done:    make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.loginTimeout == 0 {
		s.loginTimeout = defaultLoginTimeout
	}
	if s.linger == 0 {
		s.linger = defaultLinger
	}
	s.ready.log, s.ready.tally = s.log, &s.tally
	s.overdue = newOverdue(s.loginTimeout, "")
	s.cancels.firstByte = s.firstByte
	s.tally.serve(routes.routes)
	return s, nil
}

// Serve accepts clients until Shutdown, and returns nil when the last session
// has ended. When ctx ends it cuts every session and returns the cause. It may
// be called once.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	starting, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var accepting, sessions sync.WaitGroup
	accept := func(on *listening) {
		accepting.Go(func() {
			if err := s.accept(ctx, starting, on, &sessions); err != nil {
				cut(err)
			}
		})
	}
	if err := s.begin(stop, cut, accept); err != nil {
		return err
	}
	defer close(s.done)
	accepting.Go(func() {
		<-starting.Done() // every way for accept to end ends starting too
		s.closeListeners()
		s.ready.close()
	})
	if s.onLull != nil {
		accepting.Go(func() { s.lull.watch(starting.Done(), s.sessions.Load, s.onLull) })
	}
	accepting.Wait()
	sessions.Wait()
	s.ready.running.Wait()
	s.sparing.end()
	s.loops.Close()
	if err := context.Cause(ctx); !errors.Is(err, errShuttingDown) {
		return err
	}
	return nil
}

// begin accepts on every listener, and notes how Shutdown ends things. After a
// Shutdown it does so at once.
func (s *Server) begin(stop, cut context.CancelCauseFunc, accept func(*listening)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving {
		return errors.New("proxy: Serve called twice")
	}
	s.serving, s.stop, s.cut, s.serve = true, stop, cut, accept
	if s.stopping {
		stop(errShuttingDown) // before accept finds the listeners closed
	}
	for _, on := range s.open {
		accept(on)
	}
	return nil
}

// Shutdown stops accepting, refuses sessions that are not logged in yet, and
// waits for the others. When ctx ends first they are cut, and it returns the
// cause of ctx. It returns after Serve's goroutines have ended.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	serving, stop, cut := s.serving, s.stop, s.cut
	s.mu.Unlock()
	if !serving {
		s.closeListeners()
		return nil
	}
	stop(errShuttingDown)
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		cut(errShuttingDown)
		<-s.done
		return context.Cause(ctx)
	}
}
