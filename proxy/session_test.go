package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stuckDial never connects; it notes why it was given up.
func stuckDial(gaveUp chan<- error) dialFunc {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		gaveUp <- context.Cause(ctx)
		return nil, ctx.Err()
	}
}

func TestClientThatLeavesStopsItsLogin(t *testing.T) {
	for _, secure := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			gaveUp := make(chan error, 1)
			r := newRig(t, nil, func(cfg *Config) { cfg.Routes[0].Dialer = stuckDial(gaveUp) })
			c := r.dial()
			if secure {
				c.send(sslRequest)
				c.expect([]byte{'S'})
				c = c.secure(r.server)
			}
			c.send(plainStartup)
			time.Sleep(3 * time.Second)
			c.Close()
			began := time.Now()
			if err := <-gaveUp; !errors.Is(err, errClientGone) || time.Since(began) > time.Second {
				t.Errorf("dial given up after %v with %v, want at once", time.Since(began), err)
			}
			time.Sleep(10 * time.Second)
			r.stop()
			if !r.log.hasLine("session ended", "level=INFO", "client closed during login", "duration=3s") {
				t.Errorf("want one line at INFO in\n%s", r.log.bytes())
			}
		})
	}
}

func TestClientThatLeavesWhileTheDatabaseThinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			c.startup()
			if _, err := readMessage(c); err == nil {
				t.Error("the login went on")
			}
		}, nil)
		c := r.dial()
		c.send(plainStartup)
		synctest.Wait()
		c.Close()
		began := time.Now()
		r.db.wg.Wait() // the database's conn ends without stop
		if took := time.Since(began); took != 0 {
			t.Errorf("the login was given up after %v, want at once", took)
		}
		r.stop()
	})
}

func TestBytesSentBeforeReadyForQueryAreKept(t *testing.T) {
	for _, size := range []int{10, watchSize, 5 * watchSize} {
		synctest.Test(t, func(t *testing.T) {
			early := randomBytes(size)
			r := newRig(t, func(c *databaseConn) {
				c.startup()
				time.Sleep(time.Second)
				c.send(authRequest(0), readyForQuery)
				c.expect(early)
				c.send([]byte("done"))
				c.untilTerminate()
			}, nil)
			c := r.dial()
			c.send(plainStartup)
			go c.Write(early)
			c.expect(join(authRequest(0), readyForQuery, []byte("done")))
			c.Close()
			r.stop()
		})
	}
}

func TestSlowClientsMeetTheLoginDeadline(t *testing.T) {
	tests := []struct {
		name string
		talk func(c *client)
		told bool // by an ErrorResponse
	}{
		{"says nothing", func(*client) {}, true},
		{"a byte every ten seconds", func(c *client) {
			go func() {
				for i := range plainStartup {
					if _, err := c.Write(plainStartup[i : i+1]); err != nil {
						return
					}
					time.Sleep(10 * time.Second)
				}
			}()
		}, true},
		{"stops after SSLRequest", func(c *client) {
			c.send(sslRequest)
			c.expect([]byte{'S'})
		}, false},
		{"stops inside the handshake", func(c *client) { c.send([]byte{0x16, 3, 1}) }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, nil)
				began := time.Now()
				c := r.dial()
				test.talk(c)
				if test.told {
					if got := c.failed(); got['C'] != "57P03" || !strings.Contains(got['M'], "1m0s") || got['D'] != "waiting for the client" {
						t.Errorf("got %q, want 57P03 for waiting for the client", got)
					}
				} else {
					c.expectEnd()
				}
				if took := time.Since(began); took < time.Minute || took > time.Minute+5*time.Second {
					t.Errorf("ended after %v, want a minute", took)
				}
				c.Close()
				time.Sleep(time.Minute) // the slow writer ends too
				r.stop()
				if r.log.hasLine("level=ERROR") || r.log.hasLine("level=WARN") {
					t.Errorf("a silent client is nobody's error:\n%s", r.log.bytes())
				}
			})
		})
	}
}

