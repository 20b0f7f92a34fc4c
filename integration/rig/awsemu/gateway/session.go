package gateway

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// session is one SSM session: what the API knows of it, and the relay between
// the client's websocket and the agent.
type session struct {
	g          *Gateway
	host       *host
	log        *slog.Logger
	properties Properties
	watch      *watch
	ctx        context.Context // of the agent and all that belongs to it
	cancel     context.CancelFunc

	bytesIn, bytesOut atomic.Int64
	taken, given      atomic.Int64 // messages, from the client and to it
	lastInput         atomic.Int64 // Unix nanoseconds; for the idle timeout

	// The relay: what is under way, and who may add to it.
	toAgent, toClient     *lane
	agentGate, clientGate sync.Mutex // one Intercept call at a time, each way

	// Guarded by g.mu.
	info      Session
	token     string // the newest
	tokenMade time.Time
	tokenUsed bool
	front     *front // nil while the client is absent
	agent     *agent // nil until the first client
}

// Request is what StartSession has found good.
type Request struct {
	Target, Document, Reason string
	Owner                    string // ARN of the caller, whose last part names the session
	Properties               Properties
}

// Open makes a session, which waits for its client, and its first token.
func (g *Gateway) Open(r Request) (id, token string) {
	s := &session{g: g, host: g.host(r.Target), properties: r.Properties, toAgent: newLane(), toClient: newLane()}
	s.ctx, s.cancel = context.WithCancel(g.ctx)
	id = sessionID(r.Owner)
	s.log = g.cfg.Log.With("ssm_session", id)
	s.info = Session{
		ID: id, Target: r.Target, Document: r.Document, Host: r.Properties.Host, Port: r.Properties.PortNumber, Reason: r.Reason,
		Owner: r.Owner, State: Connecting, Started: time.Now(),
	}
	s.watch = newWatch(g, id)
	s.lastInput.Store(time.Now().UnixNano())
	g.mu.Lock()
	g.sessions[id] = s
	g.order = append(g.order, s)
	token = s.renewToken()
	g.mu.Unlock()
	g.changed()
	s.log.Info("SSM session started", "target", r.Target, "host", r.Properties.Host, "port", r.Properties.PortNumber)
	return id, token
}

// Resume gives a session a new token, in place of its last, or none if it has
// ended. False: there is no such session.
func (g *Gateway) Resume(id string) (token string, known bool) {
	g.mu.Lock()
	s := g.sessions[id]
	if s == nil {
		g.mu.Unlock()
		return "", false
	}
	live := s.live()
	if live {
		token = s.renewToken()
		s.info.Resumes++
		s.lastInput.Store(time.Now().UnixNano())
	}
	g.mu.Unlock()
	if !live {
		s.watch.resumedAfterEnd()
	}
	return token, true
}

// Terminate ends a session as its caller does by the API; one that has ended is
// fine. False: there is no such session.
func (g *Gateway) Terminate(id string) (known bool) {
	g.mu.Lock()
	s := g.sessions[id]
	g.mu.Unlock()
	if s != nil {
		s.end(EndAPI, "")
	}
	return s != nil
}

// Live says whether there is a session id that has not ended.
func (g *Gateway) Live(id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.sessions[id]
	return s != nil && s.live()
}

// renewToken makes the only token that opens the data channel; g.mu is held.
func (s *session) renewToken() string {
	s.token, s.tokenMade, s.tokenUsed = newToken(), time.Now(), false
	return s.token
}

// live says whether the session has not ended; g.mu is held.
func (s *session) live() bool { return s.info.State != Terminated }

// note changes the snapshot and wakes Await.
func (s *session) note(change func(*Session)) {
	s.g.mu.Lock()
	change(&s.info)
	s.g.mu.Unlock()
	s.g.changed()
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
	s.g.mu.Lock()
	if !s.live() {
		s.g.mu.Unlock()
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
	s.g.mu.Unlock()
	s.watch.attached(f.number, f.wire)
	if old != nil {
		old.drop()
	}
	if first {
		s.g.goRun(a.run)
		s.g.goRun(s.timers) // not before: a test's limits are short, and its client may be late
	} else {
		a.gate.open()
		kind := typeStart
		if a.killed.Load() {
			kind = typePause
		}
		if kind == typeStart || !s.g.cfg.NeverPause {
			s.g.goRun(func() { s.publish(kind) }) // f, who is to make room for it, has not begun to write
		}
	}
	s.g.changed()
	return true
}

// detach says that f is gone; byClient, that it left by itself.
func (s *session) detach(f *front, byClient bool) {
	s.watch.detached(f.number, byClient)
	s.g.mu.Lock()
	if s.front != f {
		s.g.mu.Unlock()
		return
	}
	s.front = nil
	if s.live() {
		s.info.State = Disconnected
	}
	if s.g.dropping.Load() {
		s.toClient.clear()
	}
	s.g.mu.Unlock()
	s.g.changed()
	if !s.g.cfg.NeverPause {
		s.g.goRun(s.pauseIfAbsent)
	}
}

// pauseIfAbsent tells the agent to pause, PauseAfter the client's leaving.
func (s *session) pauseIfAbsent() {
	if !sleep(s.ctx, s.g.cfg.PauseAfter) {
		return
	}
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
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
	s.g.mu.Lock()
	intercept := s.g.intercept
	lost := way == ToClient && s.front == nil && s.g.dropping.Load()
	s.g.mu.Unlock()
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
	s.g.mu.Lock()
	there := s.front != nil
	s.g.mu.Unlock()
	if there {
		_ = s.send(s.ctx, newPublication(kind).encode())
	}
}

// timers ends the session when it has been idle or alive for too long.
func (s *session) timers() {
	s.lastInput.Store(time.Now().UnixNano())
	var life <-chan time.Time
	if d := s.g.cfg.MaxDuration; d > 0 {
		life = time.After(d)
	}
	for {
		most, changed := s.g.idleTimeout()
		var idle <-chan time.Time
		if most > 0 {
			idle = time.After(max(s.idleFor(most), time.Millisecond))
		}
		select {
		case <-s.ctx.Done():
			return
		case <-changed:
		case <-life:
			s.end(EndDuration, "")
		case <-idle:
			if s.idleFor(most) <= 0 {
				s.end(EndIdle, "")
			}
		}
	}
}

// idleFor is how much longer the session may be idle, if most is the limit.
func (s *session) idleFor(most time.Duration) time.Duration {
	return most - time.Since(time.Unix(0, s.lastInput.Load()))
}

// sessionID is the caller's name and 17 hex digits.
func sessionID(arn string) string {
	name := arn[strings.LastIndexAny(arn, "/:")+1:]
	var suffix [9]byte
	rand.Read(suffix[:]) // never fails
	return name + "-" + hex.EncodeToString(suffix[:])[:17]
}

// newToken is opaque and long, 512 characters.
func newToken() string {
	var b [384]byte
	rand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}
