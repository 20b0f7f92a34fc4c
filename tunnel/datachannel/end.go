package datachannel

import (
	"context"
	"errors"
	"time"
)

// Terminate asks the agent to end the session, waits until it acknowledges, the
// service closes the channel or ctx ends, and for Run to return. nil means that
// the agent or the service know of the end; otherwise the error is
// ErrUnconfirmed. Stream bytes not yet sent are not sent any more.
func (c *Conn) Terminate(ctx context.Context) error {
	c.mu.Lock()
	if c.err == nil && c.phase != StateCarrying {
		c.failLocked(ErrTerminated) // the agent would not understand the flag
	}
	if c.err == nil && !c.terminating {
		c.terminating = true
		c.outbox = append(c.outbox, terminateFlag())
		c.releaseBeat(time.Now())
	}
	started := c.started
	c.mu.Unlock()
	c.kick()
	if started {
		select {
		case <-c.done:
		case <-ctx.Done():
			c.fail(ErrTerminated)
			<-c.done
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.confirmed {
		return ErrUnconfirmed
	}
	return nil
}

// awaitAgent begins the wait for the agent.
func (c *Conn) awaitAgent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handshake = time.Now().Add(c.cfg.HandshakeTimeout)
	c.patient = time.AfterFunc(c.cfg.ArrivalTimeout, c.handshakeExpired)
}

// arrive notes that the agent is there. One that comes late has half of
// HandshakeTimeout all the same. c.mu is held.
func (c *Conn) arrive(now time.Time) {
	if !c.arrived && c.patient != nil {
		c.arrived = true
		c.patient.Reset(max(c.handshake.Sub(now), c.cfg.HandshakeTimeout/2))
	}
}

// handshakeExpired runs when the agent has had its time, needed or not.
func (c *Conn) handshakeExpired() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.phase != StateHandshake:
	case c.arrived:
		c.failLocked(ErrHandshakeTimeout)
	default:
		c.failLocked(ErrAgentAbsent)
	}
}

// fail ends the session for this reason, unless it has one already.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failLocked(err)
}

// failLocked is fail. After a refused handshake the agent's own end only echoes
// the refusal, and may come before the writer has noticed that it is out.
func (c *Conn) failLocked(err error) {
	if c.err != nil {
		return
	}
	if c.refusal != nil && !errors.Is(err, ErrTerminated) {
		err = c.refusal
	}
	c.err = err
	if c.cancel != nil {
		c.cancel()
	}
}

func (c *Conn) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
