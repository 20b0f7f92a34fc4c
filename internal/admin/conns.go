package admin

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// conns bounds how many connections one HTTP server holds. Beyond maxConns the one
// goes that has waited for a request longest, so that whoever opens many keeps
// nobody else out. It is safe for concurrent use; the zero value is ready.
type conns struct {
	mu   sync.Mutex
	idle map[net.Conn]time.Time // since when
	busy map[net.Conn]bool
}

// changed is an http.Server's ConnState.
func (c *conns) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle == nil {
		c.idle, c.busy = map[net.Conn]time.Time{}, map[net.Conn]bool{}
	}
	delete(c.idle, conn)
	delete(c.busy, conn)
	switch state {
	case http.StateNew, http.StateIdle:
		c.idle[conn] = time.Now()
	case http.StateActive:
		c.busy[conn] = true
	}
	if state == http.StateNew && len(c.idle)+len(c.busy) > maxConns {
		c.drop(conn)
	}
}

// drop closes the connection that has been idle longest, or else newcomer.
func (c *conns) drop(newcomer net.Conn) {
	oldest := newcomer
	for conn, since := range c.idle {
		if since.Before(c.idle[oldest]) {
			oldest = conn
		}
	}
	delete(c.idle, oldest)
	oldest.Close()
}
