package proxy

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// otherTokens is what an Alternative has.
type otherTokens struct{ words string }

func (o otherTokens) Token(context.Context, string) (Password, error) {
	return NewPassword(o.words), nil
}

// A database that refuses the usual token is given that of the Alternative, which stays if
// the database takes it. If it does not, the client reads why the usual one was refused.
func TestRefusedLoginIsRepeatedByTheAlternative(t *testing.T) {
	tests := []struct {
		name     string
		none     bool   // there is no Alternative
		second   string // field of the refusal of the other token; "" accepts it
		state    string
		behind   bool // the refusal comes behind AuthenticationOk
		kept     bool
		attempts int64
		want     string // SQLSTATE that the client gets
	}{
		{"accepted", false, "", "", false, true, 2, ""},
		{"refused alike", false, "Mno", "28000", false, false, 2, "28000"},
		{"accepted, but no such database", false, "Mno such database", "3D000", false, true, 2, "3D000"},
		{"accepted, but not permitted to connect", false, "Mpermission denied for database", "42501", false, true, 2, "42501"},
		{"accepted, but no room", false, "Mtoo many connections", "53300", true, true, 2, "53300"},
		{"accepted, then shut down", false, "Mterminating connection", "57P01", true, true, 2, "57P01"},
		{"no room", false, "Msorry, too many clients already", "53300", false, false, 2, "28000"},
		{"database that is starting up", false, "Mthe database system is starting up", "57P03", false, false, 2, "28000"},
		{"there is none", true, "", "", false, false, 1, "28000"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var attempts, kept atomic.Int64
				var asked []Refusal
				r := newRig(t, func(c *databaseConn) {
					attempts.Add(1)
					c.startup()
					c.send(authRequest(3))
					password, _ := readMessage(c)
					switch {
					case !strings.Contains(string(password), "other"):
						c.send(errorPacket("SFATAL", "C28000", "Musual token refused"))
					case test.second != "":
						if test.behind {
							c.send(authRequest(0))
						}
						c.send(errorPacket("SFATAL", "C"+test.state, test.second))
					default:
						c.send(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
						c.untilTerminate()
					}
				}, func(cfg *Config) {
					cfg.Routes[0].Alternative = func(_ context.Context, r Refusal, _ time.Time) (Alternative, bool) {
						asked = append(asked, r)
						return Alternative{Tokens: otherTokens{"other"}, For: "green.example:5432", Keep: func() { kept.Add(1) }}, !test.none
					}
				})
				c := r.dial()
				c.send(plainStartup)
				if test.behind {
					c.expect(authRequest(0))
				}
				if test.want == "" {
					c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
					c.Close()
				} else if got := c.failed(); got['C'] != test.want || test.want == "28000" && got['M'] != "usual token refused" {
					t.Errorf("the client got %q, want %s", got, test.want)
				}
				r.stop()
				if len(asked) != 1 || asked[0].SQLState != "28000" {
					t.Errorf("asked after %+v, want one refusal", asked)
				}
				if n := attempts.Load(); n != test.attempts {
					t.Errorf("%d logins, want %d", n, test.attempts)
				}
				if got := kept.Load() == 1; got != test.kept {
					t.Errorf("kept %d times, want kept: %v", kept.Load(), test.kept)
				}
				if said := r.log.hasLine("login refused, trying once more with a token for another name or region", "signed_for=green.example:5432"); said == test.none {
					t.Errorf("the log says so: %v\n%s", said, r.log.bytes())
				}
			})
		})
	}
}

// Other failures are not asked about: nothing but a refusal says anything of the token.
func TestAlternativeIsForRefusalsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			c.startup()
			c.Close()
		}, func(cfg *Config) {
			cfg.Routes[0].Alternative = func(context.Context, Refusal, time.Time) (Alternative, bool) {
				panic("asked after a lost connection")
			}
		})
		c := r.dial()
		c.send(plainStartup)
		c.failed()
		r.stop()
	})
}

// An Alternative stays if the database has let its token in, however the login ends then,
// and not because it let in the usual one.
func TestAlternativeStaysWhereItsOwnTokenWasLetIn(t *testing.T) {
	for _, tt := range []struct {
		name   string
		usual  bool // the usual token is let in, to a full database
		other  bool // the other token is let in, and then the connection is lost
		kept   bool
		wanted string // SQLSTATE that the client gets
	}{
		{"let in, then lost", false, true, true, "08006"},
		{"the usual token was let in, and the other never tried", true, false, false, "53300"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var dials, kept atomic.Int64
				r := newRig(t, func(c *databaseConn) {
					c.startup()
					c.send(authRequest(3))
					password, _ := readMessage(c)
					if strings.Contains(string(password), "other") {
						c.send(authRequest(0))
						return
					}
					if tt.usual {
						c.send(authRequest(0), errorPacket("SFATAL", "C53300", "Mtoo many connections"))
					} else {
						c.send(errorPacket("SFATAL", "C28000", "Mrefused"))
					}
				}, func(cfg *Config) {
					database := cfg.Routes[0].Dialer
					cfg.Routes[0].Dialer = dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
						if dials.Add(1) > 1 && !tt.other {
							return nil, errors.New("unreachable")
						}
						return database.DialContext(ctx, network, address)
					})
					cfg.Routes[0].Alternative = func(context.Context, Refusal, time.Time) (Alternative, bool) {
						return Alternative{Tokens: otherTokens{"other"}, Keep: func() { kept.Add(1) }}, true
					}
				})
				c := r.dial()
				c.send(plainStartup)
				c.expect(authRequest(0))
				if got := c.failed(); got['C'] != tt.wanted {
					t.Errorf("the client got %q, want %s", got, tt.wanted)
				}
				r.stop()
				if got := kept.Load() == 1; got != tt.kept || dials.Load() != 2 {
					t.Errorf("kept %d times after %d connections, want kept: %v after 2", kept.Load(), dials.Load(), tt.kept)
				}
			})
		})
	}
}
