package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/secret"
	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
	"github.com/pgkeyless/pgkeyless/tunnel/mux"
)

const (
	// clientVersion is a release of the official client, told to service and
	// agent: above 1.2.331.0 the agent leaves smux keepalive off.
	clientVersion = "1.2.804.0"

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
	denials *denials
	started time.Time
	mux     *mux.Mux
	channel *datachannel.Conn

	stop    context.CancelFunc     // ends run hard
	ending  atomic.Pointer[string] // why terminate has been called, "" because the tunnel closes; nil: it has not
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
	loads   []*load   // of its streams, and of some that have ended of late

	received int64 // bytes, when they were last weighed

	// To be read after done.
	cause error // why it ended, as the data channel says
	err   error // the same in words
	left  error // why the service may think it open
}

// newSession makes the parts of the session that out speaks of, whose agent may take
// arrival to show itself. If that is not possible the session is terminated.
func (d *Dialer) newSession(p place, out SessionOutput, arrival time.Duration) (*session, error) {
	now := time.Now()
	p.session = display.Line(out.SessionID)
	s := &session{
		id:      out.SessionID,
		place:   p,
		api:     d.cfg.API,
		denials: &d.denials,
		started: now,
		since:   now,
		nudged:  now,
		mux:     mux.New(mux.Config{MaxWaiting: maxWaiting}),
		done:    make(chan struct{}),
		gone:    make(chan struct{}),
	}
	s.log = d.log.With("ssm_session", s.id, "address", p.address)
	if d.cfg.Targets != nil {
		s.log = s.log.With("jump_host", p.target)
	}
	l := &line{
		session:    s.id,
		place:      p,
		api:        d.cfg.API,
		websockets: d.websockets,
		log:        s.log,
		denials:    s.denials,
		url:        out.StreamURL,
		token:      secret.New(out.TokenValue),
		clientID:   datachannel.NewUUID().String(),
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
		ArrivalTimeout:   arrival,
		OutageTimeout:    resumePatience,
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
	if s.left != nil && s.ending.Load() == nil {
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
func (s *session) word(err error) *causes.Error {
	why := s.ending.Load()
	if why != nil && *why != "" {
		return s.place.letGo(*why)
	}
	if why != nil || errors.Is(err, context.Canceled) || errors.Is(err, datachannel.ErrTerminated) {
		return s.place.closedError()
	}
	select {
	case <-s.channel.Ready():
		return s.place.sessionError(err)
	default:
		return s.place.startError(err)
	}
}

// leave ends the session by API call. That the identity may not is no error: the
// service ends the session after its idle timeout.
func (s *session) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), terminateTimeout)
	defer cancel()
	err := s.api.TerminateSession(ctx, s.id)
	if err == nil || faultOf(err) == faultGone {
		return nil
	}
	worded := s.place.apiError("terminating SSM session "+s.id, terminateAction, err)
	if s.denials.warn(s.log, "ssm session stays open until its idle timeout: this identity may not end it", worded) {
		return nil
	}
	return worded
}

// denials warns once, for all sessions of a Dialer, that their identity may not
// resume or end what it has started. That costs nobody more than one session, and
// the same statements are missing each time.
type denials struct{ warned atomic.Bool }

// warn reports whether err is such a denial.
func (d *denials) warn(log *slog.Logger, msg string, err error) bool {
	if !denied(err) {
		return false
	}
	if d.warned.CompareAndSwap(false, true) {
		log.Warn(msg, "error", err, "hint", causes.Hint(err))
	}
	return true
}

// terminate ends the session: by the agent, whose answer is waited for as long
// as flagTimeout and ctx allow, else by the API. It returns when run has. The
// error says that the session may still be open at the service. why is said in
// the log; "" means that the tunnel closes. Only the first call ends the session,
// the others wait for it.
func (s *session) terminate(ctx context.Context, why string) error {
	if !s.ending.CompareAndSwap(nil, &why) {
		<-s.gone
		return s.left
	}
	defer close(s.gone)
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
		missing:    c.Missing,
		recent:     c.Recent,
		light:      s.light(),
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
