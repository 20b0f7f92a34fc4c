package datachannel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/display"
)

// repeatAfter is how long ago an acknowledge must have been written to be taken
// for lost when its message, or an older one, comes again: the agent's longest
// resend time.
const repeatAfter = time.Second

// longRepair is what the log reports: shorter ones are like a slow query.
const longRepair = 2 * time.Second

// maxUnknown bounds what is remembered of messages that we do not know.
const maxUnknown = 32

// receive takes one message off the transport. An error ends the session; a
// message that cannot be used is dropped without acknowledge, and the agent
// sends it again.
func (c *Conn) receive(now time.Time, frame []byte) error {
	m, err := Parse(frame)
	if err != nil {
		c.drop(err)
		return nil
	}
	switch m.Type {
	case TypeOutput:
		return c.receiveOutput(now, m)
	case TypeAcknowledge:
		c.receiveAcknowledge(now, m)
	case TypePausePublication:
		c.pause(now)
	case TypeStartPublication:
		c.resume(now)
	case TypeChannelClosed:
		return c.closed(m)
	default:
		c.ignore("message type", display.Line(m.Type))
	}
	return nil
}

// receiveOutput acknowledges a message of the agent as soon as it is in our
// hands, each copy anew, but for copies of the beat: an agent whose oldest message
// stays unacknowledged repairs nothing else. Stream bytes are delivered first, the
// rest is queued in order or held.
func (c *Conn) receiveOutput(now time.Time, m Message) error {
	if m.Seq < 0 {
		c.drop(fmt.Errorf("%w: number %d", ErrMalformed, m.Seq))
		return nil
	}
	what, err := c.sortIn(now, m)
	c.tellOfRepair(now)
	if err != nil || what == repeated {
		return err
	}
	if what == duplicate {
		c.acknowledgeAgain(now, m)
		return nil
	}
	if what != inOrder {
		c.acknowledge(now, m, true)
		return nil
	}
	if m.PayloadType == PayloadOutput {
		if err := c.handle(m); err != nil {
			return err
		}
		c.acknowledge(now, m, false)
	} else {
		c.acknowledge(now, m, true)
		if err := c.handle(m); err != nil {
			return err
		}
	}
	for {
		c.mu.Lock()
		next, ok := c.reorder.take(now)
		c.mu.Unlock()
		if !ok {
			return nil
		}
		if err := c.handle(next); err != nil {
			return err
		}
	}
}

// sortIn puts m in its place, and gives up when too much is missing.
func (c *Conn) sortIn(now time.Time, m Message) (arrival, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hear(now)
	c.lift(now)
	whole := c.reorder.missing() == 0
	what, err := c.reorder.add(now, m)
	if err != nil {
		return what, fmt.Errorf("%w: %w", ErrGap, err)
	}
	if what == duplicate && c.beat.waits && m.Seq == c.beat.seq { // whose acknowledge is due anyway
		c.beat.heard = true
		return repeated, nil
	}
	if what == duplicate {
		c.stats.Duplicates++
		c.acks.repeat(m.Seq+1, time.Time{}, now.Add(-repeatAfter))
		return what, nil
	}
	c.stats.MessagesIn++
	if m.PayloadType == PayloadOutput {
		c.stats.BytesIn += int64(len(m.Payload))
		c.traffic.add(now, len(m.Payload))
	}
	if what == early {
		c.stats.Early++
		if whole {
			c.stats.Gaps++
		}
	}
	return what, c.gap(now)
}

