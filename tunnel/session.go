package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
	"github.com/pgkeyless/pgkeyless/tunnel/mux"
)

const (
	// handshakeTimeout is how long the agent may take until streams are carried.
	// Sessions started within 2 s of the agent's own start vanish without a word
	// (measured); a second StartSession then works.
	handshakeTimeout = 15 * time.Second

	// clientVersion is a release of the official client, told to service and
	// agent: above 1.2.331.0 the agent leaves smux keepalive off.
	clientVersion = "1.2.804.0"

	startTries = 4                      // StartSession calls, on top of the SDK's own retries
	startDelay = 500 * time.Millisecond // before the second call, doubling

	flagTimeout      = 2 * time.Second // for the agent to confirm the end; it drains for up to 2 s
	terminateTimeout = 5 * time.Second // for the TerminateSession API
)

// session is one SSM session, from StartSession to its end. It owns the data
// channel, the websocket and the mux beneath it, all driven by run, which the
// Dialer waits for.
type session struct {
	id      string
	place   place
	api     API
	log     *slog.Logger
	started time.Time
	mux     *mux.Mux
	channel *datachannel.Conn

	stop    context.CancelFunc     // ends run hard
	ending  atomic.Bool            // terminate has been called
	why     atomic.Pointer[string] // it was; nil: because the tunnel closes
	opened  atomic.Bool            // its first websocket was
	reached atomic.Bool            // a stream got something from the database
	done    chan struct{}          // closed when run has returned
	gone    chan struct{}          // closed when the first terminate has returned

	// The pool's; Dialer.mu guards them.
	retired string    // why it takes no new streams; "": it does
	leaving bool      // it is being terminated
	inUse   bool      // it had streams when last looked at,
	since   time.Time // and has had them, or none, since then
	nudged  time.Time // its last NOP

	// To be read after done.
	cause error  // why it ended, as the data channel says
	err   *Error // the same in words
	left  error  // why the service may think it open
}

// startSession starts a session that carries streams. A session whose agent
// says nothing is given up and one more started.
func (d *Dialer) startSession(ctx context.Context, p place) (*session, error) {
	s, err := d.tryStart(ctx, p)
	if errors.Is(err, datachannel.ErrHandshakeTimeout) {
		d.cfg.Log.Warn("ssm agent did not answer, starting another session", "address", p.address)
		s, err = d.tryStart(ctx, p)
	}
	if err != nil && ctx.Err() != nil {
		return nil, p.networkError(p.starting(), "jump host "+p.target, context.Cause(ctx))
	}
	return s, err
}

// starting is what errors say is being done.
func (p place) starting() string { return "starting SSM session on " + p.target }

// tryStart calls StartSession, connects, and waits until streams are carried.
// On error nothing is left: not here, and as far as can be helped, not at AWS.
func (d *Dialer) tryStart(ctx context.Context, p place) (*session, error) {
	out, err := d.callStartSession(ctx, p)
	if err != nil {
		d.trace(Progress{Stage: StageSession, JumpHost: p.target, Err: err})
		return nil, err
	}
	d.trace(Progress{Stage: StageSession, JumpHost: p.target, Session: aws.ToString(out.SessionId)})
	s, err := d.newSession(p, out)
	if err != nil {
		return nil, err
	}
	runCtx, stop := context.WithCancel(context.Background())
	s.stop = stop
	d.running.Go(func() { s.run(runCtx) })
	select {
	case <-s.channel.Ready():
		s.log.Info("ssm session started", "agent", s.channel.AgentVersion(), "ms", time.Since(s.started).Milliseconds())
		d.trace(Progress{Stage: StageHandshake, JumpHost: p.target, Session: s.id, Agent: s.channel.AgentVersion()})
		return s, nil
	case <-s.done:
		stage := StageWebsocket
		if s.opened.Load() {
			stage = StageHandshake
		}
		d.trace(Progress{Stage: stage, JumpHost: p.target, Session: s.id, Err: s.err})
		return nil, s.err
	case <-ctx.Done():
		s.stop()
		<-s.done
		return nil, context.Cause(ctx)
	}
}

// callStartSession calls StartSession until it succeeds, fails for good, or
// has been tried startTries times.
//
// A call under way is given some time beyond ctx: its session, which otherwise
// nobody knew of, can then be terminated.
func (d *Dialer) callStartSession(ctx context.Context, p place) (*ssm.StartSessionOutput, error) {
	host, port, err := net.SplitHostPort(p.address)
	if err != nil {
		return nil, err
	}
	in := &ssm.StartSessionInput{
		Target:       aws.String(p.target),
		DocumentName: aws.String(p.document),
		Parameters:   documentParameters(p.document, host, port),
		Reason:       aws.String(d.cfg.Reason),
	}
	for try := 1; ; try++ {
		if _, err := d.cfg.Credentials.Retrieve(ctx); err != nil {
			return nil, p.credentialsError(p.starting(), err)
		}
		callCtx, done := linger(ctx, flagTimeout)
		out, err := d.cfg.API.StartSession(callCtx, in)
		done()
		if err == nil {
			return out, nil
		}
		if try == startTries || ctx.Err() != nil || faultOf(err) != faultTransient {
			return nil, p.apiError(p.starting(), "ssm:StartSession", err)
		}
		delay := jitter(startDelay << (try - 1))
		d.cfg.Log.Debug("StartSession failed, trying again", "address", p.address, "try", try, "delay", delay)
		if err := sleep(ctx, delay); err != nil {
			return nil, p.apiError(p.starting(), "ssm:StartSession", err)
		}
	}
}

