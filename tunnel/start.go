package tunnel

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
)

const (
	startTries = 4                      // StartSession calls, on top of the SDK's own retries
	startDelay = 500 * time.Millisecond // before the second call, doubling
	startRetry = 8 * time.Second        // no call is begun so long after the first: people should hear within 15 s

	// startCallTimeout bounds one StartSession call with the SDK's retries. On a
	// network that swallows packets people should hear about it; with flagTimeout
	// they do within 15 s.
	startCallTimeout = 12 * time.Second

	// handshakeTimeout is how long an agent that has shown itself may take for the
	// handshake.
	handshakeTimeout = 14 * time.Second

	// arrivalTimeout is how long the agent may take to show itself. It starts a
	// process for each session, which takes 0.5 to 15 s, and longer on a small host
	// where several start at once (measured). This is within a login's minute. Nothing
	// tells a slow agent from one that never comes, until this time has passed in vain
	// once: from then on dials wait for handshakeTimeout only, while a start goes on
	// for as long as before, so that an agent that is slow after all is found.
	arrivalTimeout = 50 * time.Second

	// doubtAfter: when a session does not carry streams so long after StartSession,
	// a second one is started beside it. Sessions started within 2 s of the agent's
	// own start vanish without a word (measured), and a second StartSession then
	// works.
	doubtAfter = 5 * time.Second
)

// start is one attempt to start a session.
type start struct {
	began  time.Time
	beside bool // another session of the address, the first ever, is starting
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when err is set
	err    error
	dials  int // that wait for it; guarded by Dialer.mu
}

// starting is what errors say is being done.
func (p place) starting() string { return "starting SSM session on " + p.target }

// begin begins the start of one more session. d.mu is held.
func (d *Dialer) begin(ctx context.Context, g *group, p place) { d.beginStart(ctx, g, p, false) }

// beginStart is begin, after gather where a session is up that can take a crowd, which gathers
// says. d.mu is held.
func (d *Dialer) beginStart(ctx context.Context, g *group, p place, gathers bool) {
	ctx, cancel := context.WithCancelCause(ctx)
	st := &start{began: time.Now(), cancel: cancel, done: make(chan struct{})}
	st.beside = !d.throttle.ready && len(g.starts) > 0
	g.starts = append(g.starts, st)
	d.running.Go(func() {
		defer cancel(nil)
		if !gathers || d.stillWanted(ctx, g, st) {
			d.start(ctx, g, st, p)
		}
	})
	if !d.tending {
		d.tending = true
		d.running.Go(d.tend)
	}
}

// start runs one start and hands its result to those that wait for st.
func (d *Dialer) start(ctx context.Context, g *group, st *start, p place) {
	s, err := d.startSession(ctx, p, st.beside)
	closed := d.note(g, st, p, s, err)
	st.err = err
	switch {
	case err == nil && closed: // too late for Close to see it
		if err := s.terminate(ctx, ""); err != nil {
			s.log.Warn("ssm session may stay open until its idle timeout", "error", err)
		}
		st.err = p.closedError()
	case errors.Is(context.Cause(ctx), ErrClosed):
		st.err = p.closedError()
	}
	if err == nil {
		d.running.Go(func() { d.forgetEnded(g, s) })
	}
	close(st.done)
}

// note takes the result of st into g, and says whether the Dialer is closed.
func (d *Dialer) note(g *group, st *start, p place, s *session, err error) (closed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g.starts = slices.DeleteFunc(g.starts, func(x *start) bool { return x == st })
	switch {
	case err != nil:
		d.totals.FailedStarts++
		g.failed = time.Now()
		if st.dials == 0 && !g.warned && !d.closed {
			g.warned = true
			d.log.Warn("no further ssm session", "address", p.address, "error", err)
		}
	case !d.closed:
		d.totals.Started++
		g.sessions = append(g.sessions, s)
		g.warned, g.died = false, nil
		close(g.grown)
		g.grown = make(chan struct{})
	}
	return d.closed
}

