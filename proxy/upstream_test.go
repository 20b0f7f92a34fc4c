package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// refusedBy logs in through a Dialer whose server end is run by answer, and
// returns what the client is told.
func refusedBy(t *testing.T, answer func(c net.Conn), change func(*Route)) (got map[byte]string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		r := newRig(t, nil, func(cfg *Config) {
			if answer != nil {
				cfg.Routes[0].Dialer = dialFunc(func(context.Context, string, string) (net.Conn, error) {
					near, far := net.Pipe()
					wg.Go(func() {
						defer far.Close()
						if got, err := readStartupPacket(far); err != nil || !bytes.Equal(got, sslRequest) {
							t.Errorf("database got %q (%v), want SSLRequest", got, err)
						}
						answer(far)
					})
					return near, nil
				})
			}
			if change != nil {
				change(&cfg.Routes[0])
			}
		})
		c := r.dial()
		c.send(plainStartup)
		got = c.failed()
		r.stop()
		wg.Wait()
		if len(r.tokens.users) != 0 {
			t.Error("a token was made")
		}
		if !r.log.hasLine("session ended", "level=ERROR", "sqlstate="+got['C']) {
			t.Errorf("no error line with the SQLSTATE in\n%s", r.log.bytes())
		}
	})
	return got
}

func TestAnswersToSSLRequest(t *testing.T) {
	tests := []struct {
		name   string
		answer string
		state  string
		text   string
		detail string
	}{
		{"N", "N", "08001", "refuses TLS", ""},
		{"ErrorResponse", "E\x00\x00\x00\x25SFATAL\x00C53300\x00Mtoo many clients\x00\x00", "08001", "with an error", "too many clients"},
		{"error of a server that cannot fork", "Ecould not fork\n\x00", "08001", "with an error", "could not fork"},
		{"SSH", "SSH-2.0-OpenSSH\r\n", "08001", "", ""}, // S, then a handshake that is none
		{"HTTP", "HTTP/1.1 400\r\n", "08004", "PostgreSQL protocol", ""},
		{"the end", "", "08001", "closed", ""},
		// An S with a clear-text login behind it (CVE-2021-23222).
		{"stuffing", "S" + string(authRequest(0)) + string(readyForQuery), "08001", "TLS with " + host, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := refusedBy(t, func(c net.Conn) {
				go func() {
					if strings.HasPrefix(test.answer, "S") {
						io.Copy(io.Discard, c)
					}
				}()
				c.Write([]byte(test.answer))
			}, nil)
			if got['C'] != test.state || !strings.Contains(got['M'], test.text) || !strings.Contains(got['D'], test.detail) {
				t.Errorf("got %q, want %s with %q and detail %q", got, test.state, test.text, test.detail)
			}
		})
	}
}

// Whether a database that closes after its S is found to have gone by the client
// hello or by the read behind it, people are told the same.
func TestAnEndBeforeTheHandshakeIsToldInTheSameWords(t *testing.T) {
	for name, wait := range map[string]time.Duration{"found by reading": 0, "found by writing": time.Second} {
		t.Run(name, func(t *testing.T) {
			got := refusedBy(t, func(c net.Conn) {
				c.Write([]byte{'S'})
				if wait == 0 {
					c.Read(make([]byte, 16<<10)) // the hello
				}
			}, func(r *Route) {
				dial := r.Dialer.DialContext
				r.Dialer = dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
					c, err := dial(ctx, network, address)
					return &tardy{brokenPipe{newEager(c)}, wait}, err
				})
			})
			if want := "TLS with " + host + ": " + errClosed.Error(); got['C'] != "08001" || got['M'] != want || !strings.Contains(got['H'], "ended during the handshake") {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// tardy gives what it has read after a while.
type tardy struct {
	brokenPipe
	wait time.Duration
}

func (t *tardy) Read(p []byte) (int, error) {
	n, err := t.brokenPipe.Read(p)
	time.Sleep(t.wait)
	return n, err
}

// A handshake that takes too long ends in the same words, whatever is the first to
// notice.
func TestOverdueHandshake(t *testing.T) {
	for range 20 {
		got := refusedBy(t, func(c net.Conn) {
			c.Write([]byte{'S'})
			io.Copy(io.Discard, c)
		}, nil)
		if want := "TLS with " + host + ": "; got['C'] != "57P03" || !strings.HasPrefix(got['D'], want) || !strings.HasSuffix(got['D'], "timeout") {
			t.Fatalf("got %q, want a detail that begins with %q and ends with a timeout", got, want)
		}
	}
}

func TestCertificatesThatAreNotTrusted(t *testing.T) {
	tests := []struct {
		name   string
		config func(t *testing.T, trusted *authority) *tls.Config
		text   string
		hint   string
	}{
		{"wrong name", func(t *testing.T, ca *authority) *tls.Config {
			return ca.serverConfig(t, "other.example.com", time.Hour)
		}, "is for another name", "another server"},
		{"unknown authority", func(t *testing.T, _ *authority) *tls.Config {
			return newAuthority(t, "foreign CA").serverConfig(t, host, time.Hour)
		}, "is not trusted", "ca-file"},
		{"expired", func(t *testing.T, ca *authority) *tls.Config {
			return ca.serverConfig(t, host, -time.Minute)
		}, "is expired", "clock"},
		{"TLS 1.1", func(t *testing.T, ca *authority) *tls.Config {
			cfg := ca.serverConfig(t, host, time.Hour)
			cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
			return cfg
		}, "TLS with " + host, "check host and port"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(*databaseConn) { t.Error("the database was let in") }, nil)
				trusted := newAuthority(t, "trusted CA")
				r.db.tls = test.config(t, trusted)
				r.server.routes[0].TLS = trusted.clientConfig
				c := r.dial()
				c.send(plainStartup)
				got := c.failed()
				r.stop()
				if got['C'] != "08001" || !strings.Contains(got['M'], test.text) || !strings.Contains(got['H'], test.hint) {
					t.Errorf("got %q, want 08001 with %q and hint %q", got, test.text, test.hint)
				}
			})
		})
	}
}

