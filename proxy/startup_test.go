package proxy

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// greeting is what came of greet.
type greeting struct {
	conn   net.Conn
	wanted any
	err    error
}

// greeted runs greet against what client does, in a bubble.
func greeted(t *testing.T, unix bool, talk func(c *client, cfg *tls.Config)) (g greeting) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg, err := clientTLS(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		offered := cfg
		if unix {
			offered = nil
		}
		near, far := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			g.conn, g.wanted, g.err = greet(far, offered, func() {})
			if g.err != nil {
				far.Close()
			}
		}()
		talk(&client{near, t}, cfg)
		<-done
		near.Close()
		far.Close()
	})
	return g
}

// A client that has seen the certificate may close or reset the connection: both
// are a refusal, probably. Before that, neither is.
func TestLeavingAmidTheHandshake(t *testing.T) {
	for _, tt := range []struct {
		name          string
		hello         bool // whether the client gets as far as the certificate
		end           error
		refused, gone bool
	}{
		{"closed before ClientHello", false, io.EOF, false, true},
		{"reset before ClientHello", false, syscall.ECONNRESET, false, false},
		{"closed after the certificate", true, io.EOF, true, true},
		{"reset after the certificate", true, syscall.ECONNRESET, true, true},
		{"silent after the certificate", true, os.ErrDeadlineExceeded, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg, err := clientTLS(time.Now())
				if err != nil {
					t.Fatal(err)
				}
				near, far := net.Pipe()
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, err = acceptTLS(&endsWith{far, tt.end}, cfg)
				}()
				if tt.hello {
					c := tls.Client(&helloOnly{Conn: near}, &tls.Config{InsecureSkipVerify: true})
					if err := c.Handshake(); err != nil {
						t.Fatal(err)
					}
				}
				near.Close()
				<-done
				far.Close()
				quiet, ok := errors.AsType[*silent](err)
				if !ok {
					t.Fatalf("error %v, want one that is not sent", err)
				}
				if gone := errors.Is(err, errClientGone); quiet.after != tt.refused || gone != tt.gone {
					t.Errorf("error %q: a refusal %v, client gone %v; want %v, %v", err, quiet.after, gone, tt.refused, tt.gone)
				}
			})
		})
	}
}

// endsWith is a conn whose end is another than EOF.
type endsWith struct {
	net.Conn
	end error
}

func (e *endsWith) Read(b []byte) (int, error) {
	n, err := e.Conn.Read(b)
	if err == io.EOF {
		err = e.end
	}
	return n, err
}

func TestGreetTakesTheOrdersClientsUse(t *testing.T) {
	cancel := codePacket(80877102, 0, 0, 0, 7, 'k', 'e', 'y', '7')
	tests := []struct {
		name  string
		steps string // what the client does, in order
		unix  bool
		tls   bool // whether the session goes on inside TLS
	}{
		{"sslmode=disable", "startup", false, false},
		{"sslmode=prefer", "ssl-S tls startup", false, true},
		{"gssencmode=prefer, then TLS", "gss-N ssl-S tls startup", false, true},
		{"gssencmode=prefer, sslmode=disable", "gss-N startup", false, false},
		{"Unix socket", "ssl-N startup", true, false},
		{"Unix socket, GSS after", "ssl-N gss-N startup", true, false},
		{"Unix socket, GSS before", "gss-N ssl-N startup", true, false},
		{"direct TLS", "direct startup", false, true},
		{"cancel", "cancel", false, false},
		{"cancel inside TLS", "ssl-S tls cancel", false, true},
		{"cancel inside direct TLS", "direct cancel", false, true},
		{"TLS with ALPN", "ssl-S tls-alpn startup", false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := greeted(t, test.unix, func(c *client, cfg *tls.Config) {
				server := &Server{tls: cfg}
				for _, step := range strings.Fields(test.steps) {
					switch step {
					case "ssl-S":
						c.send(sslRequest)
						c.expect([]byte{'S'})
					case "ssl-N":
						c.send(sslRequest)
						c.expect([]byte{'N'})
					case "gss-N":
						c.send(gssRequest)
						c.expect([]byte{'N'})
					case "tls":
						c = c.secure(server)
					case "tls-alpn", "direct":
						c = c.secure(server, "postgresql")
					case "startup":
						c.send(plainStartup)
					case "cancel":
						c.send(cancel)
					}
				}
			})
			if g.err != nil {
				t.Fatalf("%s: %v", test.steps, g.err)
			}
			if _, secure := g.conn.(*tls.Conn); secure != test.tls {
				t.Errorf("%s: goes on inside TLS: %v, want %v", test.steps, secure, test.tls)
			}
			switch got := g.wanted.(type) {
			case startupMessage:
				if !bytes.Equal(got.encode(), plainStartup) {
					t.Errorf("%s: got %q, want %q", test.steps, got.encode(), plainStartup)
				}
			case *pgproto3.CancelRequest:
				if got.ProcessID != 7 || string(got.SecretKey) != "key7" {
					t.Errorf("%s: got request %d %q, want 7 and key7", test.steps, got.ProcessID, got.SecretKey)
				}
			default:
				t.Errorf("%s: got %T", test.steps, got)
			}
		})
	}
}

