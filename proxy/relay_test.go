package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// established logs a client in.
func (r *rig) established() *client {
	r.t.Helper()
	c := r.dial()
	c.send(plainStartup)
	c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
	return c
}

// loopback is a rig on TCP sockets, whose conns have buffers and can be closed
// one way. dial connects a client that is logged in. looped relays run on an event
// loop where there is one, others on goroutines, as on other systems than Linux.
func loopback(tb testing.TB, looped bool, session func(*databaseConn)) (r *rig, dial func() *client) {
	tb.Helper()
	listen := func() *net.TCPListener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		return l.(*net.TCPListener)
	}
	front, back := listen(), listen()
	r = newRig(tb, func(c *databaseConn) {
		c.logIn()
		session(c)
	}, func(cfg *Config) {
		route := &cfg.Routes[0]
		route.Listen = []net.Listener{front}
		if !looped {
			route.Listen = []net.Listener{unloopedListener{front}}
		}
		route.Dialer = new(net.Dialer)
		route.Address = back.Addr().String()
		cfg.Log = nil
	})
	r.db.wg.Go(func() {
		for {
			c, err := back.Accept()
			if err != nil {
				return
			}
			r.db.wg.Go(func() { r.db.serve(c) })
		}
	})
	tb.Cleanup(func() {
		back.Close()
		r.stop()
	})
	return r, func() *client {
		tb.Helper()
		conn, err := net.Dial("tcp", front.Addr().String())
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { conn.Close() })
		c := &client{conn, tb}
		c.send(plainStartup)
		c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
		return c
	}
}

// unloopedListener's conns are nothing that an event loop takes.
type unloopedListener struct{ net.Listener }

func (l unloopedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return struct{ *net.TCPConn }{c.(*net.TCPConn)}, nil
}

// eitherRelay runs a test with the event loop and with goroutines.
func eitherRelay(t *testing.T, test func(t *testing.T, looped bool)) {
	t.Run("loop", func(t *testing.T) { test(t, true) })
	t.Run("goroutines", func(t *testing.T) { test(t, false) })
}

func randomBytes(n int) []byte {
	p := make([]byte, n)
	source := rand.NewChaCha8([32]byte{1})
	source.Read(p)
	return p
}

func TestRelayIsByteExactBothWaysAtOnce(t *testing.T) {
	eitherRelay(t, func(t *testing.T, looped bool) {
		data := randomBytes(8 << 20)
		got := make(chan []byte, 1)
		_, dial := loopback(t, looped, func(c *databaseConn) {
			go c.Write(data)
			p := make([]byte, len(data))
			io.ReadFull(c, p)
			got <- p
			io.Copy(io.Discard, c)
		})
		c := dial()
		go c.Write(data)
		c.expect(data)
		if p := <-got; !bytes.Equal(p, data) {
			t.Error("the database got other bytes than the client sent")
		}
	})
}

func TestClientThatHalfClosesGetsItsAnswer(t *testing.T) {
	eitherRelay(t, func(t *testing.T, looped bool) {
		answer := randomBytes(1 << 20)
		_, dial := loopback(t, looped, func(c *databaseConn) {
			if p, err := io.ReadAll(c); err != nil || string(p) != "question" {
				t.Errorf("database got %q (%v), want the question and its end", p, err)
			}
			c.Write(answer)
		})
		c := dial()
		c.send([]byte("question"))
		c.Conn.(*net.TCPConn).CloseWrite()
		c.expect(answer)
		c.expectEnd()
	})
}

func TestLastWordsOfADatabaseReachABusyClient(t *testing.T) {
	eitherRelay(t, func(t *testing.T, looped bool) {
		words := errorPacket("SFATAL", "C57P01", "Mterminating connection due to administrator command")
		_, dial := loopback(t, looped, func(c *databaseConn) {
			c.expect([]byte("begin"))
			c.send(words)
		})
		c := dial()
		c.send([]byte("begin"))
		c.send(make([]byte, 100)) // unread by the database: it resets its side
		c.expect(words)
	})
}

// A name may lead to several servers; the key remembers which one it was.
func TestCancelKeyRemembersTheServersOwnAddress(t *testing.T) {
	r, dial := loopback(t, true, func(c *databaseConn) { c.untilTerminate() })
	_, port, err := net.SplitHostPort(r.server.routes[0].Address)
	if err != nil {
		t.Fatal(err)
	}
	r.server.routes[0].Address = "localhost:" + port
	dial()
	if k := r.server.cancels.find(7, []byte("key7")); k == nil || k.address != "127.0.0.1:"+port {
		t.Errorf("key leads to %v, want 127.0.0.1:%s", k, port)
	}
}

func TestIdleSessionsHaveNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.expect([]byte("still there?"))
			time.Sleep(48 * time.Hour)
			c.send([]byte("yes"))
			c.untilTerminate()
		}, nil)
		c := r.established()
		time.Sleep(48 * time.Hour)
		c.send([]byte("still there?"))
		c.expect([]byte("yes"))
		c.Close()
		r.stop()
	})
}

// inTLS logs a client in inside TLS, which can be closed one way on any conn.
func (r *rig) inTLS() (c *client, closeWrite func() error) {
	r.t.Helper()
	c = r.dial()
	c.send(sslRequest)
	c.expect([]byte{'S'})
	c = c.secure(r.server)
	c.send(plainStartup)
	c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
	return c, c.Conn.(*tls.Conn).CloseWrite
}

func TestLingerEndsASilentDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended, release := context.WithCancel(t.Context())
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			for range 5 { // goes on for longer than linger, never silent that long
				time.Sleep(4 * time.Second)
				c.send([]byte("row"))
			}
			<-ended.Done()
		}, nil)
		began := time.Now()
		c, closeWrite := r.inTLS()
		if err := closeWrite(); err != nil {
			t.Fatal(err)
		}
		c.expect([]byte("rowrowrowrowrow"))
		c.expectEnd()
		if took := time.Since(began); took != 25*time.Second {
			t.Errorf("ended after %v, want 20 s of rows and 5 s of silence", took)
		}
		c.Conn.(*tls.Conn).NetConn().Close()
		release()
		r.stop()
		if !r.log.hasLine("session ended", `reason="client closed"`, "bytes_down=15") {
			t.Errorf("want client closed and 15 bytes in\n%s", r.log.bytes())
		}
	})
}

func TestDatabaseThatClosesEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.send([]byte("bye"))
		}, nil)
		began := time.Now()
		c := r.established()
		c.expect([]byte("bye"))
		c.expectEnd() // though it never closes itself
		if took := time.Since(began); took > 7*time.Second {
			t.Errorf("client was let go after %v", took)
		}
		r.stop()
		if !r.log.hasLine("session ended", "level=INFO", `reason="database closed"`) {
			t.Errorf("want database closed in\n%s", r.log.bytes())
		}
	})
}

func TestLostDatabaseIsAWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.NetConn().Write([]byte("not a TLS record at all"))
		}, nil)
		c := r.established()
		if told := c.failed(); told['C'] != "08006" || told['H'] == "" {
			t.Errorf("client got %q, want 08006 and a HINT", told)
		}
		r.stop()
		if !r.log.hasLine("session ended", "level=WARN", `reason="database connection lost"`, "error=", "connection to orders") {
			t.Errorf("want a warning in\n%s", r.log.bytes())
		}
	})
}

// Each side may be blocked in a write that the other does not read. When one of
// them goes away, linger must end the other.
func TestBlockedWritesEndWithTheirSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		speak := make(chan struct{})
		r.server.routes[0].Dialer = dialFunc(func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe() // without the eager reader: what is not read blocks
			r.db.session = func(c *databaseConn) {
				c.logIn()
				<-speak
				c.Write([]byte("row"))
				time.Sleep(time.Hour)
			}
			r.db.wg.Go(func() { r.db.serve(far) })
			return near, nil
		})
		c := r.established()
		c.send([]byte("more than the database ever reads"))
		c.Close()
		close(speak)
		time.Sleep(20 * time.Second)
		if !r.log.hasLine("session ended", `reason="client connection lost"`) {
			t.Errorf("session goes on:\n%s", r.log.bytes())
		}
		r.stop()
	})
}

func BenchmarkRelay(b *testing.B) {
	const block = 64 << 10
	b.Run("download", func(b *testing.B) {
		data := randomBytes(block)
		_, dial := loopback(b, true, func(c *databaseConn) {
			for {
				if _, err := c.Write(data); err != nil {
					return
				}
			}
		})
		c := dial()
		buf := make([]byte, block)
		b.SetBytes(block)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := io.ReadFull(c, buf); err != nil {
				b.Fatal(err)
			}
		}
		c.Close()
	})
	b.Run("upload", func(b *testing.B) {
		_, dial := loopback(b, true, func(c *databaseConn) { io.Copy(io.Discard, c) })
		c := dial()
		data := randomBytes(block)
		b.SetBytes(block)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Write(data); err != nil {
				b.Fatal(err)
			}
		}
		c.Close()
	})
	b.Run("question and answer", func(b *testing.B) {
		_, dial := loopback(b, true, func(c *databaseConn) {
			for {
				m, err := readMessage(c)
				if err != nil || m[0] == 'X' {
					return
				}
				c.Write(m)
			}
		})
		c := dial()
		query := message('Q', []byte("select 1\x00")...)
		buf := make([]byte, len(query))
		b.ReportAllocs()
		for b.Loop() {
			c.Write(query)
			if _, err := io.ReadFull(c, buf); err != nil {
				b.Fatal(err)
			}
		}
		c.Close()
	})
}

func BenchmarkLogin(b *testing.B) {
	_, dial := loopback(b, true, func(c *databaseConn) { c.untilTerminate() })
	b.ReportAllocs()
	for b.Loop() {
		c := dial()
		c.send(terminate)
		c.Close()
	}
}

// The relay has no bound on messages: PostgreSQL's own is 1 GB.
func TestRelayTakesMessagesOfAnyLength(t *testing.T) {
	const part = 1 << 20
	for name, connect := range map[string]func(t *testing.T, session func(*databaseConn)) *client{
		"sockets": func(t *testing.T, session func(*databaseConn)) *client {
			_, dial := loopback(t, true, session)
			return dial()
		},
		"conns that are none": func(t *testing.T, session func(*databaseConn)) *client {
			r := newRig(t, func(c *databaseConn) { c.logIn(); session(c) }, nil)
			t.Cleanup(r.stop)
			return r.established()
		},
	} {
		t.Run(name, func(t *testing.T) {
			row := append([]byte{'D', 0x7f, 0xff, 0xff, 0xff}, randomBytes(part)...)
			parameter := append([]byte{'B', 0xff, 0xff, 0xff, 0xff}, randomBytes(part)...)
			c := connect(t, func(c *databaseConn) {
				c.expect(parameter)
				c.send(row)
				c.untilTerminate()
			})
			defer c.Close()
			c.send(parameter)
			c.expect(row)
			c.send(terminate)
		})
	}
}