// tellOfRepair logs that clients will wait for a repair, and that they have.
func (c *Conn) tellOfRepair(now time.Time) {
	c.mu.Lock()
	missing := c.reorder.missing()
	repair := repairTime(missing, c.window.rto.smoothed)
	began, told := c.repair, !c.repair.IsZero()
	switch {
	case !told && repair >= longRepair:
		c.repair = now
	case told && missing == 0:
		c.repair = time.Time{}
	default:
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	if told {
		c.log.Info("the SSM agent has resent the lost messages", "ms", now.Sub(began).Milliseconds())
		return
	}
	c.log.Warn("messages of the SSM agent are lost, waiting for it to resend them", "missing", missing,
		"estimate", repair, "at_most", c.cfg.GapPatience)
}

// gap is ErrGap once waiting for missing messages is in vain. c.mu is held.
func (c *Conn) gap(now time.Time) error {
	if !c.paused.IsZero() { // who is away repairs nothing
		return nil
	}
	why := c.reorder.hopeless(now, c.cfg.GapPatience, c.gapTimeout(now))
	if why != "" {
		return fmt.Errorf("%w: %s", ErrGap, why)
	}
	return nil
}

// gapTimeout is how long a repair may stand still: GapTimeout, unless the transport
// may be dead, for its owner then has another that brings the repair. c.mu is held.
func (c *Conn) gapTimeout(now time.Time) time.Duration {
	if c.doubtful(now) {
		return max(c.cfg.GapTimeout, c.cfg.GapPatience)
	}
	return c.cfg.GapTimeout
}

// gapAt is when to look whether a gap is hopeless, every second at least: a sign of
// life of the transport wakes nobody. Zero: there is none. c.mu is held.
func (c *Conn) gapAt(now time.Time) time.Time {
	at := c.reorder.deadline(c.cfg.GapPatience, c.gapTimeout(now))
	if soon := now.Add(time.Second); soon.Before(at) {
		return soon
	}
	return at
}

// acknowledge queues the acknowledge of m, which may wait for others unless it is
// urgent, and for an upload in reply unless it is late.
func (c *Conn) acknowledge(now time.Time, m Message, urgent bool) {
	c.mu.Lock()
	late := c.late(now, m)
	first := c.acks.len() == 0 && (!c.beat.waits || c.beat.kept())
	urgent = urgent || c.phase != StateCarrying || c.terminating
	if urgent {
		c.releaseBeat(now)
		c.acks.push(owed{m.ID, m.Seq})
	} else {
		c.keepBeat(now, owed{m.ID, m.Seq}, late)
		urgent = c.acks.len() >= ackBatch
	}
	switch {
	case urgent:
		c.acksAt = now
	case first:
		c.acksAt = now.Add(ackDelay)
	}
	c.mu.Unlock()
	if first || urgent {
		c.kick()
	}
}

// acknowledgeAgain queues the acknowledge of an older message that came once more. The
// agent is sending that again, so the newest one keeps it from nothing.
func (c *Conn) acknowledgeAgain(now time.Time, m Message) {
	c.mu.Lock()
	c.acks.push(owed{m.ID, m.Seq})
	c.acksAt = now
	c.mu.Unlock()
	c.kick()
}

// handle acts on a message whose turn it is. A payload type that we do not know
// takes its number and nothing else.
func (c *Conn) handle(m Message) error {
	switch m.PayloadType {
	case PayloadOutput:
		if err := c.cfg.Stream.Deliver(m.Payload); err != nil {
			return fmt.Errorf("reading what the SSM agent sent: %w", err)
		}
	case PayloadFlag:
		if len(m.Payload) == 4 && binary.BigEndian.Uint32(m.Payload) == flagConnectToPortError {
			c.cfg.Stream.ConnectFailed()
		}
	case PayloadHandshakeRequest:
		return c.handshakeRequest(m.Payload)
	case PayloadHandshakeComplete:
		c.handshakeComplete(m.Payload)
	default:
		c.ignore("payload type", fmt.Sprint(uint32(m.PayloadType)))
	}
	return nil
}

// handshakeRequest queues the answer. Later requests are taken for copies.
func (c *Conn) handshakeRequest(payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answered {
		return nil
	}
	request, err := parseHandshakeRequest(payload)
	if err != nil {
		return err
	}
	answer, err := request.answer(c.cfg.ClientVersion)
	if answer == nil {
		return err
	}
	c.answered, c.refusal = true, err
	c.agentVersion = display.Line(request.AgentVersion)
	c.keepAlive = request.wantsKeepAlive()
	c.outbox = append(c.outbox, control{payloadType: PayloadHandshakeResponse, payload: answer})
	c.kick()
	return nil
}

// handshakeComplete queues the probe: input that reaches the agent in the moment
// after it sent this may be acknowledged and lost, and in the moments after that
// is refused without acknowledge. The probe's acknowledge ends both.
func (c *Conn) handshakeComplete(payload []byte) {
	if !c.toProbing() {
		return
	}
	if text := customerMessage(payload); text != "" {
		c.log.Info("message of the SSM agent", "text", text)
	}
}

// toProbing is false where a HandshakeComplete has no place.
func (c *Conn) toProbing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != StateHandshake || !c.answered || c.refusal != nil {
		return false
	}
	c.phase = StateProbing
	c.outbox = append(c.outbox, probe())
	c.kick()
	return true
}