// startSession starts a session that carries streams, on the first jump host that
// takes one, in no more than startTimeout once there are credentials and it is its
// turn. One that is beside another is given up sooner.
func (d *Dialer) startSession(ctx context.Context, p place, beside bool) (*session, error) {
	if _, err := d.cfg.Credentials.Retrieve(ctx); err != nil {
		return nil, d.noSession(p, p.credentialsError(p.starting(), err))
	}
	if err := d.awaitTurn(ctx); err != nil {
		return nil, p.networkError(p.starting(), "jump host "+p.target, "", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	began := time.Now()
	s, err := d.startOnAny(ctx, p, beside)
	d.endTurn(began, err)
	d.noteAbsence(began, err)
	return s, err
}

// noteAbsence notes whether the jump host is one that is silent rather than slow: its
// agent did not come although it had all the time there is for slow ones.
func (d *Dialer) noteAbsence(began time.Time, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err == nil:
		d.throttle.absent = false
	case isAbsent(err) && time.Since(began) >= arrivalTimeout:
		d.throttle.absent = true
	}
}

// startOnAny starts a session on the first jump host that takes one.
func (d *Dialer) startOnAny(ctx context.Context, p place, short bool) (*session, error) {
	hosts, err := d.hosts.choose(ctx)
	if err != nil {
		return nil, d.noSession(p, p.noHost(err))
	}
	for i, host := range hosts {
		p.target = host
		beside := p
		if i+1 < len(hosts) {
			beside.target = hosts[i+1]
		}
		s, err := d.startOn(ctx, p, beside, short)
		if s != nil && s.place.target != host { // which was there first
			d.hosts.outcome(host, datachannel.ErrHandshakeTimeout)
			return s, nil
		}
		if !d.hosts.outcome(host, err) || ctx.Err() != nil || i == len(hosts)-1 {
			return s, err
		}
		d.log.Warn("jump host refuses a session, trying another one", "jump_host", host, "next", hosts[i+1], "error", err)
	}
	return nil, p.sessionError(errNoSession) // there is a host always
}

// noSession traces err, with which a start ends before there is a session.
func (d *Dialer) noSession(p place, err error) error {
	d.trace(Progress{Stage: StageSession, JumpHost: p.target, Err: err})
	return err
}

// started is how a try to start a session came out.
type started struct {
	session *session
	err     error
	failed  *Progress // of a session that ended
	second  bool      // the one that was started in doubt
}

// startOn starts a session on p's jump host. When it takes long to carry streams,
// another one is started beside it, and that which carries streams first is taken:
// the first may have vanished, or the jump host be slow, and one cannot be told
// from the other. The first one's failure is a failure, unless its agent has not
// come and that of the second still may. short has the first given up as soon as
// the second is.
func (d *Dialer) startOn(ctx context.Context, p, beside place, short bool) (*session, error) {
	interrupted := func(err error) error {
		if ctx.Err() != nil {
			return p.networkError(p.starting(), "jump host "+p.target, "", context.Cause(ctx))
		}
		return err
	}
	out, err := d.callStartSession(ctx, p)
	if err != nil {
		return nil, interrupted(d.noSession(p, err))
	}
	race, cancel := context.WithCancelCause(ctx)
	tries, pending := make(chan started, 2), 1
	arrival := arrivalTimeout
	if short {
		arrival = handshakeTimeout
	}
	d.running.Go(func() { tries <- d.carry(race, p, out, arrival) })
	doubt, late := time.NewTimer(d.doubt()), time.NewTimer(handshakeTimeout)
	defer doubt.Stop()
	defer late.Stop()
	var absent error // of the first, while the second is awaited
	for {
		select {
		case <-doubt.C:
			if !d.takeTurn() { // those that start are too many for the host, or as good as a second one
				doubt.Reset(time.Second)
				continue
			}
			d.log.Warn("ssm session is slow to start, starting a second one", "address", p.address)
			pending++
			d.running.Go(func() { tries <- d.startSecond(race, beside) })
		case <-late.C:
			if !short { // else it is given up now
				d.log.Warn("no answer from the ssm agent yet, still waiting: it may be slow or broken", "address", p.address,
					"at_most", arrivalTimeout, "hint", causes.AgentSilent.Fill(p.facts()).Hint)
			}
		case t := <-tries:
			pending--
			switch {
			case t.second && t.err != nil:
				d.log.Debug("second ssm session not started", "address", p.address, "error", t.err)
				if absent == nil {
					continue
				}
				t.err = absent
			case t.err != nil && isAbsent(t.err) && pending > 0:
				absent = t.err
				if t.failed != nil {
					d.trace(*t.failed)
				}
				continue
			}
			cancel(errOtherWasFirst)
			if pending > 0 {
				d.running.Go(func() { discard(<-tries) })
			}
			if t.failed != nil && absent == nil {
				d.trace(*t.failed)
			}
			if t.err != nil {
				return nil, interrupted(t.err)
			}
			return t.session, nil
		}
	}
}

var errOtherWasFirst = errors.New("another session was there first")

// startSecond starts the session that is to be beside a slow one.
func (d *Dialer) startSecond(ctx context.Context, p place) (t started) {
	began := time.Now()
	defer func() { d.endTurn(began, t.err) }()
	out, err := d.callStartSession(ctx, p)
	if err != nil {
		return started{err: err, second: true}
	}
	t = d.carry(ctx, p, out, handshakeTimeout)
	t.second = true
	return t
}

// isAbsent says that the agent has not come to the session.
func isAbsent(err error) bool { return errors.Is(err, datachannel.ErrAgentAbsent) }

// isSilent says that it has not done what it should, which another session's may.
func isSilent(err error) bool { return errors.Is(err, datachannel.ErrHandshakeTimeout) }

func (d *Dialer) doubt() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.throttle.doubt()
}

