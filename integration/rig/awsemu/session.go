package awsemu

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// session is one SSM session: what the API knows of it, and the relay between
// the client's websocket and the agent.
type session struct {
	e          *Emulator
	log        *slog.Logger
	properties properties
	watch      *watch
	ctx        context.Context // of the agent and all that belongs to it
	cancel     context.CancelFunc

	bytesIn, bytesOut atomic.Int64
	lastInput         atomic.Int64 // Unix nanoseconds; for the idle timeout

	// The relay: what is under way, and who may add to it.
	toAgent, toClient     *lane
	agentGate, clientGate sync.Mutex // one Intercept call at a time, each way

	// Guarded by e.mu.
	info      Session
	token     string // the newest
	tokenMade time.Time
	tokenUsed bool
	front     *front // nil while the client is absent
	agent     *agent // nil until the first client
}

// newSession registers a session and gives it a token.
func (e *Emulator) newSession(owner Caller, target, document, reason string, p properties) (id, token string) {
	s := &session{e: e, properties: p, toAgent: newLane(), toClient: newLane()}
	s.ctx, s.cancel = context.WithCancel(e.ctx)
	id = sessionID(owner.ARN)
	s.log = e.cfg.Log.With("ssm_session", id)
	s.info = Session{
		ID: id, Target: target, Document: document, Host: p.Host, Port: p.PortNumber, Reason: reason,
		Owner: owner.ARN, State: Connecting, Started: time.Now(),
	}
	s.watch = newWatch(e, id)
	s.lastInput.Store(time.Now().UnixNano())
	e.mu.Lock()
	e.sessions[id] = s
	e.order = append(e.order, s)
	token = s.renewToken()
	e.mu.Unlock()
	e.changed()
	s.log.Info("SSM session started", "target", target, "host", p.Host, "port", p.PortNumber)
	return id, token
}

// renewToken makes the only token that opens the data channel; e.mu is held.
func (s *session) renewToken() string {
	s.token, s.tokenMade, s.tokenUsed = newToken(), time.Now(), false
	return s.token
}

// live says whether the session has not ended; e.mu is held.
func (s *session) live() bool { return s.info.State != Terminated }

// note changes the snapshot and wakes Await.
func (s *session) note(change func(*Session)) {
	s.e.mu.Lock()
	change(&s.info)
	s.e.mu.Unlock()
	s.e.changed()
}

func (s *session) noteVersion(v string) { s.note(func(i *Session) { i.ClientVersion = v }) }
func (s *session) noteDial()            { s.note(func(i *Session) { i.Dials++ }) }

func (s *session) noteStream(d int) {
	s.note(func(i *Session) { i.Streams += max(d, 0); i.OpenStreams += d })
}

// attach makes f the client's side, in place of an older one. The first one
// starts the agent; later ones find it where it was. False: the session has
// ended.
func (s *session) attach(f *front) bool {
	s.e.mu.Lock()
	if !s.live() {
		s.e.mu.Unlock()
		return false
	}
	old := s.front
	s.front = f
	s.info.State = Connected
	s.info.Connections++
	f.number = s.info.Connections
	s.info.ClientID = f.open.ClientId
	first := s.agent == nil
	if first {
		s.agent = newAgent(s.ctx, s)
	}
	a := s.agent
	s.e.mu.Unlock()
	s.watch.attached(f.number, f.wire)
	if old != nil {
		old.drop()
	}
	if first {
		s.e.goRun(a.run)
		s.e.goRun(s.timers) // not before: a test's limits are short, and its client may be late
	} else {
		a.gate.open()
		s.e.goRun(func() { s.publish(typeStart) }) // f, who is to make room for it, has not begun to write
	}
	s.e.changed()
	return true
}

// detach says that f is gone; byClient, that it left by itself.
func (s *session) detach(f *front, byClient bool) {
	s.watch.detached(f.number, byClient)
	s.e.mu.Lock()
	if s.front != f {
		s.e.mu.Unlock()
		return
	}
	s.front = nil
	if s.live() {
		s.info.State = Disconnected
	}
	if s.e.dropping.Load() {
		s.toClient.clear()
	}
	s.e.mu.Unlock()
	s.e.changed()
	if !s.e.cfg.NeverPause {
		s.e.goRun(s.pauseIfAbsent)
	}
}

// pauseIfAbsent tells the agent to pause, PauseAfter the client's leaving.
func (s *session) pauseIfAbsent() {
	if !sleep(s.ctx, s.e.cfg.PauseAfter) {
		return
	}
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	if s.front == nil && s.live() {
		s.agent.gate.shut()
	}
}

// send passes a message on to the client, through the interceptor. It waits
// while too much is under way, until ctx ends.
func (s *session) send(ctx context.Context, frame []byte) error {
	return s.forward(ctx, ToClient, &s.clientGate, s.toClient, frame)
}

// receive passes a message on to the agent, through the interceptor.
func (s *session) receive(ctx context.Context, frame []byte) error {
	s.lastInput.Store(time.Now().UnixNano())
	return s.forward(ctx, ToAgent, &s.agentGate, s.toAgent, frame)
}

func (s *session) forward(ctx context.Context, way Direction, gate *sync.Mutex, l *lane, frame []byte) error {
	gate.Lock()
	defer gate.Unlock()
	s.e.mu.Lock()
	intercept := s.e.intercept
	lost := way == ToClient && s.front == nil && s.e.dropping.Load()
	s.e.mu.Unlock()
	if lost {
		return ctx.Err()
	}
	if intercept == nil {
		return l.put(ctx, parcel{frame: frame}, 0)
	}
	for _, d := range intercept(s.info.ID, way, frame) {
		if err := l.put(ctx, parcel{frame: d.Message, text: d.Text}, d.After); err != nil {
			return err
		}
	}
	return nil
}

// publish sends start_publication or pause_publication to the client, if it is
// there: it tells about the agent's side.
func (s *session) publish(kind string) {
	s.e.mu.Lock()
	there := s.front != nil
	s.e.mu.Unlock()
	if there {
		_ = s.send(s.ctx, newPublication(kind).encode())
	}
}

// timers ends the session when it has been idle or alive for too long.
func (s *session) timers() {
	var idle, life <-chan time.Time
	if d := s.e.cfg.IdleTimeout; d > 0 {
		idle = time.After(d)
	}
	if d := s.e.cfg.MaxDuration; d > 0 {
		life = time.After(d)
	}
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-life:
			s.end(EndDuration, "")
		case <-idle:
			rest := s.e.cfg.IdleTimeout - time.Since(time.Unix(0, s.lastInput.Load()))
			if rest <= 0 {
				s.end(EndIdle, "")
			}
			idle = time.After(max(rest, time.Millisecond))
		}
	}
}
