package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
)

// startTimeout bounds one start with all its retries: StartSession, websocket and
// handshake. Credentials come first, and have their own limits: a person may have
// to be asked.
const startTimeout = 60 * time.Second

// defaultSessions carry about 3.5 MB/s down together.
const defaultSessions = 4

// errNoSession: sessions end as soon as they are there.
var errNoSession = errors.New("sessions end as soon as they have started")

// Config is what New needs. API, Credentials, Region and Target are required.
type Config struct {
	API         API                     // of the jump host's region and account
	Credentials aws.CredentialsProvider // those of API; they sign the websocket upgrade
	Region      string                  // of the jump host
	Target      string                  // jump host: i-…, mi-… or ecs:CLUSTER_TASK_RUNTIME; with Targets, a name for them

	// Targets, when not nil, says which jump hosts there are, the best first. It is
	// asked when a session starts, though not each time. Sessions are spread over
	// them, and one that refuses comes last for a while.
	Targets func(ctx context.Context) ([]string, error)

	Document string // session document, name or ARN; default AWS-StartPortForwardingSessionToRemoteHost
	Reason   string // shown in the session history, at most 256 characters; default "pgkeyless"
	Profile  string // named in hints; "" is the default profile or unknown

	// Explain, when not nil, turns an error of API into what is to blame, when that
	// is the credentials: an error with SQLSTATE 28000, whose words are used.
	Explain func(error) error

	// EndpointOverride is the URL of Systems Manager that is configured in place of
	// AWS's own (SSM.EndpointOverride), "" for none. Its host may then
	// serve the websocket too, and a loopback host may do so without TLS.
	EndpointOverride string

	// MessagesEndpoint is where the websockets are opened in place of the host that
	// AWS names: https://HOST[:PORT] of a VPC endpoint, or http:// of a loopback host.
	// "" leaves it to AWS.
	MessagesEndpoint string

	// HTTPClient opens the websockets; only its Transport is used. Default:
	// http.DefaultTransport, which obeys HTTPS_PROXY and NO_PROXY.
	HTTPClient *http.Client

	// Sessions is how many SSM sessions one address may have in parallel, those
	// not counted that only wait for their streams to end. Each carries about 0.9
	// MB/s down, and its streams disturb each other. Default 4.
	Sessions int

	// NoKeepAlive lets the account's idle timeout end sessions while streams are
	// open, and keeps no spare one.
	NoKeepAlive bool

	// MaxAge is when a session takes no new streams any more: another one
	// resolves the address anew. Default: never.
	MaxAge time.Duration

	// Trace, when not nil, gets each Stage of each start. It is called by
	// several goroutines and must not block.
	Trace func(Progress)

	MaxPayload int          // bytes of stream data in one message; default 1024
	Log        *slog.Logger // default: discarded
}