func TestAConfigWithoutAServerNameIsRefused(t *testing.T) {
	got := refusedBy(t, nil, func(r *Route) { r.TLS = func() *tls.Config { return new(tls.Config) } })
	if got['C'] != "XX000" || !strings.Contains(got['M'], "server name") {
		t.Errorf("got %q, want XX000", got)
	}
}

func TestAConfigThatDoesNotVerifyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			if p, err := readStartupPacket(c); err == nil {
				t.Errorf("database got %q", p)
			}
		}, func(cfg *Config) {
			cfg.Routes[0].TLS = func() *tls.Config { return &tls.Config{ServerName: host, InsecureSkipVerify: true} }
		})
		c := r.dial()
		c.send(plainStartup)
		if got := c.failed(); got['C'] != "08001" || !strings.Contains(got['M'], "not verified") {
			t.Errorf("got %q, want 08001", got)
		}
		r.stop()
	})
}

func TestUnknownAuthorityIsRefreshedOnce(t *testing.T) {
	for _, test := range []struct {
		name      string
		refreshed bool // whether RefreshTLS finds something new
		helps     bool // and whether that is the right authority
		dials     int
	}{
		{"new authority", true, true, 2},
		{"nothing new", false, false, 1},
		{"new but not enough", true, false, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stale := newAuthority(t, "stale CA")
				asked := 0
				var fresh func() *tls.Config
				r := newRig(t, func(c *databaseConn) {
					c.logIn()
					c.untilTerminate()
				}, func(cfg *Config) {
					route := &cfg.Routes[0]
					fresh = route.TLS
					route.TLS = func() *tls.Config {
						if asked > 0 && test.helps {
							return fresh()
						}
						return stale.clientConfig()
					}
					route.RefreshTLS = func(context.Context, error) error {
						asked++
						if test.refreshed {
							return nil
						}
						return &statedError{"no roots", "08001", "the roots could not be fetched", "let the proxy reach them"}
					}
				})
				c := r.dial()
				c.send(plainStartup)
				if test.helps {
					c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
				} else if got := c.failed(); got['C'] != "08001" || !strings.Contains(got['M'], "not trusted") ||
					(got['H'] == "let the proxy reach them") == test.refreshed {
					t.Errorf("got %q, want 08001, and RefreshTLS's hint when it failed", got)
				}
				c.Close()
				r.stop()
				if asked != 1 || len(r.db.addresses) != test.dials {
					t.Errorf("refreshed %d times, dialled %d, want 1 and %d", asked, len(r.db.addresses), test.dials)
				}
			})
		})
	}
}

func TestDialErrorsReachTheClient(t *testing.T) {
	stated := &statedError{"starting SSM session on i-0abc: TargetNotConnected", "08001", "region eu-west-1", "start the SSM agent"}
	tests := []struct {
		name string
		err  error
		want map[byte]string
	}{
		{"with SQLSTATE, detail and hint", stated, map[byte]string{
			'S': "FATAL", 'V': "FATAL", 'C': "08001", 'D': stated.detail, 'H': stated.hint,
			'M': "reaching " + host + ": starting SSM session on i-0abc: TargetNotConnected",
		}},
		{"another SQLSTATE", &statedError{text: "no AWS credentials", state: "28000"}, map[byte]string{
			'C': "28000", 'D': "dialled " + host + ":5432",
		}},
		{"network", &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}, map[byte]string{
			'C': "08001", 'M': "reaching " + host + ": dial tcp: connection refused",
		}},
		{"text that would break the message", errors.New("a\x00b\x1b[31m\xff\n"), map[byte]string{
			'C': "08001", 'M': "reaching " + host + ": " + `a\x00b\x1b[31m\xff`,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := refusedBy(t, nil, func(r *Route) {
				r.Dialer = dialFunc(func(context.Context, string, string) (net.Conn, error) { return nil, test.err })
			})
			for field, want := range test.want {
				if got[field] != want {
					t.Errorf("field %q is %q, want %q", field, got[field], want)
				}
			}
		})
	}
}

