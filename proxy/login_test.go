package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestLoginReachesTheClientWithoutAPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []byte
		r := newRig(t, func(c *databaseConn) {
			got = c.startup()
			c.send(authRequest(3))
			c.expect(message('p', append([]byte(secretToken), 0)...))
			c.send(authRequest(0), readyForQuery)
			c.expect(message('Q', []byte("select 1\x00")...))
			c.send(message('C', []byte("SELECT 1\x00")...), readyForQuery)
			c.untilTerminate()
		}, nil)
		c := r.dial()
		c.send(plainStartup)
		c.expect(join(authRequest(0), readyForQuery))
		c.send(message('Q', []byte("select 1\x00")...))
		c.expect(join(message('C', []byte("SELECT 1\x00")...), readyForQuery))
		c.send(terminate)
		c.Close()
		synctest.Wait()
		time.Sleep(10 * time.Second)
		r.stop()
		if !bytes.Equal(got, plainStartup) {
			t.Errorf("database got StartupMessage %q, want %q", got, plainStartup)
		}
		if len(r.tokens.users) != 1 || r.tokens.users[0] != "app_user" {
			t.Errorf("tokens asked for %q, want app_user once", r.tokens.users)
		}
		for _, want := range [][]string{
			{"client accepted", "user=app_user", "database=app", "session=1", "route=" + host},
			{"session ended", "level=INFO", `reason="client closed"`, "bytes_up=19", "bytes_down=20"},
		} {
			if !r.log.hasLine(want...) {
				t.Errorf("no log line with %q in\n%s", want, r.log.bytes())
			}
		}
	})
}

func TestRouteUserAndDatabaseReachTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []byte
		r := newRig(t, func(c *databaseConn) {
			got = c.startup()
			c.send(authRequest(3))
			readMessage(c)
			c.send(authRequest(0), readyForQuery)
			c.untilTerminate()
		}, func(cfg *Config) { cfg.Routes[0].User, cfg.Routes[0].Database = "iam_user", "orders" })
		c := r.dial()
		c.send(startupPacket(3<<16|2, "application_name", "psql", "user", "root", "_pq_.x", "y"))
		c.expect(join(authRequest(0), readyForQuery))
		c.Close()
		r.stop()
		want := startupPacket(3<<16|2, "application_name", "psql", "user", "iam_user", "_pq_.x", "y", "database", "orders")
		if !bytes.Equal(got, want) {
			t.Errorf("database got %q, want %q", got, want)
		}
		if len(r.tokens.users) != 1 || r.tokens.users[0] != "iam_user" {
			t.Errorf("tokens asked for %q, want iam_user once", r.tokens.users)
		}
	})
}

// Everything from AuthenticationOk on passes as it came, whatever it is; what
// comes before stays in order, notices excepted.
func TestDatabaseBytesPassUnchanged(t *testing.T) {
	long := bytes.Repeat([]byte("k"), 256)
	negotiate := message('v', []byte("\x00\x00\x00\x00\x00\x00\x00\x01_pq_.x\x00")...)
	notice := message('N', []byte("SNOTICE\x00Mwaking up\x00\x00")...)
	tests := []struct {
		name         string
		before       [][]byte // sent ahead of AuthenticationOk
		after        [][]byte
		beforeClient []byte // what the client gets ahead of after
	}{
		{"nothing odd", nil, [][]byte{message('S', []byte("server_version\x0017\x00")...), keyData(1, []byte("abcd")), readyForQuery}, authRequest(0)},
		{"256-byte key", nil, [][]byte{keyData(1, long), readyForQuery}, authRequest(0)},
		{"3-byte and 257-byte keys", nil, [][]byte{keyData(1, long[:3]), keyData(1, append(long, 'x')), message('K'), readyForQuery}, authRequest(0)},
		{"negotiation", [][]byte{negotiate}, [][]byte{readyForQuery}, join(negotiate, authRequest(0))},
		{"notice before authentication", [][]byte{notice, negotiate, notice}, [][]byte{readyForQuery}, join(negotiate, authRequest(0), notice, notice)},
		{"unknown messages", nil, [][]byte{message('~', 0, 0xff), message('S'), message(0), readyForQuery}, authRequest(0)},
		{"an error that does not end it", nil, [][]byte{errorPacket("SERROR", "C42704", "Mno"), readyForQuery}, authRequest(0)},
		{"malformed error", nil, [][]byte{message('E', 'S', 'x'), message('E'), readyForQuery}, authRequest(0)},
		{"many parameters", nil, [][]byte{bytes.Repeat(message('S', bytes.Repeat([]byte("p"), 1000)...), 100), readyForQuery}, authRequest(0)},
		{"one message of a megabyte", nil, [][]byte{message('S', make([]byte, 1<<20)...), readyForQuery}, authRequest(0)},
		{"bytes behind ReadyForQuery", nil, [][]byte{readyForQuery, message('A', []byte("\x00\x00\x00\x01x\x00y\x00")...), {'D', 0, 0}}, authRequest(0)},
	}
	for _, test := range tests {
		for _, split := range []int{1 << 30, 1, 7, 4096} {
			if split < 100 && len(join(test.after...)) > 10000 {
				continue
			}
			t.Run(test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, func(c *databaseConn) {
						c.startup()
						c.send(test.before...)
						c.send(authRequest(3))
						readMessage(c)
						for out := join(authRequest(0), join(test.after...)); len(out) > 0; {
							n := min(split, len(out))
							c.send(out[:n])
							out = out[n:]
						}
						c.untilTerminate()
					}, nil)
					c := r.dial()
					c.send(plainStartup)
					c.expect(join(test.beforeClient, join(test.after...)))
					c.Close()
					r.stop()
				})
			})
		}
	}
}