func TestLoginDeadlineNamesWhatWasGoingOn(t *testing.T) {
	stated := &statedError{"jump host i-0abc is offline", "08001", "", "start it"}
	tests := []struct {
		name   string
		change func(*Route)
		db     func(*databaseConn)
		state  string
		text   string
		detail string
	}{
		{"dial", func(r *Route) { r.Dialer = stuckDial(make(chan error, 1)) }, nil,
			"57P03", "within 5s", "reaching " + host},
		{"dial that knows why", func(r *Route) {
			r.Dialer = dialFunc(func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, stated
			})
		}, nil, "08001", "jump host i-0abc is offline", "dialled"},
		{"TLS", func(r *Route) {
			r.Dialer = dialFunc(func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				go io.Copy(io.Discard, far)
				return near, nil
			})
		}, nil, "57P03", "within 5s", "asking for TLS"},
		{"database", nil, func(c *databaseConn) { io.Copy(io.Discard, c) },
			"57P03", "within 5s", "logging in to " + host},
		{"database after AuthenticationOk", nil, func(c *databaseConn) {
			c.startup()
			c.send(authRequest(0))
			io.Copy(io.Discard, c)
		}, "57P03", "within 5s", "logging in to " + host},
		{"database after a setting", nil, func(c *databaseConn) {
			c.startup()
			c.send(authRequest(0), setting("a", "b"))
			io.Copy(io.Discard, c)
		}, "57P03", "within 5s", "logging in to " + host},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, test.db, func(cfg *Config) {
					cfg.LoginTimeout = 5 * time.Second
					if test.change != nil {
						test.change(&cfg.Routes[0])
					}
				})
				began := time.Now()
				c := r.dial()
				c.send(plainStartup)
				if strings.Contains(test.name, "after a setting") {
					c.expect(join(authRequest(0), setting("a", "b")))
				}
				got := c.failed()
				if got['C'] != test.state || !strings.Contains(got['M'], test.text) || !strings.Contains(got['D'], test.detail) || got['H'] == "" {
					t.Errorf("got %q, want %s, %q, detail %q and a hint", got, test.state, test.text, test.detail)
				}
				if took := time.Since(began); took < 5*time.Second || took > 7*time.Second {
					t.Errorf("took %v, want 5 s", took)
				}
				r.stop()
			})
		})
	}
}

// Who looks at the log while a database wakes sees that somebody waits.
func TestSlowLoginIsToldOfMeanwhile(t *testing.T) {
	for _, wakes := range []time.Duration{patience - time.Second, patience + time.Second} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(c *databaseConn) {
				time.Sleep(wakes)
				c.logIn()
				c.untilTerminate()
			}, func(cfg *Config) { cfg.Routes[0].PausesAfter = 5 * time.Minute })
			c := r.established()
			if got := r.log.hasLine("client still waits for its login", "level=INFO", "session=1", "at_most=1m0s", "the database pauses after 300 s without a connection"); got != (wakes > patience) {
				t.Errorf("a login of %v: told of %t in\n%s", wakes, got, r.log.bytes())
			}
			c.send(terminate)
			c.Close()
			r.stop()
		})
	}
}

// Who waits in vain for a database that pauses reads that this may be why.
func TestOverdueLoginNamesThePause(t *testing.T) {
	for _, pauses := range []time.Duration{0, 5 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(c *databaseConn) { c.untilTerminate() }, func(cfg *Config) { cfg.Routes[0].PausesAfter = pauses })
			c := r.dial()
			c.send(plainStartup)
			got := c.failed()
			if said := strings.Contains(got['D'], "the database pauses after 300 s without a connection"); got['C'] != "57P03" || said != (pauses > 0) {
				t.Errorf("pauses after %v: got %q", pauses, got)
			}
			r.stop()
		})
	}
}

// Port scanners and health checks connect and close.
func TestClientsThatOnlyConnectAreDebugLines(t *testing.T) {
	tests := map[string]func(c *client){
		"nothing":             func(*client) {},
		"half a packet":       func(c *client) { c.send(plainStartup[:9]) },
		"answer not awaited":  func(c *client) { c.send(sslRequest) },
		"closed after N":      func(c *client) { c.send(gssRequest); c.expect([]byte{'N'}) },
		"closed before hello": func(c *client) { c.send(sslRequest); c.expect([]byte{'S'}) },
	}
	for name, talk := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, nil)
				c := r.dial()
				c.Conn = rigConn{c.Conn, r}
				talk(c)
				c.Close()
				time.Sleep(5 * time.Second)
				r.stop()
				for _, level := range []string{"INFO", "WARN", "ERROR"} {
					if r.log.hasLine("level=" + level) {
						t.Errorf("line at %s:\n%s", level, r.log.bytes())
					}
				}
				if !r.log.hasLine("level=DEBUG", "did not start") {
					t.Errorf("no debug line:\n%s", r.log.bytes())
				}
			})
		})
	}
}

