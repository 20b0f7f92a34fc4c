package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/pgkeyless/pgkeyless/tunnel/mux"
)

// startTimeout bounds one start with all its retries: StartSession, websocket
// and two handshakes of at most handshakeTimeout.
const startTimeout = 60 * time.Second

// Config is what New needs. API, Credentials, Region and Target are required.
type Config struct {
	API         API                     // of the jump host's region and account
	Credentials aws.CredentialsProvider // those of API; they sign the websocket upgrade
	Region      string                  // of the jump host
	Target      string                  // jump host: i-…, mi-… or ecs:CLUSTER_TASK_RUNTIME

	Document string // session document, name or ARN; default AWS-StartPortForwardingSessionToRemoteHost
	Reason   string // shown in the session history, at most 256 characters; default "pgkeyless"
	Profile  string // named in hints; "" is the default profile or unknown

	// EndpointOverride is the SSM endpoint URL as the SDK has it from
	// AWS_ENDPOINT_URL_SSM or AWS_ENDPOINT_URL, "" for none. Its host may then
	// serve the websocket too, and a loopback host may do so without TLS.
	EndpointOverride string

	// HTTPClient opens the websockets; only its Transport is used. Default:
	// http.DefaultTransport, which obeys HTTPS_PROXY and NO_PROXY.
	HTTPClient *http.Client

	MaxPayload int          // bytes of stream data in one message; default 1024
	Log        *slog.Logger // default: discarded
}

// Dialer opens streams to addresses behind one jump host. Each address has an
// SSM session of its own, started by the first dial and shared by all; a
// session that has ended is replaced by the next dial.
//
// It is safe for concurrent use. Close ends it.
type Dialer struct {
	cfg        Config
	websockets *websocketDialer
	running    sync.WaitGroup // every start and every session

	mu     sync.Mutex
	closed bool
	groups map[string]*group     // by address
	alive  map[*session]struct{} // all that have not ended, retired ones included
}

// group is the sessions of one address: those that take new streams, and the
// start under way, if any. So far it holds one session; which one is next, and
// when to start another, is decided in pick and session alone.
type group struct {
	sessions []*session
	starting *start
}

// start is one attempt to start a session, waited for by any number of dials.
type start struct {
	cancel  context.CancelCauseFunc
	done    chan struct{} // closed when session and err are set
	session *session
	err     error
}

// New checks cfg and starts nothing.
func New(cfg Config) (*Dialer, error) {
	switch {
	case cfg.API == nil:
		return nil, errors.New("tunnel: no Systems Manager API")
	case cfg.Credentials == nil:
		return nil, errors.New("tunnel: no credentials provider")
	case cfg.Region == "":
		return nil, errors.New("tunnel: no region of the jump host")
	case cfg.Target == "":
		return nil, errors.New("tunnel: no jump host")
	}
	override, err := hostOf(cfg.EndpointOverride)
	if err != nil {
		return nil, fmt.Errorf("tunnel: %w", err)
	}
	if cfg.Document == "" {
		cfg.Document = remoteHostDocument
	}
	if cfg.Reason == "" {
		cfg.Reason = "pgkeyless"
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = http.DefaultClient
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Log = cfg.Log.With("jump_host", cfg.Target)
	return &Dialer{
		cfg:        cfg,
		websockets: newWebsocketDialer(cfg.HTTPClient, cfg.Credentials, cfg.Region, override),
		groups:     make(map[string]*group),
		alive:      make(map[*session]struct{}),
	}, nil
}

// DialContext opens a stream to address ("host:port", resolved by the jump
// host) on the session for it. Without one it starts one, which takes seconds;
// callers that come meanwhile wait for the same start. When ctx ends, the
// caller stops waiting, the start goes on for the others. A failed start is
// reported to those that waited and not remembered.
//
// Whether the jump host can connect to address shows at the stream's first
// Read. Errors of DialContext, and those of the stream that come of the tunnel,
// are *Error. network is tcp, tcp4 or tcp6; the choice is the jump host's.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	p, err := d.place(network, address)
	if err != nil {
		return nil, err
	}
	const tries = 3 // a session may end between start and OpenStream, but not time and again
	for try := 1; ; try++ {
		s, err := d.session(ctx, p)
		if err != nil {
			return nil, err
		}
		st, err := s.mux.OpenStream()
		switch {
		case err == nil:
			return &stream{Stream: st, place: p}, nil
		case errors.Is(err, mux.ErrTooMany):
			return nil, p.tooManyWaiting(err)
		case try == tries:
			return nil, p.sessionError(err)
		}
		d.retire(s)
	}
}

