package datachannel

import (
	"context"
	"errors"
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

// handshakeExpired runs when HandshakeTimeout is over, needed or not.
func (c *Conn) handshakeExpired() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == StateHandshake {
		c.failLocked(ErrHandshakeTimeout)
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