// A client that verifies the certificate leaves when the handshake is done: libpq
// for a name that does not fit, Node.js for any reason and with its last message
// unsent.
func TestClientThatLeavesAfterTheHandshakeIsToldOf(t *testing.T) {
	for name, talk := range map[string]func(c *client){
		"after SSLRequest":    func(c *client) { c.send(sslRequest); c.expect([]byte{'S'}); c.secure(rigOf(c)).Close() },
		"direct TLS":          func(c *client) { c.secure(rigOf(c), alpnProtocol).Close() },
		"without closing TLS": func(c *client) { c.send(sslRequest); c.expect([]byte{'S'}); c.secure(rigOf(c)) },
		"without Finished": func(c *client) {
			c.send(sslRequest)
			c.expect([]byte{'S'})
			(&client{&helloOnly{Conn: c.Conn}, c.t}).secure(rigOf(c))
		},
		"direct TLS without Finished": func(c *client) {
			(&client{&helloOnly{Conn: c.Conn}, c.t}).secure(rigOf(c), alpnProtocol)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, nil)
				c := r.dial()
				c.Conn = rigConn{c.Conn, r}
				talk(c)
				c.Close()
				time.Sleep(5 * time.Second)
				r.stop()
				if !r.log.hasLine("level=INFO", "client did not start a session", "probably refused the certificate", "pgkeyless ca") || r.log.hasLine("sslmode=require") {
					t.Errorf("the log says\n%s", r.log.bytes())
				}
				if r.log.hasLine("level=WARN") || r.log.hasLine("level=ERROR") {
					t.Errorf("more than news:\n%s", r.log.bytes())
				}
			})
		})
	}
}

// Nobody can have refused what was never looked at: inside TLS a client may fall
// silent, be one too many, or be there when the Server ends.
func TestSilenceInsideTLSIsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		c := r.dial()
		c.send(sslRequest)
		c.expect([]byte{'S'})
		secure := c.secure(r.server)
		time.Sleep(2 * time.Minute)
		secure.Close()
		c.Close()
		r.stop()
		if r.log.hasLine("refused the certificate") || !r.log.hasLine("did not start a session", "login not finished within 1m0s") {
			t.Errorf("the log says\n%s", r.log.bytes())
		}
	})
}

// rigConn lets a table's function find its rig.
type rigConn struct {
	net.Conn
	rig *rig
}

func rigOf(c *client) *Server { return c.Conn.(rigConn).rig.server }

// helloOnly sends the first packet, a ClientHello, and drops all others, as the
// TLS of a client does that closes before they are written.
type helloOnly struct {
	net.Conn
	sent bool
}

func (h *helloOnly) Write(b []byte) (int, error) {
	if h.sent {
		return len(b), nil
	}
	h.sent = true
	return h.Conn.Write(b)
}

func TestClientErrorsAreNotTheOperators(t *testing.T) {
	tests := []struct {
		name  string
		sent  []byte
		state string
	}{
		{"SSH", []byte("SSH-2.0-OpenSSH_9.2\r\n"), "08P01"},
		{"protocol 2.0", startupPacket(2<<16, "user", "u"), "0A000"},
		{"no user", startupPacket(3<<16, "database", "app"), "28000"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, nil)
				c := r.dial()
				go c.Write(test.sent)
				if got := c.failed(); got['C'] != test.state || got['H'] == "" {
					t.Errorf("got %q, want %s and a hint", got, test.state)
				}
				r.stop()
				if r.log.hasLine("level=ERROR") {
					t.Errorf("an error line:\n%s", r.log.bytes())
				}
				if len(r.db.addresses) != 0 {
					t.Errorf("dialled %q", r.db.addresses)
				}
			})
		})
	}
}

func TestClientThatDoesNotReadItsErrorIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, func(cfg *Config) {
			cfg.Routes[0].Dialer = dialFunc(func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("no way")
			})
		})
		c := r.dial()
		defer c.Close()
		c.send(plainStartup)
		time.Sleep(5 * time.Second)
		if !r.log.hasLine("session ended", "no way") || r.server.sessions.Load() != 0 {
			t.Errorf("session goes on:\n%s", r.log.bytes())
		}
		if _, err := c.Write([]byte("x")); err == nil {
			t.Error("the client's connection is open")
		}
		r.stop()
	})
}

func TestMaxConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.untilTerminate()
		}, func(cfg *Config) { cfg.MaxConnections = 2 })
		first, second := r.established(), r.established()
		third := r.dial()
		third.send(plainStartup)
		if got := third.failed(); got['C'] != "53300" || !strings.Contains(got['M'], "2") {
			t.Errorf("got %q, want 53300", got)
		}
		third.Close()
		second.Close()
		time.Sleep(10 * time.Second)
		r.established().Close()
		first.Close()
		r.stop()
		if n := r.server.sessions.Load(); n != 0 {
			t.Errorf("%d sessions counted at the end", n)
		}
	})
}

// The client's TLS is of no concern to the database's, and the other way round.
func TestSessionInsideTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.untilTerminate()
		}, nil)
		c, _ := r.inTLS()
		state := c.Conn.(*tls.Conn).ConnectionState()
		if state.Version != tls.VersionTLS13 || state.PeerCertificates[0].Subject.CommonName != "pgkeyless" {
			t.Errorf("TLS %x with %v, want 1.3 with pgkeyless", state.Version, state.PeerCertificates[0].Subject)
		}
		for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
			if err := state.PeerCertificates[0].VerifyHostname(name); err != nil {
				t.Errorf("certificate is not for %s: %v", name, err)
			}
		}
		c.send(terminate)
		c.Close()
		r.stop()
	})
}
