package awsemu

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestUpgradeRefused(t *testing.T) {
	e := startEmulator(t, Config{})
	c := newClient(t, e, "127.0.0.1:1")
	status := func(url, secret string) int {
		conn, resp, err := dialSigned(c.ctx, url, secret)
		if err == nil {
			_ = conn.CloseNow()
			return http.StatusSwitchingProtocols
		}
		if resp == nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	if got := status(c.url, "other"); got != http.StatusForbidden {
		t.Errorf("wrong secret: status %d", got)
	}
	if got := status(strings.Replace(c.url, c.session, "alice-0", 1), testSecret); got != http.StatusBadRequest {
		t.Errorf("unknown session: status %d", got)
	}
	if got := status(strings.Replace(c.url, channelRole, "publish", 1), testSecret); got != http.StatusBadRequest {
		t.Errorf("wrong role: status %d", got)
	}
	e.RefuseUpgrades(403, 1)
	if got := status(c.url, testSecret); got != http.StatusForbidden {
		t.Errorf("refused once: status %d", got)
	}
	if got := status(c.url, testSecret); got != http.StatusSwitchingProtocols {
		t.Errorf("after the refusal: status %d", got)
	}
	wantNoViolations(t, e)
	if _, resp, err := websocket.Dial(c.ctx, c.url, nil); err == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("unsigned: %v, %v", resp, err)
	}
}

func TestUnsignedUpgrade(t *testing.T) {
	e := startEmulator(t, Config{AllowUnsigned: true})
	c := newClient(t, e, "127.0.0.1:1")
	conn, _, err := websocket.Dial(c.ctx, c.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.CloseNow()
	if _, _, err := dialSigned(c.ctx, c.url, "other"); err == nil {
		t.Error("a wrong signature was accepted")
	}
}

// TestURLAsIssued: a client that encodes the + anew is found out.
func TestURLAsIssued(t *testing.T) {
	e := startEmulator(t, Config{AllowUnsigned: true})
	c := newClient(t, e, "127.0.0.1:1")
	conn, _, err := websocket.Dial(c.ctx, strings.Replace(c.url, "+", "%2B", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.CloseNow()
	if got := e.Violations(); len(got) != 1 || !strings.Contains(got[0], "stream URL") {
		t.Errorf("violations %q", got)
	}
}

func TestTokens(t *testing.T) {
	e := startEmulator(t, Config{})
	c := newClient(t, e, "127.0.0.1:1")
	fresh := c.token
	c.token = "stale"
	c.connect()
	if err := c.waitClosed(); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("wrong token: %v, want close code 1008", err)
	}
	c.token = fresh
	c.connect()
	c.waitFor(typeOutput, payloadHandshakeRequest)
	c.connect() // the same token again
	if err := c.waitClosed(); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("used token: %v, want close code 1008", err)
	}
	if got := e.Violations(); len(got) != 2 {
		t.Errorf("violations %q, want 2", got)
	}
	if got := e.Sessions()[0].Connections; got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
}

func TestTokenAge(t *testing.T) {
	e := startEmulator(t, Config{TokenLife: time.Nanosecond, SilentRefusal: true})
	c := newClient(t, e, "127.0.0.1:1")
	conn, _, err := c.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	open := openMessage{"1.0", newUUID().String(), c.token, c.id, c.version}
	if err := conn.Write(c.ctx, websocket.MessageText, mustJSON(open)); err != nil {
		t.Fatal(err)
	}
	// A close frame would come before the answer to a ping.
	closed := conn.CloseRead(c.ctx)
	if err := conn.Ping(c.ctx); err != nil || closed.Err() != nil {
		t.Errorf("an old token is met with %v, %v; want silence", err, closed.Err())
	}
	if e.Sessions()[0].Connections != 0 {
		t.Error("an old token opened the data channel")
	}
}

// TestSecondConnectionReplaces: the newest client has the session.
func TestSecondConnectionReplaces(t *testing.T) {
	e := startEmulator(t, Config{})
	c := newClient(t, e, "127.0.0.1:1")
	c.connect()
	c.waitFor(typeOutput, payloadHandshakeComplete)
	c.resume()
	if err := c.waitClosed(); err == nil { // of the old one
		t.Error("the old connection lives on")
	}
	if got := e.Sessions()[0]; got.State != Connected || got.Connections != 2 {
		t.Errorf("session %+v, want it connected by the second connection", got)
	}
}
