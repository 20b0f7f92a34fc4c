package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/xtaci/smux"
)

const (
	testOwner  = "arn:aws:iam::123456789012:user/alice"
	testTarget = "i-0123456789abcdef0"
	// patience is how long a test waits for what has to come.
	patience = time.Minute
)

// service is a gateway and what serves it.
type service struct {
	*Gateway
	address string
}

// startService runs a gateway for the test, without the agent's pace unless it is
// asked for. A client may be late on a busy machine, unless its time is set.
func startService(t testing.TB, cfg Config) *service {
	t.Helper()
	if cfg.Pace == 0 {
		cfg.Pace = -1
	}
	if cfg.AckWithin == 0 {
		cfg.AckWithin = 15 * time.Second
	}
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := New(cfg, signed{})
	server := &http.Server{Handler: http.HandlerFunc(g.ServeChannel), ConnContext: g.ConnContext}
	served := make(chan struct{})
	go func() {
		defer close(served)
		server.Serve(g.Listen(ln))
	}()
	t.Cleanup(func() {
		g.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
	return &service{g, ln.Addr().String()}
}

// signed takes a header for a signature: how those are checked is the control
// plane's.
type signed struct{}

func (signed) VerifyUpgrade(r *http.Request) error {
	if r.Header.Get("Authorization") != "good" {
		return errors.New("not signed")
	}
	return nil
}

func wantNoViolations(t *testing.T, g *service) {
	t.Helper()
	for _, v := range g.Violations() {
		t.Error("violation:", v)
	}
}

// client is a plain hand-written data-channel client. It answers the handshake
// and acknowledges what it gets, unless told not to; it never sends again.
type client struct {
	t       testing.TB
	g       *service
	ctx     context.Context
	session string
	url     string
	token   string
	id      string
	version string
	mute    atomic.Bool // acknowledge nothing, answer nothing

	mu      sync.Mutex
	conn    *websocket.Conn
	seq     int64
	next    int64 // expected output
	early   map[int64]message
	got     []message
	arrived chan struct{} // closed when got grows
	closed  error         // the end of the connection
	data    *pipe         // payloads of type 1
}

func newClient(t testing.TB, g *service, address string) *client {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	session, token := g.Open(Request{
		Target: testTarget, Document: "AWS-StartPortForwardingSessionToRemoteHost", Reason: "test", Owner: testOwner,
		Properties: Properties{Host: host, PortNumber: port, LocalPortNumber: "0", Type: LocalForwarding},
	})
	c := &client{
		t: t, g: g, ctx: ctx, session: session, url: "ws://" + g.address + StreamPath(session), token: token,
		id: newUUID().String(), version: "1.2.804.0", arrived: make(chan struct{}), data: newPipe(),
		early: map[int64]message{},
	}
	t.Cleanup(func() { c.data.Close() })
	return c
}

// dial makes a signed upgrade.
func (c *client) dial() (*websocket.Conn, *http.Response, error) {
	return websocket.Dial(c.ctx, c.url, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"good"}}})
}

// connect dials, opens the data channel and reads from then on.
func (c *client) connect() {
	c.t.Helper()
	conn, _, err := c.dial()
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	c.closed = nil
	c.mu.Unlock()
	open := openMessage{"1.0", newUUID().String(), c.token, c.id, c.version}
	if err := conn.Write(c.ctx, websocket.MessageText, mustJSON(open)); err != nil {
		c.t.Fatal(err)
	}
	// Not before: what is still answered on an older connection must not come first.
	c.mu.Lock()
	c.conn = conn
	c.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.read(conn)
	}()
	c.t.Cleanup(func() { _ = conn.CloseNow(); <-done })
}

func (c *client) read(conn *websocket.Conn) {
	for {
		_, frame, err := conn.Read(c.ctx)
		if err != nil {
			c.mu.Lock()
			c.closed = err
			c.wake()
			c.mu.Unlock()
			return
		}
		m, err := decode(frame)
		if err != nil {
			c.t.Errorf("from the emulator: %v", err)
			continue
		}
		c.take(m)
	}
}

// take notes a message, acknowledges it and acts on what is next.
func (c *client) take(m message) {
	if m.kind == typeOutput && !c.mute.Load() {
		c.sendRaw(newAck(m).encode())
	}
	c.mu.Lock()
	c.got = append(c.got, m)
	var inOrder []message
	if m.kind == typeOutput {
		c.early[m.seq] = m
		for next, ok := c.early[c.next]; ok; next, ok = c.early[c.next] {
			inOrder = append(inOrder, next)
			delete(c.early, c.next)
			c.next++
		}
	}
	c.wake()
	c.mu.Unlock()
	for _, m := range inOrder {
		switch {
		case c.mute.Load():
		case m.payloadType == payloadHandshakeRequest:
			c.send(payloadHandshakeResponse, c.response(1))
		case m.payloadType == payloadData:
			_, _ = c.data.Write(m.payload)
		}
	}
}

