package tunnel

import (
	"io"
	"net/http"
	"sync"
)

// upgrade is the transport of one websocket upgrade, and keeps the connection that
// came of it. A nil transport is http.DefaultTransport.
type upgrade struct {
	transport http.RoundTripper
	line      *corked // nil before
}

func (u *upgrade) RoundTrip(req *http.Request) (*http.Response, error) {
	transport := u.transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	resp, err := transport.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return resp, err
	}
	if rwc, ok := resp.Body.(io.ReadWriteCloser); ok {
		u.line = &corked{ReadWriteCloser: rwc}
		resp.Body = u.line
	}
	return resp, nil
}

// corked is the connection beneath a websocket. Between hold and release it keeps
// what is written, so that several frames are one write: one system call, one TLS
// record, one packet. A ping that comes meanwhile does not wait: where the
// connection is stuck, its time would run out, which closes the websocket.
type corked struct {
	io.ReadWriteCloser

	mu    sync.Mutex
	held  bool
	kept  []byte
	spare []byte // the other buffer, of release
}

// hold begins to keep what is written.
func (c *corked) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = true
}

// Write keeps p, or writes it where nothing is held. Websockets write one frame
// after the other.
func (c *corked) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.held {
		defer c.mu.Unlock()
		c.kept = append(c.kept, p...)
		return len(p), nil
	}
	c.mu.Unlock()
	return c.ReadWriteCloser.Write(p)
}

// release writes what has been kept, and what comes while it does. hold and release
// are called by one goroutine. After an error nothing is written any more.
func (c *corked) release() error {
	for {
		p := c.take()
		if p == nil {
			return nil
		}
		if _, err := c.ReadWriteCloser.Write(p); err != nil {
			return err
		}
	}
}

// take returns what has been kept; with nothing, nothing is held any more.
func (c *corked) take() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.kept) == 0 {
		c.held = false
		return nil
	}
	p := c.kept
	c.kept, c.spare = c.spare[:0], p
	return p
}
