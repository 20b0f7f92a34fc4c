package datachannel

import (
	"encoding/binary"
	"time"
)

const (
	// maxAckRun acknowledges may overtake data in a row; then data has a turn.
	maxAckRun = 32

	// keepAliveInterval is the longest that old agents are content with; they
	// wait for three.
	keepAliveInterval = 10 * time.Second

	// pauseProbe: when paused with nothing under way, one message goes out after
	// this time all the same, a NOP if there is no other: the word that ends a pause
	// may be lost, and an acknowledge ends it as well.
	pauseProbe = time.Second
)

// smuxNOP is a smux version 1 frame without meaning, legal at the very start of
// the stream.
var smuxNOP = [8]byte{1, 3}

// control is a data message of our own.
type control struct {
	payloadType PayloadType
	payload     []byte
	probe       bool
	flag        bool
}

func probe() control {
	return control{payloadType: PayloadOutput, payload: smuxNOP[:], probe: true}
}

func terminateFlag() control {
	return control{payloadType: PayloadFlag, payload: binary.BigEndian.AppendUint32(nil, flagTerminateSession), flag: true}
}

// next returns the frame to write now: acknowledges that are due first, then what is
// due again, then new messages, and with them the other acknowledges. With none it
// says until when the writer may sleep; zero means until it is woken. An error ends
// the session. alive is the transport's last sign of life.
//
// The frame is valid until the next call.
func (c *Conn) next(now, alive time.Time) (frame []byte, until time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noteAlive(alive)
	if err := c.hopeless(now); err != nil {
		return nil, time.Time{}, err
	}
	if c.deaf(now) {
		c.replaced = c.window.slots[0].seq
		return nil, time.Time{}, errDeaf
	}
	if c.ackRun < maxAckRun {
		if frame := c.nextAck(now); frame != nil {
			c.ackRun++
			return frame, time.Time{}, nil
		}
	}
	c.ackRun = 0
	if end := c.beatEnd(); !end.IsZero() && !now.Before(end) {
		c.releaseBeat(now)
	}
	if frame := c.nextMessage(now); frame != nil {
		if len(frame) < headerSize+c.cfg.MaxPayload-minMaxPayload {
			c.acksAt = now // they go along
		}
		return frame, time.Time{}, nil
	}
	if frame := c.nextAck(now); frame != nil {
		return frame, time.Time{}, nil
	}
	return nil, c.alarm(now), c.refusal
}

// nextMessage is the message to send now, again or for the first time, or nil.
func (c *Conn) nextMessage(now time.Time) []byte {
	if s := c.window.due(now); s != nil {
		c.stats.Resends++
		c.stats.Resent += int64(len(s.frame))
		return s.frame
	}
	if frame := c.nextControl(now); frame != nil {
		return frame
	}
	return c.nextData(now)
}

func (c *Conn) nextAck(now time.Time) []byte {
	if now.Before(c.acksAt) {
		return nil
	}
	if c.acks.len() == 0 && c.beat.waits && !c.beat.kept() && !now.Before(c.beat.due(c.acksAt)) {
		c.releaseBeat(now)
	}
	full := c.acks.full()
	o, ok := c.acks.pop(now)
	if !ok {
		return nil
	}
	if full {
		select {
		case c.room <- struct{}{}:
		default:
		}
	}
	c.stats.Acknowledges++
	c.ackBuf = appendAcknowledge(c.ackBuf[:0], NewUUID(), uint64(now.UnixMilli()), o.id, o.seq)
	return c.ackBuf
}

func (c *Conn) nextControl(now time.Time) []byte {
	if len(c.outbox) == 0 {
		return nil
	}
	item := c.outbox[0]
	c.outbox = c.outbox[1:]
	s := c.window.fresh(headerSize + len(item.payload))
	s.frame = s.frame[:headerSize+len(item.payload)]
	copy(s.frame[headerSize:], item.payload)
	s.probe = item.probe
	if item.probe {
		c.probe = s.seq
	}
	if item.flag {
		c.flag = s.seq
	}
	return c.send(now, s, item.payloadType)
}

// nextData asks the Stream for bytes, when they may go.
func (c *Conn) nextData(now time.Time) []byte {
	if c.phase != StateCarrying || c.terminating {
		return nil
	}
	if c.keepAlive && !now.Before(c.nextNOP) {
		c.nextNOP = now.Add(keepAliveInterval)
		c.cfg.Stream.SendNOP()
	}
	size := headerSize + c.cfg.MaxPayload
	if !c.window.hasRoom(size) {
		return nil
	}
	if !c.paused.IsZero() && (!c.window.empty() || now.Before(c.paused.Add(pauseProbe))) {
		return nil
	}
	if c.gathering = c.gather(now); !c.gathering.IsZero() {
		return nil
	}
	c.checkUp(now)
	if !c.paused.IsZero() { // the agent may be back, and the word of that be lost
		c.cfg.Stream.SendNOP()
	}
	s := c.window.fresh(size)
	s.frame = s.frame[:size]
	n := c.cfg.Stream.Fill(s.frame[headerSize:])
	if n == 0 {
		c.window.unused(s)
		return nil
	}
	s.frame = s.frame[:headerSize+n]
	c.stats.BytesOut += int64(n)
	c.traffic.add(now, n)
	c.lastData = now
	c.beat.sent(now, n >= c.cfg.MaxPayload-minMaxPayload)
	return c.send(now, s, PayloadOutput)
}

// gather is until when what the Stream has to say waits for more; zero: it goes.
func (c *Conn) gather(now time.Time) time.Time {
	g, ok := c.cfg.Stream.(gatherer)
	if !ok {
		return time.Time{}
	}
	if at := g.FillAt(now, c.lastData, c.cfg.MaxPayload-minMaxPayload); at.After(now) {
		return at
	}
	return time.Time{}
}

// send completes the frame, whose payload stands in its place, and stores it.
func (c *Conn) send(now time.Time, s *sent, payloadType PayloadType) []byte {
	putHeader(s.frame, &Message{
		Type:        TypeInput,
		Schema:      schemaVersion,
		Created:     uint64(now.UnixMilli()),
		Seq:         s.seq,
		Flags:       flagsData,
		ID:          NewUUID(),
		PayloadType: payloadType,
	})
	c.window.add(now, s)
	c.stats.MessagesOut++
	return s.frame
}

// alarm is the next time at which next may have something of itself.
func (c *Conn) alarm(now time.Time) time.Time {
	var first time.Time
	check, _ := c.checkAt()
	for _, at := range [...]time.Time{
		c.window.nextDue(),
		c.silentAt(now),
		c.pauseOver(now),
		c.deafAt(),
		c.gapAt(now),
		c.pauseEnd(),
		c.keepAliveAt(),
		c.gathering,
		c.acksEnd(now),
		check,
	} {
		if at.After(now) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

func (c *Conn) acksEnd(now time.Time) time.Time {
	if c.acks.len() == 0 && (!c.beat.waits || c.beat.kept()) {
		return c.beatEnd()
	}
	if c.acks.len() > 0 || c.acksAt.After(now) { // others may have come by then
		return c.acksAt
	}
	return c.beat.due(c.acksAt)
}

func (c *Conn) pauseEnd() time.Time {
	if c.paused.IsZero() {
		return time.Time{}
	}
	return c.paused.Add(pauseProbe)
}

func (c *Conn) keepAliveAt() time.Time {
	if !c.keepAlive || c.phase != StateCarrying {
		return time.Time{}
	}
	return c.nextNOP
}