func (c *client) response(status int) []byte {
	return fmt.Appendf(nil, `{"ClientVersion":%q,"ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":%d,"ActionResult":null,"Error":"none"}],"Errors":null}`, c.version, status)
}

func (c *client) wake() {
	close(c.arrived)
	c.arrived = make(chan struct{})
}

// next number, as a message.
func (c *client) message(payloadType uint32, payload []byte) message {
	m := newMessage(typeInput, payload)
	m.payloadType = payloadType
	c.mu.Lock()
	m.seq = c.seq
	c.seq++
	c.mu.Unlock()
	return m
}

func (c *client) send(payloadType uint32, payload []byte) {
	c.sendRaw(c.message(payloadType, payload).encode())
}

func (c *client) sendRaw(frame []byte) {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	_ = conn.Write(c.ctx, websocket.MessageBinary, frame) // an error shows in read
}

// wait waits until ok holds for what has arrived.
func (c *client) wait(what string, ok func(got []message, closed error) bool) {
	c.t.Helper()
	for {
		c.mu.Lock()
		arrived, holds := c.arrived, ok(c.got, c.closed)
		c.mu.Unlock()
		if holds {
			return
		}
		select {
		case <-arrived:
		case <-c.ctx.Done():
			c.t.Fatalf("no %s; got %v, connection %v", what, c.kinds(), c.closed)
		}
	}
}

// waitFor waits for the first message of a kind and payload type.
func (c *client) waitFor(kind string, payloadType uint32) (found message) {
	c.t.Helper()
	c.wait(fmt.Sprint(kind, " ", payloadType), func(got []message, _ error) bool {
		for _, m := range got {
			if m.kind == kind && m.payloadType == payloadType {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// waitAck waits for the acknowledgement of input n.
func (c *client) waitAck(n int64) {
	c.t.Helper()
	c.wait(fmt.Sprint("acknowledgement of ", n), func(got []message, _ error) bool {
		for _, m := range got {
			if m.kind == typeAck && strings.Contains(string(m.payload), fmt.Sprintf(`Number":%d,`, n)) {
				return true
			}
		}
		return false
	})
}

func (c *client) waitClosed() error {
	c.t.Helper()
	var err error
	c.wait("end of the connection", func(_ []message, closed error) bool { err = closed; return closed != nil })
	return err
}

// different is how many messages have come, copies not counted: what is acknowledged late
// comes again.
func (c *client) different() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := map[uuid]bool{}
	for _, m := range c.got {
		ids[m.id] = true
	}
	return len(ids)
}

func (c *client) kinds() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.got {
		all = append(all, m.kind+" "+strconv.Itoa(int(m.payloadType)))
	}
	return all
}

// ready connects and waits until the plugin takes data.
func (c *client) ready() {
	c.t.Helper()
	c.connect()
	c.waitFor(typeOutput, payloadHandshakeComplete)
	c.awaitPort()
}

// awaitPort waits for the only session's port plugin.
func (c *client) awaitPort() {
	c.t.Helper()
	err := c.g.Await(c.ctx, func([]Session) bool {
		c.g.mu.Lock()
		a := c.g.order[0].agent
		c.g.mu.Unlock()
		return a != nil && a.port.Load() != nil
	})
	if err != nil {
		c.t.Fatal("the port plugin is not up:", err)
	}
}

// mux runs the smux library on the client's side.
func (c *client) mux() *smux.Session {
	c.t.Helper()
	cfg := smux.DefaultConfig()
	cfg.KeepAliveDisabled = true
	s, err := smux.Client(muxEnd{c}, cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = s.Close() })
	return s
}

// muxEnd is the mux's conn: payloads of type 1.
type muxEnd struct{ c *client }

func (m muxEnd) Read(b []byte) (int, error) { return m.c.data.Read(b) }

func (m muxEnd) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := min(len(rest), maxChunk)
		m.c.send(payloadData, rest[:n])
		rest = rest[n:]
	}
	return len(b), nil
}

func (m muxEnd) Close() error { return m.c.data.Close() }

// terminate sends flag 2 and waits for the end.
func (c *client) terminate() {
	c.t.Helper()
	c.send(payloadFlag, flagPayload(flagTerminateSession))
	c.waitFor(typeClosed, payloadNone)
	c.leave()
}

// leave closes the websocket, as a client does after channel_closed.
func (c *client) leave() {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	_ = conn.Close(websocket.StatusNormalClosure, "")
}

// resume gets a new token and connects with it.
func (c *client) resume() {
	c.t.Helper()
	token, known := c.g.Resume(c.session)
	if !known {
		c.t.Fatal("the session is not known")
	}
	c.token = token
	c.connect()
}
