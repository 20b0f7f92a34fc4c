package metrics

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

const cancelCode = 80877102

// tap stands between clients and one listener of pgkeyless, and counts for itself
// what pgkeyless must count: connections, logins, and the bytes after each login.
type tap struct {
	address string // "host:port", for clients
	server  string

	connections, logins, up, down atomic.Int64

	ctx context.Context // ends with the test
}

// newTap opens a tap on server. The test's end closes it, and what goes through it.
func newTap(t *testing.T, server string) *tap {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{address: l.Addr().String(), server: server, ctx: t.Context()}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.serve(c.(*net.TCPConn)) })
		}
	})
	return p
}

// serve carries one connection to its end.
func (p *tap) serve(client *net.TCPConn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	defer context.AfterFunc(p.ctx, func() { client.Close(); server.Close() })()
	p.connections.Add(1)
	first, err := readStartup(client)
	if _, werr := server.Write(first); err != nil || werr != nil {
		return // what is not even a packet goes with the connection
	}
	if binary.BigEndian.Uint32(first[4:]) == cancelCode {
		io.Copy(client, server)
		return
	}
	var ways sync.WaitGroup
	ready := make(chan struct{})
	ways.Go(func() {
		buf := make([]byte, 32<<10)
		for {
			n, err := client.Read(buf)
			if n > 0 {
				select {
				case <-ready:
					p.up.Add(int64(n))
				default:
				}
				if _, err := server.Write(buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				server.(*net.TCPConn).CloseWrite()
				return
			}
		}
	})
	if last := untilReady(client, server); last != nil {
		close(ready)
		p.logins.Add(1)
		client.Write(last)
		io.Copy(client, io.TeeReader(server, counter{&p.down}))
	}
	client.CloseWrite()
	client.CloseRead()
	ways.Wait()
}

// untilReady carries the database's messages up to ReadyForQuery, which it returns:
// no client may be ahead of its login. nil says that there is none.
func untilReady(client io.Writer, server io.Reader) []byte {
	for {
		message := make([]byte, 5)
		n, err := io.ReadFull(server, message)
		if err != nil {
			client.Write(message[:n])
			return nil
		}
		message = append(message, make([]byte, binary.BigEndian.Uint32(message[1:])-4)...)
		n, err = io.ReadFull(server, message[5:])
		if err == nil && message[0] == 'Z' {
			return message
		}
		if _, werr := client.Write(message[:5+n]); err != nil || werr != nil {
			return nil
		}
	}
}

// readStartup reads one packet without a type.
func readStartup(c io.Reader) ([]byte, error) {
	packet := make([]byte, 8)
	if n, err := io.ReadFull(c, packet); err != nil {
		return packet[:n], err
	}
	length := binary.BigEndian.Uint32(packet)
	if length < 8 || length > 10_000 {
		return packet, io.ErrUnexpectedEOF
	}
	packet = append(packet, make([]byte, length-8)...)
	_, err := io.ReadFull(c, packet[8:])
	return packet, err
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}