func (d *Dialer) place(network, address string) (place, error) {
	p := place{
		target:   d.cfg.Target,
		region:   d.cfg.Region,
		document: d.cfg.Document,
		profile:  d.cfg.Profile,
	}
	host, port, err := net.SplitHostPort(address)
	if err == nil && host == "" {
		err = errors.New("no host")
	}
	if n, perr := strconv.ParseUint(port, 10, 16); err == nil && (perr != nil || n == 0) {
		err = fmt.Errorf("port %q is not a number from 1 to 65535", port)
	}
	if err == nil && !strings.HasPrefix(network, "tcp") {
		err = fmt.Errorf("network %q is not tcp", network)
	}
	if err != nil {
		p.address = address
		return p, &Error{
			msg:    fmt.Sprintf("dialling %q through jump host %s: %s", address, p.target, err),
			state:  stateUnreachable,
			detail: p.String(),
			hint:   "give the database as host:port",
			err:    err,
		}
	}
	p.address = net.JoinHostPort(strings.ToLower(host), port)
	return p, nil
}

// session returns a session for p.address, started if need be.
func (d *Dialer) session(ctx context.Context, p place) (*session, error) {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil, p.closedError()
	}
	g := d.groups[p.address]
	if g == nil {
		g = &group{}
		d.groups[p.address] = g
	}
	if s := g.pick(); s != nil {
		d.mu.Unlock()
		return s, nil
	}
	if g.starting == nil {
		startCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		st := &start{cancel: cancel, done: make(chan struct{})}
		g.starting = st
		d.running.Go(func() { d.start(startCtx, g, st, p) })
	}
	st := g.starting
	d.mu.Unlock()

	select {
	case <-st.done:
		return st.session, st.err
	case <-ctx.Done():
		return nil, p.stillStarting(context.Cause(ctx))
	}
}

// pick chooses the session for the next stream, nil when there is none.
func (g *group) pick() *session {
	if len(g.sessions) == 0 {
		return nil
	}
	return g.sessions[0]
}

// start runs one start and hands its result to those that wait for st.
func (d *Dialer) start(ctx context.Context, g *group, st *start, p place) {
	defer st.cancel(nil)
	timed, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s, err := d.startSession(timed, p)

	d.mu.Lock()
	g.starting = nil
	closed := d.closed
	if err == nil {
		d.alive[s] = struct{}{}
		if !closed {
			g.sessions = append(g.sessions, s)
			st.session = s
		}
	}
	d.mu.Unlock()
	if err == nil {
		d.running.Go(func() { d.forgetEnded(s) })
	}
	switch {
	case err == nil && closed: // too late for Close to see it
		if err := s.terminate(ctx); err != nil {
			d.cfg.Log.Warn("ssm session may stay open until its idle timeout", "ssm_session", s.id, "error", err)
		}
		st.err = p.closedError()
	case errors.Is(context.Cause(ctx), ErrClosed):
		st.err = p.closedError()
	default:
		st.err = err
	}
	close(st.done)
}

// forgetEnded waits for the end of s.
func (d *Dialer) forgetEnded(s *session) {
	<-s.done
	d.retire(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.alive, s)
}

// retire takes s out of the choice for new streams; its own go on.
func (d *Dialer) retire(s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.groups[s.place.address]
	g.sessions = slices.DeleteFunc(g.sessions, func(x *session) bool { return x == s })
}

// Close terminates every session, one being started included, and returns once
// nothing is left running. Streams end with an error that wraps ErrClosed, and
// so do dials from now on.
//
// The agent is asked first, for at most 2 s and no longer than ctx allows, then
// the TerminateSession API, ctx or not, for at most 5 s: also a process in haste
// should not leave sessions open. The error tells which may be; the service
// ends them after its idle timeout.
func (d *Dialer) Close(ctx context.Context) error {
	d.mu.Lock()
	d.closed = true
	for _, g := range d.groups {
		if g.starting != nil {
			g.starting.cancel(ErrClosed)
		}
	}
	var (
		ending sync.WaitGroup
		errs   = make([]error, len(d.alive))
		i      int
	)
	for s := range d.alive {
		slot := &errs[i]
		i++
		ending.Go(func() { *slot = s.terminate(ctx) })
	}
	d.mu.Unlock()
	ending.Wait()
	d.running.Wait()
	return errors.Join(errs...)
}
