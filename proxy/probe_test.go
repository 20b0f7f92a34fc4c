package proxy

import (
	"context"
	"errors"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// probeRoute leads to a fake database that behaves like session.
func probeRoute(t *testing.T, session func(*databaseConn)) (Route, *database) {
	ca := newAuthority(t, "test CA")
	d := &database{t: t, tls: ca.serverConfig(t, host, time.Hour), session: session}
	t.Cleanup(d.wg.Wait)
	return Route{
		Name: host, Address: host + ":5432", Dialer: d, Tokens: &fakeTokens{token: secretToken}, TLS: ca.clientConfig,
	}, d
}

func TestProbeTellsEachStageAndKeepsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		route, _ := probeRoute(t, func(c *databaseConn) {
			want := startupPacket(3<<16, "user", "app_user", "database", "app", "application_name", "pgkeyless doctor")
			if got := c.startup(); string(got) != string(want) {
				t.Errorf("StartupMessage %q, want %q", got, want)
			}
			time.Sleep(3 * time.Second)
			c.send(authRequest(3))
			c.expect(message('p', append([]byte(secretToken), 0)...))
			c.send(authRequest(0), message('S', []byte("server_version\x0017.2\x00")...), keyData(7, []byte("key7")), readyForQuery)
			c.expect(message('Q', []byte("select 1\x00")...))
			c.send(message('D', 0, 2, 0, 0, 0, 1, '1', 0xff, 0xff, 0xff, 0xff), message('C', []byte("SELECT 1\x00")...), readyForQuery)
			c.expect(message('Q', []byte("oops\x00")...))
			c.send(errorPacket("SERROR", "C42601", `Msyntax error at or near "oops"`), readyForQuery)
			c.untilTerminate()
		})
		var steps []ProbeStep
		conn, err := Probe(t.Context(), route, "app_user", "app", 0, func(s ProbeStep) {
			if (s.TLS != nil) != (s.Stage == ProbeTLS) {
				t.Errorf("stage %v with TLS %v", s.Stage, s.TLS)
			}
			if s.TLS != nil && s.TLS.ServerName != host {
				t.Errorf("TLS with %q, want %q", s.TLS.ServerName, host)
			}
			s.TLS = nil
			steps = append(steps, s)
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := []ProbeStep{{Stage: ProbeDial}, {Stage: ProbeAnswer}, {Stage: ProbeTLS}, {Stage: ProbeLogin, Took: 3 * time.Second}}; !slices.Equal(steps, want) {
			t.Errorf("told %v, want %v", steps, want)
		}
		if conn.Parameter("server_version") != "17.2" || !conn.AskedForToken() {
			t.Errorf("version %q, asked %v", conn.Parameter("server_version"), conn.AskedForToken())
		}
		if rows, err := conn.Query(t.Context(), "select 1"); err != nil || !reflect.DeepEqual(rows, [][]string{{"1", ""}}) {
			t.Errorf("rows %q, %v", rows, err)
		}
		if _, err := conn.Query(t.Context(), "oops"); causes.SQLState(err) != "42601" {
			t.Errorf("error %v, want the database's", err)
		}
		conn.Close()
	})
}

func TestProbeSaysWhichStageFailed(t *testing.T) {
	refused := &statedError{text: "no", state: "08001", hint: "do this"}
	tests := []struct {
		name    string
		session func(*databaseConn)
		change  func(*Route, *database)
		stage   ProbeStage
		state   string
		words   string
	}{
		{"dial", nil, func(r *Route, _ *database) {
			r.Dialer = dialFunc(func(context.Context, string, string) (net.Conn, error) { return nil, refused })
		}, ProbeDial, "08001", "no"},
		{"answer", nil, func(r *Route, _ *database) {
			r.Dialer = dialFunc(func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				go func() { readStartupPacket(far); far.Close() }()
				return near, nil
			})
		}, ProbeAnswer, "08001", "asking for TLS"},
		{"silence", nil, func(r *Route, _ *database) {
			r.Dialer = dialFunc(func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				go readStartupPacket(far)
				return near, nil
			})
		}, ProbeAnswer, "57P03", "not finished within"},
		{"TLS", nil, func(r *Route, d *database) { d.tls = newAuthority(t, "other").serverConfig(t, host, time.Hour) },
			ProbeTLS, "08001", "not trusted"},
		{"login", func(c *databaseConn) {
			c.startup()
			c.send(errorPacket("SFATAL", "C28000", "MPAM authentication failed"))
		}, nil,
			ProbeLogin, "28000", "PAM authentication failed"},
		{"words that clients alone are told", func(c *databaseConn) {
			c.startup()
			c.send(errorPacket("SFATAL", "C0A000", "MRDS Proxy has its own mind"))
		}, nil, ProbeLogin, "0A000", "its own mind"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				route, d := probeRoute(t, test.session)
				if test.change != nil {
					test.change(&route, d)
				}
				var last ProbeStep
				_, err := Probe(t.Context(), route, "app_user", "app", 0, func(s ProbeStep) { last = s })
				if err == nil || last.Stage != test.stage || last.Err == nil || causes.SQLState(err) != test.state || !strings.Contains(err.Error(), test.words) {
					t.Errorf("stage %v: %v (%s), want stage %v, SQLSTATE %s and %q", last.Stage, err, causes.SQLState(err), test.stage, test.state, test.words)
				}
			})
		})
	}
}

func TestProbeEndsInTime(t *testing.T) {
	for limit, want := range map[time.Duration]time.Duration{0: time.Minute, 5 * time.Minute: 5 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			route, _ := probeRoute(t, func(c *databaseConn) { c.startup(); c.untilTerminate() })
			began := time.Now()
			_, err := Probe(t.Context(), route, "app_user", "app", limit, nil)
			if took := time.Since(began); took != want || err == nil || !strings.Contains(err.Error(), want.String()) {
				t.Errorf("after %v: %v, want it after %v", took, err, want)
			}
		})
	}
}

func TestProbeEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		route, _ := probeRoute(t, func(c *databaseConn) { c.startup(); c.untilTerminate() })
		stopped := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(stopped) })
		if _, err := Probe(ctx, route, "app_user", "app", 0, nil); !errors.Is(err, stopped) {
			t.Errorf("got %v, want the context's cause", err)
		}
	})
}
