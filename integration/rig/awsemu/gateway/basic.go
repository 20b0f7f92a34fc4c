package gateway

import (
	"net"
	"sync"
)

// basicPort is the port plugin for clients before 1.1.70: one TCP connection at
// a time, its bytes bare in the payloads.
type basicPort struct {
	a       *agent
	address string

	mu   sync.Mutex
	conn net.Conn // nil between connections
}

// startBasic dials at once, as the agent does; failure ends the session.
func (a *agent) startBasic(address string) {
	p := &basicPort{a: a, address: address}
	if err := p.connect(); err != nil {
		a.fail("Unable to connect to specified port: " + err.Error())
		return
	}
	a.ready(portPlugin{write: p.write, disconnect: p.disconnect, stop: p.disconnect})
}

// connect dials and starts to read the target.
func (p *basicPort) connect() error {
	conn, err := p.a.dial(p.address)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.conn = conn
	p.mu.Unlock()
	if p.a.ctx.Err() != nil {
		p.disconnect() // the stop at ctx's end may have come before
	}
	p.a.s.noteStream(1)
	p.a.wg.Go(func() {
		_ = p.a.pump(conn.Read)
		p.disconnect()
		p.a.s.noteStream(-1)
	})
	return nil
}

// write passes one payload on, dialling anew after a disconnect.
func (p *basicPort) write(payload []byte) error {
	p.mu.Lock()
	conn := p.conn
	p.mu.Unlock()
	if conn == nil {
		if err := p.connect(); err != nil {
			p.a.fail("Unable to connect to specified port: " + err.Error())
			return err
		}
		p.mu.Lock()
		conn = p.conn
		p.mu.Unlock()
	}
	if conn != nil {
		_, _ = conn.Write(payload) // an error shows to the reader, which disconnects
	}
	return nil
}

func (p *basicPort) disconnect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}
