package gateway

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"
)

// agent is the session worker on the jump host: it answers acknowledged data,
// shakes hands, and then runs the port plugin. Its order of things is the
// genuine agent's.
type agent struct {
	s      *session
	host   *host
	cfg    *Config
	ctx    context.Context // ends with the session
	cancel context.CancelFunc
	done   chan struct{} // closed when run has ended
	in     *incoming
	out    *outgoing
	gate   gate // the pause flag

	// Faults.
	frozen  gate // neither reads nor sends
	offline gate // has no websocket: reads nothing, and what it sends is lost
	killed  atomic.Bool

	sendMu sync.Mutex // orders sends
	seq    int64      // next output number

	// Of the reader, and of finishHandshake before it.
	began         time.Time
	clientVersion string
	responded     bool
	complete      bool // HandshakeComplete sent: data goes to the plugin
	switchDue     bool // complete is set by the next data

	answered chan struct{}              // closed by the HandshakeResponse
	port     atomic.Pointer[portPlugin] // nil until it is ready
	stopping atomic.Bool                // the client has sent TerminateSession
	wg       sync.WaitGroup
}

// portPlugin is what takes payloads once it is ready.
type portPlugin struct {
	write      func(payload []byte) error // one payload of type 1, blocking
	disconnect func()                     // flag 1; nil: ignored
	stop       func()                     // closes every stream; also called when ctx ends
}

// newAgent makes an agent that run starts.
func newAgent(ctx context.Context, s *session) *agent {
	ctx, cancel := context.WithCancel(ctx)
	return &agent{
		s: s, host: s.host, cfg: &s.g.cfg, ctx: ctx, cancel: cancel, done: make(chan struct{}),
		in: &incoming{}, out: newOutgoing(),
		answered: make(chan struct{}),
	}
}

// run lives as long as ctx.
func (a *agent) run() {
	defer close(a.done)
	defer a.wg.Wait()
	defer a.cancel()
	if a.cfg.WorkerStart != nil && !a.host.start(a.ctx, a.cfg.WorkerStart) || !sleep(a.ctx, a.cfg.StartDelay) {
		return
	}
	if why := a.cannotStart(); why != "" {
		a.fail(why)
		return
	}
	a.s.publish(typeStart)
	a.wg.Go(a.resend)
	a.wg.Go(a.handshakeTimer)
	a.sendHandshakeRequest()
	a.read()
}

// cannotStart is what the agent tells in place of a handshake; "": it shakes
// hands.
func (a *agent) cannotStart() string {
	if compareVersions(a.cfg.AgentVersion, agentPortFrom) < 0 {
		return "Plugin with name Port is not supported by this version of ssm agent, please update to latest version"
	}
	a.s.g.mu.Lock()
	defer a.s.g.mu.Unlock()
	return a.s.g.agentFailure
}

// read handles one message after the other, blocking like the original.
func (a *agent) read() {
	for {
		p, err := a.s.toAgent.get(a.ctx)
		if err != nil {
			return
		}
		if a.frozen.pass(a.ctx) != nil || a.offline.pass(a.ctx) != nil {
			return
		}
		a.host.spend(a.cfg.MessageCost)
		m, err := decode(p.frame)
		if err == nil && a.cfg.CheckDigests && !m.digestHolds() {
			err = errDigest
		}
		if err != nil {
			a.s.log.Debug("agent drops a message", "error", err)
			continue
		}
		switch m.kind {
		case typeInput:
			a.gate.open()
			a.input(m)
		case typeAck:
			a.gate.open()
			var ack ackPayload
			if json.Unmarshal(m.payload, &ack) == nil {
				a.out.acknowledged(ack.AcknowledgedMessageSequenceNumber, time.Now())
			}
		case typePause:
			a.gate.shut()
		case typeStart:
			a.gate.open()
		default:
			a.s.log.Debug("agent ignores a message", "type", m.kind)
		}
	}
}

// input is one data message: handled and then acknowledged if expected, kept
// and acknowledged if early, acknowledged again if old.
func (a *agent) input(m message) {
	switch {
	case m.seq == a.in.expected:
		then, ok := a.handle(m)
		if !ok {
			return
		}
		a.acknowledge(m)
		a.in.advance()
		then()
		a.drainEarly()
	case m.seq > a.in.expected:
		if a.in.hold(m) {
			a.acknowledge(m)
		}
	default:
		if !a.cfg.NoReack {
			a.acknowledge(m)
		}
	}
}