// receiveAcknowledge takes one message out of the window. Numbers that are not
// there, as after a resend, are no error.
func (c *Conn) receiveAcknowledge(now time.Time, m Message) {
	seq, err := parseAcknowledge(m.Payload)
	if err != nil {
		c.drop(err)
		return
	}
	if c.acknowledged(now, seq) {
		c.log.Debug("data channel ready", "agent_version", c.AgentVersion())
	}
}

// acknowledged says whether this makes the Conn ready.
func (c *Conn) acknowledged(now time.Time, seq int64) (ready bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting := !c.paused.IsZero() || !c.window.hasRoom(headerSize+c.cfg.MaxPayload)
	c.hear(now)
	c.lift(now)
	known := c.window.acknowledge(now, seq)
	if waiting || seq == c.probe || !c.window.empty() { // else there is nothing new for the writer
		c.kick()
	}
	if !known {
		return false
	}
	switch seq {
	case c.probe:
		c.phase = StateCarrying
		c.nextNOP = now.Add(keepAliveInterval)
		close(c.ready)
		return true
	case c.flag:
		c.confirmed = true
		c.failLocked(ErrTerminated)
	}
	return false
}

// pause: the service says that the agent is away. Only new data waits:
// acknowledges and resends go on.
func (c *Conn) pause(now time.Time) {
	c.mu.Lock()
	first := c.paused.IsZero()
	if first {
		c.paused = now
		c.window.pace.halve()
		c.kick() // to look at the clock
	}
	c.mu.Unlock()
	if first {
		c.log.Debug("publication paused")
	}
}

func (c *Conn) resume(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arrive(now) // the service says that the agent is there
	c.lift(now)
	c.kick()
}

// lift ends a pause, if there is one. Who was away has new time to answer, and to
// repair. c.mu is held.
func (c *Conn) lift(now time.Time) {
	if !c.paused.IsZero() {
		c.paused, c.lifted = time.Time{}, now
		c.reorder.restart(now)
		c.reached(now)
	}
}

// closed is the end that no resume can undo.
func (c *Conn) closed(m Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.confirmed = true
	if c.terminating {
		return ErrTerminated
	}
	return &ChannelClosedError{Output: closedOutput(m.Payload)}
}

// drop counts a message that is of no use.
func (c *Conn) drop(err error) {
	c.mu.Lock()
	if errors.Is(err, ErrDigest) {
		c.stats.BadDigests++
	} else {
		c.stats.Malformed++
	}
	c.mu.Unlock()
	c.log.Debug("message dropped", "error", display.Line(err.Error()))
}

// ignore logs what we do not know, each kind once.
func (c *Conn) ignore(kind, name string) {
	c.mu.Lock()
	key := kind + " " + name
	seen := c.unknown[key] || len(c.unknown) >= maxUnknown
	if !seen {
		c.unknown[key] = true
	}
	c.mu.Unlock()
	if !seen {
		c.log.Debug("unknown message ignored", "kind", kind, "name", name)
	}
}