func TestDatabaseErrorsKeepTheirFields(t *testing.T) {
	pam := []string{"SFATAL", "VFATAL", "C28000", `MPAM authentication failed for user "app_user"`, "Fauth.c", "L338", "Rauth_failed", "?new"}
	ours := Explanation{Cause: "x", Detail: "ours too", Hint: "our advice"}
	tests := []struct {
		name         string
		fields       []string
		ours         Explanation
		detail, hint string // what is added, "" for none
		level        string
	}{
		{"PAM", pam, ours, ours.Detail, ours.Hint, "ERROR"},
		{"own hint stays", append(pam[:4:4], "Htheirs"), ours, ours.Detail, "", "ERROR"},
		{"own detail and hint stay", append(pam[:4:4], "Dtheirs", "Htheirs"), ours, "", "", "ERROR"},
		{"nothing known", []string{"SFATAL", "C3D000", `Mdatabase "app" does not exist`}, Explanation{}, "", "", "INFO"},
		{"words not for the log", []string{"SFATAL", "C0A000", `MRDS Proxy currently doesn't support the option secret`}, ours, ours.Detail, ours.Hint, "INFO"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *databaseConn) {
					c.startup()
					c.send(authRequest(3))
					readMessage(c)
					c.send(errorPacket(test.fields...))
				}, func(cfg *Config) {
					cfg.Routes[0].Refusals = &fakeExplainer{explain: func(context.Context) Explanation { return test.ours }}
				})
				c := r.dial()
				c.send(plainStartup)
				got := c.failed()
				r.stop()
				want := map[byte]string{}
				for field, text := range map[byte]string{'D': test.detail, 'H': test.hint} {
					if text != "" {
						want[field] = text
					}
				}
				for _, f := range test.fields {
					want[f[0]] = f[1:]
				}
				if !maps.Equal(got, want) {
					t.Errorf("the client got %q, want %q", got, want)
				}
				if !r.log.hasLine("session ended", "level="+test.level, "sqlstate="+got['C'], "hint=") {
					t.Errorf("no %s line with the SQLSTATE in\n%s", test.level, r.log.bytes())
				}
				if strings.Contains(string(r.log.bytes()), "secret") {
					t.Errorf("the log repeats a start-up parameter:\n%s", r.log.bytes())
				}
			})
		})
	}
}