// Dialer opens streams to addresses behind one jump host. Each address has SSM
// sessions of its own, Config.Sessions at most: the first dial starts one, then
// others are started and let go as they are needed. A session that has ended is
// replaced.
//
// It is safe for concurrent use. Close ends it.
type Dialer struct {
	cfg        Config
	policy     policy
	hosts      hosts
	websockets *websocketDialer
	log        *slog.Logger // Config.Log, by way of records
	records    records
	running    sync.WaitGroup // every start, every session, tend, and records.write
	done       chan struct{}  // closed by Close
	denials    denials

	mu       sync.Mutex
	closed   bool
	tending  bool
	throttle throttle
	groups   map[string]*group // by address
	totals   Totals            // but for sessions that are open
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
	if cfg.Sessions < 0 || cfg.MaxAge < 0 {
		return nil, errors.New("tunnel: negative number of sessions, or age")
	}
	if cfg.Sessions == 0 {
		cfg.Sessions = defaultSessions
	}
	override, err := hostOf(cfg.EndpointOverride)
	if err != nil {
		return nil, fmt.Errorf("tunnel: %w", err)
	}
	messages, err := messagesEndpoint(cfg.MessagesEndpoint)
	if err != nil {
		return nil, fmt.Errorf("tunnel: %w", err)
	}
	if cfg.Explain != nil {
		cfg.API = explainedAPI{cfg.API, cfg.Explain}
	}
	if cfg.Document == "" {
		cfg.Document = iampolicy.RemoteHostDocument
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
	if cfg.Targets == nil {
		cfg.Log = cfg.Log.With("jump_host", cfg.Target)
	} else {
		cfg.Log = cfg.Log.With("via", cfg.Target)
	}
	websockets := newWebsocketDialer(cfg.HTTPClient, cfg.Credentials, cfg.Region, override)
	websockets.messages = messages
	d := &Dialer{
		cfg:        cfg,
		policy:     policy{most: cfg.Sessions, maxAge: cfg.MaxAge, keepAlive: !cfg.NoKeepAlive},
		hosts:      hosts{list: cfg.Targets, only: cfg.Target},
		websockets: websockets,
		done:       make(chan struct{}),
		throttle:   newThrottle(),
		groups:     make(map[string]*group),
	}
	d.log = slog.New(queued{cfg.Log.Handler(), d})
	return d, nil
}

// DialContext opens a stream to address ("host:port", resolved by the jump
// host) on the session that suits best. Only when none can serve the caller
// waits for a start, which takes seconds; a start is shared by those that come
// when there is no room for more sessions. When ctx ends, the caller stops
// waiting, the start goes on. A failed start is reported to those that waited
// and not remembered.
//
// Whether the jump host can connect to address shows at the stream's first Read.
// Errors of DialContext, and those of the stream that come of the tunnel, have texts
// for the database's client: methods SQLState, Detail and Hint, and Cause, the name
// of one of the causes that docs/troubleshooting.md lists. network is tcp, tcp4 or
// tcp6; the choice is the jump host's.
//
// The conn has a method SSMSession() string, the id of what carries it, and one
// Retire(reason string): the database behind it is not the one that it should be, so
// no new stream should use it. Retired() bool says whether what carries it takes no new
// streams any more, and Busy() bool whether one would rather go elsewhere.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	p, err := d.place(network, address)
	if err != nil {
		return nil, err
	}
	s, err := d.claim(ctx, p)
	if err != nil {
		return nil, err // not a nil *stream
	}
	return s, nil
}

// Expect starts sessions for so many dials to address, which are about to come: as many as
// they need, those that there are included, and Config.Sessions at most. It waits for
// nothing, and its starts go on when ctx ends. None is started in the minute after one has
// failed: a dial tries again.
func (d *Dialer) Expect(ctx context.Context, address string, dials int) {
	p, err := d.place("tcp", address)
	if err != nil {
		return // which a dial will say
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	g, now := d.group(p.address), time.Now()
	if !g.unasked(now) {
		return
	}
	_, views := g.choice(now)
	policy := d.policy
	policy.together = d.throttle.most()
	for range policy.expected(views, len(g.starts), dials) {
		d.begin(context.WithoutCancel(ctx), g, p)
	}
}

// notAnAddress is the caller's mistake: clients do not meet it.
var notAnAddress = causes.Cause{
	SQLState: stateUnreachable,
	Message:  "dialling {address} through jump host {jump host}: {said}",
	Detail:   "jump host {jump host} in {region}",
	Hint:     "give the database as host:port",
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
		return p, notAnAddress.New(p.facts().With(causes.Facts{"address": strconv.Quote(address)}), err)
	}
	p.address = net.JoinHostPort(strings.ToLower(host), port)
	return p, nil
}

// Close terminates every session, one being started included, and returns once
// nothing is left running. Streams end with an error that wraps ErrClosed, and
// so do dials from now on.
//
// The agent is asked first, for at most 2 s and no longer than ctx allows, then the
// TerminateSession API, even if ctx has ended, for at most 5 s, because a process in
// a hurry should not leave sessions open either. The error names those that may be
// open; the service ends them after its idle timeout.
func (d *Dialer) Close(ctx context.Context) error {
	d.mu.Lock()
	if !d.closed {
		d.closed = true
		close(d.done)
	}
	var sessions []*session
	for _, g := range d.groups {
		sessions = append(sessions, g.sessions...)
		for _, st := range g.starts {
			st.cancel(ErrClosed)
		}
	}
	d.mu.Unlock()
	errs := make([]error, len(sessions))
	var ending sync.WaitGroup
	for i, s := range sessions {
		ending.Go(func() { errs[i] = s.terminate(ctx, "") })
	}
	ending.Wait()
	d.running.Wait()
	return errors.Join(errs...)
}
