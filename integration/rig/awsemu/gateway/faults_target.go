package gateway

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// FailLookups makes every name be answered with why, "i/o timeout" say, by the
// jump hosts' name service; "" ends that.
func (g *Gateway) FailLookups(why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lookups = why
}

// RefuseDials refuses the first n dials; below zero, all.
func RefuseDials(n int) Dial {
	return dials(func(ctx context.Context, i int, dial func() (net.Conn, error)) (net.Conn, error) {
		if n < 0 || i < n {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
		return dial()
	})
}

// HangDials keeps the first n dials waiting, below zero all, until release is
// closed or the session ends: the agent's one accept loop waits with them.
func HangDials(n int, release <-chan struct{}) Dial {
	return dials(func(ctx context.Context, i int, dial func() (net.Conn, error)) (net.Conn, error) {
		if n < 0 || i < n {
			select {
			case <-release:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return dial()
	})
}

// Targets puts wrap around the connection of the i-th dial, from 0; a nil
// answer leaves it as it is.
func Targets(wrap func(i int, conn net.Conn) net.Conn) Dial {
	return dials(func(_ context.Context, i int, dial func() (net.Conn, error)) (net.Conn, error) {
		conn, err := dial()
		if err != nil {
			return nil, err
		}
		if wrapped := wrap(i, conn); wrapped != nil {
			return wrapped, nil
		}
		return conn, nil
	})
}

// dials counts dials from 0.
func dials(f func(ctx context.Context, i int, dial func() (net.Conn, error)) (net.Conn, error)) Dial {
	var n atomic.Int64
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return f(ctx, int(n.Add(1)-1), func() (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		})
	}
}

// DeafTarget is a target that reads after bytes and then no more.
func DeafTarget(conn net.Conn, after int) net.Conn {
	return &deafConn{Conn: conn, left: after, closed: make(chan struct{})}
}

type deafConn struct {
	net.Conn
	left   int
	once   sync.Once
	closed chan struct{}
}

func (c *deafConn) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left >= 0 {
		return c.Conn.Write(p)
	}
	<-c.closed
	return 0, net.ErrClosed
}

func (c *deafConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// ResetTarget is a target that resets the connection once it has said so many
// bytes.
func ResetTarget(conn net.Conn, after int) net.Conn {
	return &endingConn{Conn: conn, left: after, err: syscall.ECONNRESET}
}

// HalfClosingTarget is a target that says so many bytes and then its end of
// stream, but reads on.
func HalfClosingTarget(conn net.Conn, after int) net.Conn {
	return &endingConn{Conn: conn, left: after, err: io.EOF}
}

type endingConn struct {
	net.Conn
	left int
	err  error
}

func (c *endingConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		if c.err != io.EOF {
			_ = c.Conn.Close()
		}
		return 0, c.err
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