// discard ends a session that came too late.
func discard(t started) {
	if t.err != nil {
		return
	}
	if err := t.session.terminate(context.Background(), errOtherWasFirst.Error()); err != nil {
		t.session.log.Warn("ssm session may stay open until its idle timeout", "error", err)
	}
}

// carry connects the session that out speaks of, and waits until it carries
// streams. On error nothing is left: not here, and as far as can be helped, not
// at AWS.
func (d *Dialer) carry(ctx context.Context, p place, out SessionOutput, arrival time.Duration) started {
	d.trace(Progress{Stage: StageSession, JumpHost: p.target, Session: out.SessionID})
	s, err := d.newSession(p, out, arrival)
	if err != nil {
		return started{err: err}
	}
	runCtx, stop := context.WithCancel(context.Background())
	s.stop = stop
	d.running.Go(func() { s.run(runCtx) })
	return d.await(ctx, s)
}

// await waits until s carries streams, or has ended: also when it was ready before,
// so that how it came out does not depend on who looks when.
func (d *Dialer) await(ctx context.Context, s *session) started {
	p := s.place
	select {
	case <-s.channel.Ready():
	case <-s.done:
	case <-ctx.Done():
		s.stop()
		<-s.done
		return started{err: context.Cause(ctx)}
	}
	select {
	case <-s.done:
		failed := &Progress{Stage: StageWebsocket, JumpHost: p.target, Session: s.id, Err: s.err}
		if s.opened.Load() {
			failed.Stage = StageHandshake
		}
		return started{err: s.err, failed: failed}
	default:
		s.log.Info("ssm session started", "agent", s.channel.AgentVersion(), "ms", time.Since(s.started).Milliseconds())
		d.trace(Progress{Stage: StageHandshake, JumpHost: p.target, Session: s.id, Agent: s.channel.AgentVersion()})
		return started{session: s}
	}
}