func TestAuthenticationRequests(t *testing.T) {
	tests := []struct {
		name   string
		first  []byte
		state  string
		text   string
		hinted bool // by the Explainer
	}{
		{"MD5", authRequest(5, 1, 2, 3, 4), "28000", "MD5", true},
		{"SCRAM", authRequest(10, []byte("SCRAM-SHA-256\x00\x00")...), "28000", "SCRAM", true},
		{"Kerberos", authRequest(2), "28000", "Kerberos", true},
		{"GSSAPI", authRequest(7), "28000", "GSSAPI", true},
		{"SSPI", authRequest(9), "28000", "SSPI", true},
		{"GSS continued without a start", authRequest(8), "28000", "method 8", true},
		{"unknown", authRequest(4711), "28000", "method 4711", true},
		{"request without a code", message('R', 0, 0), "08004", "out of turn", false},
		{"ParameterStatus", message('S', []byte("a\x00b\x00")...), "08004", "out of turn", false},
		{"ReadyForQuery", readyForQuery, "08004", "out of turn", false},
		{"a length below its own", []byte{'R', 0, 0, 0, 3}, "08004", "length 3", false},
		{"a length that would take memory", []byte{'R', 0x7f, 0xff, 0xff, 0xff}, "08004", "length 2147483647", false},
		{"one byte too long", []byte{'N', 0, 1, 0, 5}, "08004", "length 65541", false},
		{"malformed error", message('E', 'C', '2'), "08004", "malformed", false},
		{"the end", nil, "08006", "closed", false},
		{"half a message", []byte{'R', 0, 0}, "08006", "unexpected EOF", false},
		{"endless notices", bytes.Repeat(message('N', 0), 100), "08004", "does not finish", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *databaseConn) {
					c.startup()
					c.Write(test.first)
				}, func(cfg *Config) {
					cfg.Routes[0].Refusals = &fakeExplainer{explain: func(context.Context) Explanation { return Explanation{Hint: "another way"} }}
				})
				c := r.dial()
				c.send(plainStartup)
				got := c.failed()
				r.stop()
				if got['C'] != test.state || got['S'] != "FATAL" || !strings.Contains(got['M'], test.text) {
					t.Errorf("got %q, want FATAL %s with %q", got, test.state, test.text)
				}
				if hinted := got['H'] == "another way"; hinted != test.hinted {
					t.Errorf("hint %q, want the Explainer's: %v", got['H'], test.hinted)
				}
				if len(r.tokens.users) != 0 {
					t.Errorf("a token was made for %q", r.tokens.users)
				}
			})
		})
	}
}

func TestTokenAnswersOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			c.startup()
			c.send(authRequest(3))
			readMessage(c)
			c.send(authRequest(3))
			if m, err := readMessage(c); err == nil {
				t.Errorf("database got %q after asking twice", m)
			}
		}, nil)
		c := r.dial()
		c.send(plainStartup)
		if got := c.failed(); got['C'] != "08004" {
			t.Errorf("got %q, want 08004", got)
		}
		r.stop()
	})
}

func TestTrustedLoginNeedsNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			c.startup()
			c.send(authRequest(0), readyForQuery)
			c.untilTerminate()
		}, nil)
		c := r.dial()
		c.send(plainStartup)
		c.expect(join(authRequest(0), readyForQuery))
		c.Close()
		r.stop()
		if len(r.tokens.users) != 0 {
			t.Errorf("a token was made for %q", r.tokens.users)
		}
	})
}

func TestTokenOf64KiB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		token := strings.Repeat("t", 64<<10)
		r := newRig(t, func(c *databaseConn) {
			c.startup()
			c.send(authRequest(3))
			c.expect(message('p', append([]byte(token), 0)...))
			c.send(authRequest(0), readyForQuery)
			c.untilTerminate()
		}, nil)
		r.tokens.token = token
		c := r.dial()
		c.send(plainStartup)
		c.expect(join(authRequest(0), readyForQuery))
		c.Close()
		r.stop()
	})
}

func TestTokenErrorsReachTheClient(t *testing.T) {
	stated := &statedError{`no AWS credentials from profile "dev"`, "28000", "SSO session expired", "run `aws sso login`"}
	tests := []struct {
		name  string
		token string
		err   error
		want  map[byte]string
	}{
		{"with a hint", "", stated, map[byte]string{
			'C': "28000", 'D': stated.detail, 'H': stated.hint,
			'M': `making a login token for user "app_user": no AWS credentials from profile "dev"`,
		}},
		{"plain", "", errors.New("boom"), map[byte]string{
			'C': "28000", 'D': "for a login at " + host, 'M': `making a login token for user "app_user": boom`,
		}},
		{"empty token", "", nil, map[byte]string{'C': "XX000"}},
		{"NUL in the token", "a\x00b", nil, map[byte]string{'C': "XX000"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *databaseConn) {
					c.startup()
					c.send(authRequest(3))
					if m, err := readMessage(c); err == nil {
						t.Errorf("database got %q, want the end", m)
					}
				}, nil)
				r.tokens.token, r.tokens.err = test.token, test.err
				c := r.dial()
				c.send(plainStartup)
				got := c.failed()
				r.stop()
				for field, want := range test.want {
					if got[field] != want {
						t.Errorf("field %q is %q, want %q", field, got[field], want)
					}
				}
			})
		})
	}
}