// drainEarly handles what was waiting behind the message just handled. One that
// is refused stays, as in the original.
func (a *agent) drainEarly() {
	for {
		m, ok := a.in.next()
		if !ok {
			return
		}
		then, ok := a.handle(m)
		if !ok {
			return
		}
		a.in.advance()
		then()
	}
}

func nothing() {}

// handle acts on one payload; then is what follows its acknowledgement. False
// refuses it: no acknowledgement, not counted.
func (a *agent) handle(m message) (then func(), ok bool) {
	if m.payloadType == payloadHandshakeResponse {
		return a.handleResponse(m.payload), true
	}
	if !a.complete {
		a.complete, a.switchDue = a.switchDue, false
		return nothing, true // acknowledged, counted and thrown away
	}
	p := a.port.Load()
	if p == nil {
		return nil, false
	}
	switch m.payloadType {
	case payloadData:
		a.s.bytesIn.Add(int64(len(m.payload)))
		if !m.digestHolds() {
			a.s.watch.corrupted()
		}
		if err := p.write(m.payload); err != nil {
			return nil, false
		}
	case payloadFlag:
		switch flagOf(m.payload) {
		case flagTerminateSession:
			return func() { a.wg.Go(a.terminate) }, true
		case flagDisconnectToPort:
			if p.disconnect != nil {
				p.disconnect()
			}
		}
	}
	return nothing, true
}

// ready makes p the port plugin until ctx ends.
func (a *agent) ready(p portPlugin) {
	a.port.Store(&p)
	a.s.g.changed()
	a.wg.Go(func() {
		<-a.ctx.Done()
		p.stop()
	})
}

// acknowledge sends an acknowledgement; a lost one is the client's to provoke.
func (a *agent) acknowledge(m message) {
	_ = a.send(newAck(m).encode())
}

// send gives a frame to the service. Without a websocket it is lost.
func (a *agent) send(frame []byte) error {
	if err := a.frozen.pass(a.ctx); err != nil {
		return err
	}
	if a.offline.isShut() {
		return a.ctx.Err()
	}
	a.host.spend(a.cfg.MessageCost)
	return a.s.send(a.ctx, frame)
}

// sendData sends one data message; it waits while the way to the client is full.
func (a *agent) sendData(payloadType uint32, payload []byte) error {
	a.sendMu.Lock()
	defer a.sendMu.Unlock()
	m := newMessage(typeOutput, payload)
	m.seq, m.payloadType = a.seq, payloadType
	if a.seq == 0 {
		m.flags = 1
	}
	a.seq++
	frame := m.encode()
	a.out.store(m.seq, frame, time.Now()) // first, since here an acknowledgement has no way to travel
	if payloadType == payloadData {
		a.s.bytesOut.Add(int64(len(payload)))
	}
	if a.gate.isShut() {
		return a.ctx.Err()
	}
	return a.send(frame)
}

// resend repeats the oldest unacknowledged message, and no other, each tick.
func (a *agent) resend() {
	tick := time.NewTicker(resendTick)
	defer tick.Stop()
	for {
		select {
		case <-a.ctx.Done():
			return
		case now := <-tick.C:
			if a.gate.isShut() || a.offline.isShut() {
				continue
			}
			if frame, ok := a.out.due(now); ok {
				if a.send(frame) != nil {
					return
				}
			}
		}
	}
}

// terminate ends the session at the client's wish: the plugin stops, what is
// unacknowledged gets two seconds.
func (a *agent) terminate() {
	if a.stopping.Swap(true) {
		return
	}
	a.port.Load().stop()
	ctx, cancel := context.WithTimeout(a.ctx, 2*time.Second)
	defer cancel()
	_ = a.out.await(ctx, 0) // it ends either way
	a.s.publish(typePause)  // the agent's websocket is gone
	a.s.end(EndFlag, "")
}

// fail ends the session with a text for the client.
func (a *agent) fail(output string) { a.s.end(EndAgent, output) }

// sleep waits for d; false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// gate is a flag of the agent's that holds things up, such as a pause.
type gate struct {
	mu   sync.Mutex
	wait chan struct{} // nil while open; closed when it opens
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wait == nil {
		g.wait = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wait != nil {
		close(g.wait)
		g.wait = nil
	}
}

func (g *gate) isShut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.wait != nil
}

// pass waits while the gate is shut, until ctx ends.
func (g *gate) pass(ctx context.Context) error {
	for {
		g.mu.Lock()
		wait := g.wait
		g.mu.Unlock()
		if wait == nil {
			return ctx.Err()
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
