package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// TestURLAsIssued: a client that encodes the + anew is found out.
func TestURLAsIssued(t *testing.T) {
	g := startService(t, Config{AllowUnsigned: true})
	c := newClient(t, g, "127.0.0.1:1")
	conn, _, err := websocket.Dial(c.ctx, strings.Replace(c.url, "+", "%2B", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.CloseNow()
	if got := g.Violations(); len(got) != 1 || !strings.Contains(got[0], "stream URL") {
		t.Errorf("violations %q", got)
	}
}

func TestTokens(t *testing.T) {
	g := startService(t, Config{})
	c := newClient(t, g, "127.0.0.1:1")
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
	if got := g.Violations(); len(got) != 2 {
		t.Errorf("violations %q, want 2", got)
	}
	if got := g.Sessions()[0].Connections; got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
}

func TestTokenAge(t *testing.T) {
	g := startService(t, Config{TokenLife: time.Nanosecond, SilentRefusal: true})
	c := newClient(t, g, "127.0.0.1:1")
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
	if g.Sessions()[0].Connections != 0 {
		t.Error("an old token opened the data channel")
	}
}

// TestSecondConnectionReplaces: the newest client has the session.
func TestSecondConnectionReplaces(t *testing.T) {
	g := startService(t, Config{})
	c := newClient(t, g, "127.0.0.1:1")
	c.connect()
	c.waitFor(typeOutput, payloadHandshakeComplete)
	c.resume()
	if err := c.waitClosed(); err == nil { // of the old one
		t.Error("the old connection lives on")
	}
	if got := g.Sessions()[0]; got.State != Connected || got.Connections != 2 {
		t.Errorf("session %+v, want it connected by the second connection", got)
	}
}
