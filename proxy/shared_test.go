package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// sharedRig has two databases, orders and billing, behind one listener. Each
// tells the client its own name as a parameter, and that of the user it let in.
func sharedRig(t *testing.T, byDefault string) *rig {
	t.Helper()
	session := func(name string) func(*databaseConn) {
		return func(c *databaseConn) {
			packet := c.startup()
			c.send(authRequest(0), parameterStatus("database", name), parameterStatus("user", startupValue(packet, "user")), readyForQuery)
			c.untilTerminate()
		}
	}
	return newRig(t, session("orders"), func(cfg *Config) {
		first := &cfg.Routes[0]
		ca := newAuthority(t, "another test CA")
		second := *first
		billing := &database{t: t, tls: ca.serverConfig(t, host, time.Hour), session: session("billing")}
		t.Cleanup(billing.wg.Wait)
		second.Name, second.Listen, second.Dialer, second.TLS = "billing", nil, billing, ca.clientConfig
		cfg.Shared, cfg.Default = first.Listen, byDefault
		first.Name, first.Listen = "orders", nil
		cfg.Routes = append(cfg.Routes, second)
	})
}

func parameterStatus(name, value string) []byte {
	return message('S', join([]byte(name), []byte{0}, []byte(value), []byte{0})...)
}

// startupValue finds a parameter in a StartupMessage.
func startupValue(packet []byte, name string) string {
	_, rest, _ := bytes.Cut(packet, join([]byte{0}, []byte(name), []byte{0}))
	value, _, _ := bytes.Cut(rest, []byte{0})
	return string(value)
}

func TestSharedListenerLeadsToTheNamedDatabase(t *testing.T) {
	for _, tt := range []struct {
		name, user, sni, byDefault string
		want                       string
	}{
		{"by user", "app@billing", "", "", "billing"},
		{"by TLS server name", "app", "orders.localhost", "", "orders"},
		{"by default", "app", "", "billing", "billing"},
		{"not the default", "app@orders", "", "billing", "orders"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := sharedRig(t, tt.byDefault)
				c := r.dial()
				if tt.sni != "" {
					c.send(sslRequest)
					c.expect([]byte{'S'})
					secure := tls.Client(c.Conn, &tls.Config{ServerName: tt.sni, InsecureSkipVerify: true}) // as sslmode=require
					if err := secure.Handshake(); err != nil {
						t.Fatal(err)
					}
					c = &client{Conn: secure, t: t}
				}
				c.send(startupPacket(3<<16, "user", tt.user))
				c.expect(join(authRequest(0), parameterStatus("database", tt.want), parameterStatus("user", "app"), readyForQuery))
				c.send(terminate)
				c.Close()
				time.Sleep(10 * time.Second)
				r.stop()
				if !r.log.hasLine("client accepted", "route="+tt.want, "user=app") {
					t.Errorf("the log does not name the route:\n%s", r.log.bytes())
				}
			})
		})
	}
}

func TestSharedListenerListsWhatThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := sharedRig(t, "")
		for _, user := range []string{"app", "app@ordesr"} {
			c := r.dial()
			c.send(startupPacket(3<<16, "user", user))
			got, err := readMessage(c)
			if err != nil || got[0] != 'E' || !bytes.Contains(got, []byte("\x00C08004\x00")) || !bytes.Contains(got, []byte("the targets are orders, billing")) {
				t.Errorf("user %s: %q (%v), want an error that lists the targets", user, got, err)
			}
			c.Close()
		}
		time.Sleep(10 * time.Second)
		got := r.server.Snapshot()
		if got.FailedLogins["08"] != 2 {
			t.Errorf("%+v, want two failed logins", got)
		}
		got.balanced(t)
		r.stop()
	})
}

func TestDefaultMustBeARoute(t *testing.T) {
	route := Route{Name: "orders", Address: "x:1", Dialer: &net.Dialer{}, Tokens: &fakeTokens{}, TLS: func() *tls.Config { return nil }}
	_, err := New(Config{Routes: []Route{route}, Shared: []net.Listener{newPipeListener()}, Default: "billing"})
	if err == nil || !strings.Contains(err.Error(), `no route named "billing"`) {
		t.Errorf("%v, want an error", err)
	}
	if _, err := New(Config{Routes: []Route{route}}); err == nil || !strings.Contains(err.Error(), "no listener") {
		t.Errorf("%v, want an error about a route that nobody can reach", err)
	}
}

// TestUnknownTargetIsExplained has the database refuse a user who may have been
// one of another target.
func TestUnknownTargetIsExplained(t *testing.T) {
	for name, refuse := range map[string]func(*databaseConn){
		"refused":        refusing(`Mpassword authentication failed for user "app@ordesr"`),
		"asked for more": func(c *databaseConn) { c.startup(); c.send(authRequest(10)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &fakeExplainer{explain: func(context.Context) Explanation { return Explanation{Hint: "why"} }}
				r := newRig(t, refuse, func(cfg *Config) {
					cfg.Routes[0].Refusals = e
					cfg.Shared, cfg.Routes[0].Listen = cfg.Routes[0].Listen, nil
				})
				c := r.dial()
				c.send(startupPacket(3<<16, "user", "app@ordesr"))
				if got := c.failed(); got['H'] != "why" {
					t.Errorf("told %q, want the hint", got)
				}
				r.stop()
				if len(e.asked) != 1 || e.asked[0].User != "app@ordesr" || e.asked[0].Unserved != "ordesr" || e.asked[0].Served != host {
					t.Errorf("asked %+v, want the user and the word behind it", e.asked)
				}
			})
		})
	}
}