func TestGreetRefuses(t *testing.T) {
	length := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	tests := []struct {
		name   string
		sent   []byte
		state  string
		text   string
		silent bool
	}{
		{"protocol 2.0", startupPacket(2 << 16), "0A000", "2.0", false},
		{"protocol 4.0", startupPacket(4<<16, "user", "u"), "0A000", "4.0", false},
		{"HTTP", []byte("GET "), "08P01", "HTTP", false},
		{"a length that would take memory", length(1 << 31), "08P01", "length", false},
		{"one byte too long", length(10005), "08P01", "length", false},
		{"too short for a code", length(7), "08P01", "length", false},
		{"no terminator", append(length(8), 0, 3, 0, 0), "08P01", "terminator", false},
		{"value without a terminator behind", append(length(14), "\x00\x03\x00\x00user\x00\x00"...), "08P01", "terminator", false},
		{"no value", append(length(13), "\x00\x03\x00\x00user\x00"...), "08P01", "value", false},
		{"name without its end", append(length(12), "\x00\x03\x00\x00user"...), "08P01", "value", false},
		{"bytes behind the terminator", append(length(11), "\x00\x03\x00\x00\x00xy"...), "08P01", "terminator", false},
		{"SSLRequest with a body", codePacket(80877103, 1, 2, 3, 4), "08P01", "turn", false},
		{"cancel with a short key", codePacket(80877102, 0, 0, 0, 7, 'k'), "08P01", "Cancel", true},
		{"cancel with a 257-byte key", codePacket(80877102, make([]byte, 261)...), "08P01", "Cancel", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := greeted(t, false, func(c *client, _ *tls.Config) { c.send(test.sent) })
			var quiet *silent
			if got := state(g.err); got != test.state || !strings.Contains(g.err.Error(), test.text) {
				t.Errorf("%q: got %v (%s), want %s with %q", test.sent, g.err, got, test.state, test.text)
			}
			if got := errors.As(g.err, &quiet); got != test.silent {
				t.Errorf("%q: silent is %v, want %v", test.sent, got, test.silent)
			}
		})
	}
}

func TestGreetRefusesRequestsOutOfTurn(t *testing.T) {
	tests := []struct {
		name string
		unix bool
		talk func(c *client, server *Server)
	}{
		{"SSLRequest twice", true, func(c *client, _ *Server) {
			c.send(sslRequest)
			c.expect([]byte{'N'})
			c.send(sslRequest)
		}},
		{"GSSENCRequest twice", false, func(c *client, _ *Server) {
			c.send(gssRequest)
			c.expect([]byte{'N'})
			c.send(gssRequest)
		}},
		{"SSLRequest inside TLS", false, func(c *client, server *Server) {
			c.send(sslRequest)
			c.expect([]byte{'S'})
			c.secure(server).send(sslRequest)
		}},
		{"GSSENCRequest inside TLS", false, func(c *client, server *Server) {
			c.send(sslRequest)
			c.expect([]byte{'S'})
			c.secure(server).send(gssRequest)
		}},
		{"SSLRequest inside direct TLS", false, func(c *client, server *Server) {
			c.secure(server, "postgresql").send(sslRequest)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := greeted(t, test.unix, func(c *client, cfg *tls.Config) { test.talk(c, &Server{tls: cfg}) })
			if got := state(g.err); got != "08P01" {
				t.Errorf("got %v (%s), want 08P01", g.err, got)
			}
		})
	}
}