// A database that speaks direct TLS demands ALPN, and it gets what it demands.
func TestDirectTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var offered []string
		r := newRig(t, func(c *databaseConn) {
			if got := c.ConnectionState().NegotiatedProtocol; got != "postgresql" {
				t.Errorf("negotiated %q", got)
			}
			c.logIn()
			c.untilTerminate()
		}, func(cfg *Config) {
			route := &cfg.Routes[0]
			route.DirectTLS = true
			shared := route.TLS() // a Route may hand out the same one again
			route.TLS = func() *tls.Config { return shared }
		})
		r.db.direct = true
		r.db.tls.NextProtos = []string{"postgresql"}
		r.db.tls.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			offered = hello.SupportedProtos
			return nil, nil
		}
		r.established().Close()
		r.stop()
		if !slices.Equal(offered, []string{"postgresql"}) {
			t.Errorf("offered %q", offered)
		}
		if shared := r.server.routes[0].TLS(); shared.NextProtos != nil {
			t.Errorf("the Route's own configuration was changed: %q", shared.NextProtos)
		}
	})
}

func TestDirectTLSWithServersThatDoNotSpeakIt(t *testing.T) {
	handshake := func(c net.Conn, cfg *tls.Config) {
		secure := tls.Server(newEager(c), cfg)
		if secure.Handshake() == nil {
			if p, err := readStartupPacket(secure); err == nil {
				t.Errorf("server got %q", p)
			}
		}
		secure.Close()
	}
	tests := []struct {
		name   string
		answer func(c net.Conn, ca *authority)
		hinted bool
	}{
		// PostgreSQL 16 takes the hello for a packet of impossible length.
		{"closes", func(c net.Conn, _ *authority) { io.ReadFull(c, make([]byte, 4)) }, true},
		{"answers in clear", func(c net.Conn, _ *authority) {
			go io.Copy(io.Discard, c)
			c.Write(errorPacket("SFATAL", "C08P01", "Minvalid length of startup packet"))
		}, true},
		{"without ALPN", func(c net.Conn, ca *authority) { handshake(c, ca.serverConfig(t, host, time.Hour)) }, true},
		{"with another ALPN", func(c net.Conn, ca *authority) {
			cfg := ca.serverConfig(t, host, time.Hour)
			cfg.NextProtos = []string{"h2"}
			handshake(c, cfg)
		}, true},
		{"with another name", func(c net.Conn, ca *authority) {
			handshake(c, ca.serverConfig(t, "other.example.com", time.Hour))
		}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var wg sync.WaitGroup
				ca := newAuthority(t, "test CA")
				r := newRig(t, nil, func(cfg *Config) {
					route := &cfg.Routes[0]
					route.DirectTLS, route.TLS = true, ca.clientConfig
					route.Dialer = dialFunc(func(context.Context, string, string) (net.Conn, error) {
						near, far := net.Pipe()
						wg.Go(func() {
							defer far.Close()
							test.answer(far, ca)
						})
						return near, nil
					})
				})
				c := r.dial()
				c.send(plainStartup)
				got := c.failed()
				r.stop()
				wg.Wait()
				if hinted := strings.Contains(got['H'], "sslnegotiation=postgres"); got['C'] != "08001" || hinted != test.hinted {
					t.Errorf("got %q, want 08001, sslnegotiation in the hint: %v", got, test.hinted)
				}
				if len(r.tokens.users) != 0 {
					t.Error("a token was made")
				}
			})
		})
	}
}

// What is wrong with a certificate is not fixed by an SSLRequest.
func TestDirectTLSHintIsNotForCertificates(t *testing.T) {
	r := &Route{Name: host, DirectTLS: true}
	for err, want := range map[error]bool{
		&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.IncompatibleUsage}}: false,
		&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}:                                 false,
		tls.AlertError(120): true, // no_application_protocol
		io.ErrUnexpectedEOF: true,
	} {
		if got := causes.Hint(r.untrusted(host, err)); strings.Contains(got, "sslnegotiation") != want {
			t.Errorf("%v: hint %q, want sslnegotiation in it: %v", err, got, want)
		}
	}
}