// newSession makes the parts of the session that out speaks of. If that is
// not possible the session is terminated.
func (d *Dialer) newSession(p place, out *ssm.StartSessionOutput) (*session, error) {
	now := time.Now()
	s := &session{
		id:      aws.ToString(out.SessionId),
		place:   p,
		api:     d.cfg.API,
		started: now,
		since:   now,
		nudged:  now,
		mux:     mux.New(mux.Config{MaxWaiting: maxWaiting}),
		done:    make(chan struct{}),
		gone:    make(chan struct{}),
	}
	s.log = d.cfg.Log.With("ssm_session", s.id, "address", p.address)
	l := &line{
		session:    s.id,
		place:      p,
		api:        d.cfg.API,
		websockets: d.websockets,
		log:        s.log,
		url:        aws.ToString(out.StreamUrl),
		token:      ssmToken(aws.ToString(out.TokenValue)),
		clientID:   newUUID(),
		opened: func() {
			s.opened.Store(true)
			d.trace(Progress{Stage: StageWebsocket, JumpHost: p.target, Session: s.id})
		},
	}
	var err error
	s.channel, err = datachannel.New(datachannel.Config{
		Connect:          l.connect,
		Stream:           s.mux,
		ClientVersion:    clientVersion,
		MaxPayload:       d.cfg.MaxPayload,
		HandshakeTimeout: handshakeTimeout,
		Log:              s.log,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", p.starting(), err), s.leave())
	}
	return s, nil
}

// run carries until the session ends or ctx does, ends the streams, and tells
// the service unless it knows.
func (s *session) run(ctx context.Context) {
	defer close(s.done)
	defer s.stop()
	s.cause = s.channel.Run(ctx)
	s.err = s.word(s.cause)
	s.mux.Fail(s.err)
	if !isOver(s.cause) {
		s.left = s.leave()
	}
	stats := s.mux.Stats()
	s.log.Info("ssm session ended", "reason", s.err, "bytes_out", stats.Sent, "bytes_in", stats.Received,
		"ms", time.Since(s.started).Milliseconds())
	if s.left != nil && !s.ending.Load() {
		s.log.Warn("ssm session may stay open until its idle timeout", "error", s.left)
	}
}

// isOver reports whether run need not tell the service that the session has
// ended: the service said so, or terminate takes care of it.
func isOver(cause error) bool {
	_, closed := errors.AsType[*datachannel.ChannelClosedError](cause)
	return closed || errors.Is(cause, datachannel.ErrTerminated) || errors.Is(cause, errSessionOver)
}

// word puts the data channel's end into words.
func (s *session) word(err error) *Error {
	if why := s.why.Load(); why != nil {
		return s.place.letGo(*why)
	}
	if s.ending.Load() || errors.Is(err, context.Canceled) || errors.Is(err, datachannel.ErrTerminated) {
		return s.place.closedError()
	}
	select {
	case <-s.channel.Ready():
		return s.place.sessionError(err)
	default:
		return s.place.startError(err)
	}
}

// leave ends the session by API call.
func (s *session) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), terminateTimeout)
	defer cancel()
	_, err := s.api.TerminateSession(ctx, &ssm.TerminateSessionInput{SessionId: aws.String(s.id)})
	if err == nil || faultOf(err) == faultGone {
		return nil
	}
	return s.place.apiError("terminating SSM session "+s.id, "ssm:TerminateSession", err)
}

// terminate ends the session: by the agent, whose answer is waited for as long
// as flagTimeout and ctx allow, else by the API. It returns when run has. The
// error says that the session may still be open at the service. why is said in
// the log; "" means that the tunnel closes. Only the first call ends the session,
// the others wait for it.
func (s *session) terminate(ctx context.Context, why string) error {
	if !s.ending.CompareAndSwap(false, true) {
		<-s.gone
		return s.left
	}
	defer close(s.gone)
	if why != "" {
		s.why.Store(&why)
	}
	ctx, cancel := context.WithTimeout(ctx, flagTimeout)
	defer cancel()
	unconfirmed := s.channel.Terminate(ctx)
	<-s.done
	if unconfirmed != nil && errors.Is(s.cause, datachannel.ErrTerminated) {
		s.left = s.leave()
	}
	return s.left
}

// view is what the session looks like. Dialer.mu is held.
func (s *session) view(now time.Time) view {
	m, c := s.mux.Stats(), s.channel.Stats()
	s.notice(now, m.Streams > 0)
	return view{
		age:        now.Sub(s.started),
		retired:    s.retired != "",
		streams:    m.Streams,
		known:      m.Known,
		waiting:    m.Waiting,
		unanswered: m.LongestWait,
		silent:     c.Silent,
		recent:     c.Recent,
		since:      now.Sub(s.since),
		nudged:     now.Sub(s.nudged),
	}
}

// notice notes whether there are streams. Dialer.mu is held.
func (s *session) notice(now time.Time, inUse bool) {
	if inUse != s.inUse {
		s.inUse, s.since = inUse, now
	}
}

// linger is a context that ends grace after ctx does, or when the returned
// function is called, which must be done.
func linger(ctx context.Context, grace time.Duration) (context.Context, func()) {
	out, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		if sleep(out, grace) == nil {
			cancel(context.Cause(ctx))
		}
	})
	return out, func() {
		cancel(nil)
		if !stop() {
			<-ended
		}
	}
}

// sleep waits for d or for ctx, whose cause is then the error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// jitter is a random time from half of d to d.
func jitter(d time.Duration) time.Duration { return d - rand.N(d/2+1) }