func TestGreetRefusesTLSItCannotTrust(t *testing.T) {
	tests := []struct {
		name string
		unix bool
		talk func(c *client, cfg *tls.Config) error
	}{
		{"direct TLS without ALPN", false, func(c *client, cfg *tls.Config) error {
			conn := tls.Client(c, trusting(&Server{tls: cfg}))
			conn.Handshake() // the refusal comes after it
			_, err := conn.Read(make([]byte, 1))
			return err
		}},
		{"direct TLS for another protocol", false, func(c *client, cfg *tls.Config) error {
			return tls.Client(c, trusting(&Server{tls: cfg}, "h2")).Handshake()
		}},
		{"TLS for another protocol after SSLRequest", false, func(c *client, cfg *tls.Config) error {
			c.send(sslRequest)
			c.expect([]byte{'S'})
			return tls.Client(c, trusting(&Server{tls: cfg}, "h2")).Handshake()
		}},
		{"TLS 1.1", false, func(c *client, cfg *tls.Config) error {
			old := trusting(&Server{tls: cfg}, "postgresql")
			old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
			return tls.Client(c, old).Handshake()
		}},
		{"direct TLS on a Unix socket", true, func(c *client, cfg *tls.Config) error {
			return tls.Client(c, trusting(&Server{tls: cfg}, "postgresql")).Handshake()
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := greeted(t, test.unix, func(c *client, cfg *tls.Config) {
				if err := test.talk(c, cfg); err == nil {
					t.Error("the client was let in")
				}
			})
			var quiet *silent
			if !errors.As(g.err, &quiet) || state(g.err) != "08P01" {
				t.Errorf("got %v (%s), want a silent 08P01", g.err, state(g.err))
			}
		})
	}
}

// A StartupMessage pushed in behind the SSLRequest, in clear, is somebody else's
// (CVE-2021-23222): it must end the connection and never be taken for the client's.
func TestClearTextBehindSSLRequestIsNotTaken(t *testing.T) {
	g := greeted(t, false, func(c *client, _ *tls.Config) {
		go c.Write(join(sslRequest, plainStartup))
		io.Copy(io.Discard, c)
	})
	var quiet *silent
	if g.wanted != nil || !errors.As(g.err, &quiet) {
		t.Errorf("got %v and error %v, want a silent error", g.wanted, g.err)
	}
}

func TestStartupMessageIsKeptByteForByte(t *testing.T) {
	tests := map[string][]byte{
		"3.0":             plainStartup,
		"3.2":             startupPacket(3<<16|2, "user", "u"),
		"3.9999 and _pq_": startupPacket(3<<16|9999, "user", "u", "_pq_.test_protocol_negotiation", ""),
		"duplicates":      startupPacket(3<<16, "user", "a", "options", "-c x=1", "user", "b", "options", "-c y=2"),
		"replication":     startupPacket(3<<16, "replication", "database", "user", "u"),
		"not UTF-8":       startupPacket(3<<16, "user", "\xff\xfe", "application_name", "caf\xe9"),
		"no parameter":    startupPacket(3 << 16),
		"the largest":     startupPacket(3<<16, "user", "u", "options", strings.Repeat("x", 9979)),
	}
	for name, packet := range tests {
		t.Run(name, func(t *testing.T) {
			if len(packet) > 10004 {
				t.Fatalf("packet of %d bytes", len(packet))
			}
			g := greeted(t, false, func(c *client, _ *tls.Config) { c.send(packet) })
			if g.err != nil {
				t.Fatal(g.err)
			}
			if got := g.wanted.(startupMessage).encode(); !bytes.Equal(got, packet) {
				t.Errorf("got %q, want %q", got, packet)
			}
		})
	}
	if n := len(tests["the largest"]); n != 10004 {
		t.Errorf("the largest packet has %d bytes, want 10004", n)
	}
}