// A database that ends a login while its token is made says why before it closes.
// That the token could not be written any more tells less.
func TestLastWordsOfADatabaseReachALoginThatWaitsForItsToken(t *testing.T) {
	shutting := errorPacket("SFATAL", "VFATAL", "C57P01", "Mterminating connection due to administrator command")
	for words, want := range map[string]map[byte]string{
		string(shutting): {'C': "57P01", 'M': "terminating connection due to administrator command"},
		"":               {'C': "08006", 'M': "logging in to " + host + ": " + errClosed.Error()},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(c *databaseConn) {
				c.startup()
				c.send(authRequest(3), []byte(words))
			}, func(cfg *Config) {
				route := &cfg.Routes[0]
				dial, tokens := route.Dialer.DialContext, route.Tokens
				route.Dialer = dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
					c, err := dial(ctx, network, address)
					return &brokenPipe{newEager(c)}, err
				})
				route.Tokens = tokenFunc(func(ctx context.Context, user string) (Password, error) {
					time.Sleep(time.Second) // the database has gone by then
					return tokens.Token(ctx, user)
				})
			})
			c := r.dial()
			c.send(plainStartup)
			got := c.failed()
			r.stop()
			for field, want := range want {
				if got[field] != want {
					t.Errorf("field %q is %q, want %q", field, got[field], want)
				}
			}
		})
	}
}

// brokenPipe fails to write as a socket does when its peer has closed.
type brokenPipe struct{ *eager }

func (b *brokenPipe) Write(p []byte) (int, error) {
	n, err := b.eager.Write(p)
	if errors.Is(err, io.ErrClosedPipe) {
		err = syscall.EPIPE
	}
	return n, err
}

// tokenFunc is a TokenSource.
type tokenFunc func(ctx context.Context, user string) (Password, error)

func (f tokenFunc) Token(ctx context.Context, user string) (Password, error) { return f(ctx, user) }

// A client that has been told FATAL leaves, often before the database has: the
// log must still say what the database said.
func TestFatalAfterAuthenticationOkIsLoggedWhoeverLeavesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fatal := errorPacket("SFATAL", "VFATAL", "C3D000", "Mdatabase \"app\" does not exist")
		r := newRig(t, func(c *databaseConn) {
			c.startup()
			c.send(authRequest(0), fatal)
			io.Copy(io.Discard, c)
		}, nil)
		c := r.dial()
		c.send(plainStartup)
		c.expect(join(authRequest(0), fatal))
		c.Close()
		r.db.wg.Wait()
		r.stop()
		if !r.log.hasLine("session ended", "level=INFO", "login failed", "sqlstate=3D000", "does not exist") {
			t.Errorf("no line with what the database said in\n%s", r.log.bytes())
		}
	})
}

func TestFailuresAfterAuthenticationOk(t *testing.T) {
	tests := []struct {
		name string
		sent []byte // after AuthenticationOk
		want string // SQLSTATE of the last message to the client
		own  bool   // whether it is the proxy's, behind the database's
	}{
		{"database closes", message('S', []byte("a\x00b\x00")...), "08006", true},
		{"database closes inside a message", []byte{'S', 0, 0, 0, 99, 'x'}, "08006", true},
		{"message over a megabyte", []byte{'S', 0, 0x10, 0, 5}, "08004", true},
		{"database says why", errorPacket("SFATAL", "C3D000", "Mno such database"), "3D000", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *databaseConn) {
					c.startup()
					c.send(authRequest(3))
					readMessage(c)
					c.send(authRequest(0), test.sent)
				}, nil)
				c := r.dial()
				c.send(plainStartup)
				c.expect(authRequest(0))
				if whole := test.sent[0] == 'S' && binary.BigEndian.Uint32(test.sent[1:5]) == uint32(len(test.sent)-1); whole {
					c.expect(test.sent)
				}
				got := c.failed()
				r.stop()
				if got['C'] != test.want {
					t.Errorf("got %q, want %s", got, test.want)
				}
				if !r.log.hasLine("session ended", "login failed", "sqlstate="+test.want) {
					t.Errorf("no line with %s in\n%s", test.want, r.log.bytes())
				}
			})
		})
	}
}

// halves joins a reader and a writer.
type halves struct {
	io.Reader
	io.Writer
}