func TestRewriteChangesUserAndDatabaseOnly(t *testing.T) {
	kv := func(s ...string) (params []param) {
		for pair := range slices.Chunk(s, 2) {
			params = append(params, param{pair[0], pair[1]})
		}
		return params
	}
	tests := []struct {
		name     string
		user, db string // of the Route
		in, want []param
	}{
		{"nothing set", "", "", kv("user", "a", "x", "1"), kv("user", "a", "x", "1")},
		{"user replaced in place", "r", "", kv("x", "1", "user", "a", "y", "2"), kv("x", "1", "user", "r", "y", "2")},
		{"user given twice", "r", "", kv("user", "a", "user", "b"), kv("user", "r", "user", "r")},
		{"user missing", "r", "", kv("x", "1"), kv("x", "1", "user", "r")},
		{"database named by the client", "", "d", kv("user", "a", "database", "c"), kv("user", "a", "database", "c")},
		{"database missing", "", "d", kv("user", "a"), kv("user", "a", "database", "d")},
		{"database empty", "", "d", kv("database", "", "user", "a"), kv("database", "d", "user", "a")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := startupMessage{version: 3<<16 | 2, params: slices.Clone(test.in)}
			got := (&Route{User: test.user, Database: test.db}).rewrite(in)
			if !slices.Equal(got.params, test.want) || got.version != in.version {
				t.Errorf("got %v version %x, want %v", got.params, got.version, test.want)
			}
			if !slices.Equal(in.params, test.in) {
				t.Errorf("the client's own parameters became %v", in.params)
			}
		})
	}
}

// The database takes names in any case and the last of several, so none of the
// client's own may be left.
func TestSettingsReplaceTheClientsOwn(t *testing.T) {
	in := startupMessage{version: 3 << 16, params: []param{
		{"Statement_Timeout", "1"}, {"user", "a"}, {"options", "-c statement_timeout=2"}, {"statement_timeout", "3"}, {"STATEMENT_TIMEOUT", "4"},
	}}
	r := &Route{Settings: []Setting{{"default_transaction_read_only", "on"}, {"statement_timeout", "30000"}}}
	want := []param{{"user", "a"}, {"options", "-c statement_timeout=2"}, {"default_transaction_read_only", "on"}, {"statement_timeout", "30000"}}
	if got := r.rewrite(in); !slices.Equal(got.params, want) {
		t.Errorf("got %v, want %v", got.params, want)
	}
	if len(in.params) != 5 || in.params[0].value != "1" {
		t.Errorf("the client's own parameters became %v", in.params)
	}
}

// scriptedConn is a client that has sent everything already and hears nothing.
type scriptedConn struct {
	net.Conn
	in   bytes.Reader
	out  bytes.Buffer
	read int
}

func (c *scriptedConn) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.read += n
	return n, err
}
func (c *scriptedConn) Write(p []byte) (int, error) { return c.out.Write(p) }

// SetReadDeadline does nothing: reads do not wait.
func (c *scriptedConn) SetReadDeadline(time.Time) error { return nil }

func FuzzStartup(f *testing.F) {
	f.Add(plainStartup, true)
	f.Add(startupPacket(3<<16|9999, "user", "u", "_pq_.x", "", "user", "v"), true)
	f.Add(join(sslRequest, plainStartup), true)
	f.Add(join(gssRequest, sslRequest, plainStartup), true)
	f.Add(join(sslRequest, []byte{0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3}), false)
	f.Add([]byte{0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3}, false)
	f.Add(codePacket(80877102, 0, 0, 0, 7, 'k', 'e', 'y', '7'), true)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), false)
	f.Add(startupPacket(2<<16, "user", "u"), true)
	cfg, err := clientTLS(time.Now())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, sent []byte, unix bool) {
		c := new(scriptedConn)
		c.in.Reset(sent)
		offered := cfg
		if unix {
			offered = nil
		}
		_, wanted, err := greet(c, offered, func() {})
		if (wanted == nil) == (err == nil) {
			t.Fatalf("got %v and error %v", wanted, err)
		}
		if unix && c.read > 3*(maxStartup+4) {
			t.Errorf("read %d bytes", c.read)
		}
		if m, ok := wanted.(startupMessage); ok && err == nil {
			if packet := m.encode(); !bytes.HasSuffix(sent[:c.read], packet) {
				t.Errorf("%q became %q", sent[:c.read], packet)
			}
		}
		for _, b := range c.out.Bytes() {
			if unix && b != 'N' {
				t.Errorf("answered %q", c.out.Bytes())
			}
		}
	})
}

// plainAlerts writes the alert of a client that trusts nobody in plain text, as
// OpenSSL does, and nothing else behind the ClientHello.
type plainAlerts struct{ net.Conn }

func (c plainAlerts) Write(p []byte) (int, error) {
	if clientHello := p[0] == 22; clientHello {
		return c.Conn.Write(p)
	}
	go io.Copy(io.Discard, c.Conn) // the rest of the server's flight
	_, err := c.Conn.Write([]byte{21, 3, 3, 0, 2, 2, 48})
	return len(p), err
}

func TestClientThatVerifiesIsToldOfInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		c := r.dial()
		c.send(sslRequest)
		c.expect([]byte{'S'})
		if err := tls.Client(plainAlerts{c.Conn}, &tls.Config{ServerName: "localhost", RootCAs: x509.NewCertPool()}).Handshake(); err == nil {
			t.Error("the certificate was trusted")
		}
		synctest.Wait()
		c.Close()
		r.stop()
		if !r.log.hasLine("client did not start a session", `error="TLS handshake with the client: the client broke it off"`, "level=INFO", "pgkeyless ca") || r.log.hasLine("sslmode=require") {
			t.Errorf("the log says\n%s", r.log.bytes())
		}
	})
}

// What the hint says depends on what the client has found wrong. In memory both ends
// could wait to write.
func TestHintAfterAFailedHandshake(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cfg   *tls.Config
		wants string
	}{
		{"an unknown authority", &tls.Config{ServerName: "localhost", RootCAs: x509.NewCertPool()}, "pgkeyless ca"},
		{"another name", &tls.Config{ServerName: "example.com", RootCAs: x509.NewCertPool()}, "pgkeyless ca"},
		{"an old TLS version", &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "which TLS versions"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			failed := make(chan error, 1)
			go func() {
				c, err := net.Dial("tcp4", l.Addr().String())
				if err == nil {
					err = tls.Client(c, tt.cfg).Handshake()
					c.Close()
				}
				failed <- err
			}()
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			cfg, err := clientTLS(time.Now())
			if err != nil {
				t.Fatal(err)
			}
			_, err = acceptTLS(c, cfg)
			if hint := causes.Hint(err); !strings.Contains(hint, tt.wants) || strings.Contains(hint, "require") {
				t.Errorf("%v, hint %q, want one with %q", err, hint, tt.wants)
			}
			if err := <-failed; err == nil {
				t.Error("the client trusted it")
			}
		})
	}
}

// The certificate is chosen for each client, by the name that it asks for.
func TestConfiguredCertificateIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t, "users")
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.untilTerminate()
		}, func(cfg *Config) {
			cfg.Certificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				return &ca.serverConfig(t, hello.ServerName, time.Hour).Certificates[0], nil
			}
		})
		for _, name := range []string{"localhost", "orders.localhost"} {
			c := r.dial()
			c.send(sslRequest)
			c.expect([]byte{'S'})
			cfg := ca.clientConfig()
			cfg.ServerName = name
			secure := tls.Client(c.Conn, cfg)
			if err := secure.Handshake(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			secure.Close()
			c.Close()
		}
		r.stop()
	})
}

// The database would say that the length is invalid, and close: that looks like a
// fault that may pass. Nobody is dialled for it.
func TestStartupMessageThatGrowsTooLongIsRefused(t *testing.T) {
	for _, tt := range []struct {
		spare int // bytes up to the limit
		ok    bool
	}{{len("statement_timeout\x0090000\x00"), true}, {len("statement_timeout\x0090000\x00") - 1, false}, {0, false}} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(c *databaseConn) {
				c.logIn()
				c.untilTerminate()
			}, func(cfg *Config) { cfg.Routes[0].Settings = []Setting{{"statement_timeout", "90000"}} })
			m := startupMessage{version: 3 << 16, params: []param{{"user", "app"}, {"application_name", ""}}}
			m.params[1].value = strings.Repeat("x", maxStartup-m.size()-tt.spare)
			if got := len(m.encode()) - 4; got != m.size() || got != maxStartup-tt.spare {
				t.Fatalf("the packet has %d bytes, size says %d", got, m.size())
			}
			c := r.dial()
			c.send(m.encode())
			message, err := pgproto3.NewFrontend(c.Conn, c.Conn).Receive()
			if err != nil {
				t.Fatal(err)
			}
			said, refused := message.(*pgproto3.ErrorResponse)
			if refused == tt.ok || refused && (said.Code != stateProtocolViolation || !strings.Contains(said.Message, "10000 at most") || said.Hint == "") {
				t.Errorf("%d bytes to spare: %+v", tt.spare, message)
			}
			c.Close()
			r.stop()
			if dialled := len(r.db.addresses) > 0; dialled != tt.ok {
				t.Errorf("%d bytes to spare: dialled %v", tt.spare, dialled)
			}
		})
	}
}