func FuzzLogin(f *testing.F) {
	ok := authRequest(0)
	f.Add(join(authRequest(3), ok, keyData(1, []byte("abcd")), readyForQuery, []byte("more")), 1, false)
	f.Add(join(authRequest(3), ok, readyForQuery), 2, true)
	f.Add(join(message('v', 0, 0, 0, 0, 0, 0, 0, 0), message('N', 0), authRequest(3), message('v'), ok, readyForQuery), 9, true)
	f.Add(join(message('v'), ok, readyForQuery), 9, true)
	f.Add(errorPacket("SFATAL", "C08P01", "Mwhat password?"), 9, true)
	f.Add(errorPacket("SFATAL", "C57P03", "Mstarting up"), 9, true)
	f.Add(join(authRequest(3), errorPacket("SFATAL", "C28P01", "Mno")), 9, true)
	f.Add(join(message('v', []byte("\x00\x00\x00\x00\x00\x00\x00\x00")...), authRequest(3), ok, readyForQuery), 7, false)
	f.Add(join(message('N', 0), authRequest(10, []byte("SCRAM-SHA-256\x00\x00")...)), 1000, true)
	f.Add(errorPacket("SFATAL", "C28000", "MPAM authentication failed"), 3, false)
	f.Add(errorPacket("SFATAL", "C28P01", "Mno", "Hh"), 3, false)
	f.Add(join(ok, errorPacket("SFATAL", "C3D000", "Mno")), 2, false)
	f.Add([]byte{'R', 0xff, 0xff, 0xff, 0xff}, 1, true)
	f.Add(join(ok, message('K'), message('K', 0, 0, 0), readyForQuery), 5, false)
	f.Fuzz(func(t *testing.T, said []byte, chunk int, early bool) {
		chunk = max(1, min(chunk, 1<<16))
		var toClient, toServer bytes.Buffer
		in := &chunkReader{said, chunk}
		l := &login{
			client:  &toClient,
			server:  halves{in, &toServer},
			in:      messages{r: in},
			user:    "app_user",
			route:   &Route{Name: host, Tokens: &fakeTokens{token: secretToken}},
			guesses: new(guesses),
			early:   early,
			key: func(_ uint32, secret []byte) {
				if len(secret) < 4 || len(secret) > 256 {
					t.Errorf("noted a key of %d bytes", len(secret))
				}
			},
		}
		err := l.run(context.Background(), startupMessage{version: 3 << 16})
		if bytes.Contains(toClient.Bytes(), []byte(secretToken)) {
			t.Error("the client got the token")
		}
		if n := bytes.Count(toServer.Bytes(), []byte(secretToken)); n > 1 {
			t.Errorf("the token was sent %d times", n)
		} else if early && n == 0 {
			t.Error("the token was not sent early")
		}
		if errors.As(err, new(*wrongGuess)) && (!early || toClient.Len() > 0) {
			t.Errorf("early %v: not to be repeated after %q to the client", early, toClient.Bytes())
		}
		if clear := asked(said); l.guesses.clearText("app_user") && !clear {
			t.Errorf("early next time, though the database said %q", said)
		}
		if err == nil {
			if want := expected(said[:len(said)-len(in.left)]); !bytes.Equal(toClient.Bytes(), want) {
				t.Errorf("client got %q, want %q", toClient.Bytes(), want)
			}
		}
		var refused *refusal
		if errors.As(err, &refused) && refused.early() {
			p := refused.packet()
			if n := binary.BigEndian.Uint32(p[1:5]); int(n) != len(p)-1 {
				t.Errorf("ErrorResponse %q has length %d", p, n)
			}
		} else if err != nil {
			if _, encodeErr := response(err, "").Encode(nil); encodeErr != nil {
				t.Errorf("no ErrorResponse for %v: %v", err, encodeErr)
			}
		}
	})
}

// expected is what a client gets of a login that works: negotiations,
// AuthenticationOk, the notices held until then, and the rest as it is.
func expected(said []byte) (out []byte) {
	var held []byte
	for {
		n := 1 + int(binary.BigEndian.Uint32(said[1:5]))
		m := said[:n]
		said = said[n:]
		switch {
		case m[0] == 'v':
			out = append(out, m...)
		case m[0] == 'N':
			held = append(held, m...)
		case m[0] == 'R' && bytes.HasPrefix(m[5:], []byte{0, 0, 0, 0}):
			return append(append(append(out, m...), held...), said...)
		}
	}
}

// asked reports whether the first request for authentication is for clear text.
func asked(said []byte) bool {
	for len(said) >= 9 {
		if said[0] == 'R' {
			return binary.BigEndian.Uint32(said[5:9]) == 3
		}
		n := 1 + uint64(binary.BigEndian.Uint32(said[1:5]))
		said = said[min(n, uint64(len(said))):]
	}
	return false
}

// chunkReader gives size bytes a read.
type chunkReader struct {
	left []byte
	size int
}

func (r *chunkReader) Read(p []byte) (int, error) {
	if len(r.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.size)], r.left)
	r.left = r.left[n:]
	return n, nil
}
