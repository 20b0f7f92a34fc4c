package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// target runs serve for every connection to the address it returns.
func target(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return ln.Addr().String()
}

func echoing(conn net.Conn) { _, _ = io.Copy(conn, conn) }

// exchange sends size random bytes through rw to an echoing target.
func exchange(t *testing.T, rw io.ReadWriteCloser, size int) {
	t.Helper()
	defer time.AfterFunc(patience, func() { _ = rw.Close() }).Stop()
	sent := make([]byte, size)
	rand.Read(sent)
	go func() { _, _ = rw.Write(sent) }()
	got := make([]byte, size)
	if n, err := io.ReadFull(rw, got); err != nil {
		t.Errorf("after %d of %d bytes: %v", n, size, err)
		return
	}
	if !bytes.Equal(got, sent) {
		t.Error("bytes came back changed")
	}
}

func TestForward(t *testing.T) {
	g := startService(t, Config{Hosts: map[string]string{"DB.internal": "127.0.0.1"}})
	_, port, _ := net.SplitHostPort(target(t, echoing))
	c := newClient(t, g, "db.INTERNAL:"+port)
	c.ready()
	mux := c.mux()
	done := make(chan struct{}, 4)
	for range cap(done) {
		s, err := mux.OpenStream() // one by one: the library does not order concurrent ones
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer func() { done <- struct{}{} }()
			exchange(t, s, 200_000)
			_ = s.Close()
		}()
	}
	for range cap(done) {
		<-done
	}
	c.terminate()
	wantEnding(t, g, EndFlag)
	if got := g.Sessions()[0]; got.Streams != 4 || got.Dials != 4 || got.BytesIn < 800_000 || got.BytesOut < 800_000 || got.ClientID != c.id || got.ClientVersion != c.version {
		t.Errorf("session %+v", got)
	}
	wantNoViolations(t, g)
}

// wantEnding waits for the only session's end.
func wantEnding(t *testing.T, g *service, want string) Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := g.Await(ctx, func(all []Session) bool { return all[0].State == Terminated }); err != nil {
		t.Fatalf("session %+v has not ended", g.Sessions()[0])
	}
	s := g.Sessions()[0]
	if s.Ending != want {
		t.Errorf("session ended by %q (%q), want %q", s.Ending, s.Output, want)
	}
	return s
}

// TestClientFIN: the target gets all that was sent before; the agent answers
// with FIN, and what the target still says is lost.
func TestClientFIN(t *testing.T) {
	received := make(chan []byte, 1)
	g := startService(t, Config{})
	c := newClient(t, g, target(t, func(conn net.Conn) {
		all, _ := io.ReadAll(conn)
		received <- all
	}))
	c.ready()
	c.send(payloadData, []byte("\x01\x00\x00\x00\x03\x00\x00\x00\x01\x02\x05\x00\x03\x00\x00\x00hello\x01\x01\x00\x00\x03\x00\x00\x00"))
	if got := <-received; string(got) != "hello" {
		t.Errorf("target received %q", got)
	}
	fin := make([]byte, 8)
	if _, err := io.ReadFull(c.data, fin); err != nil || string(fin) != "\x01\x01\x00\x00\x03\x00\x00\x00" {
		t.Errorf("the agent answers % x, %v; want FIN", fin, err)
	}
	c.terminate()
	wantNoViolations(t, g)
}

// TestDialRefused: flag 3 comes before the FIN and the session lives on.
func TestDialRefused(t *testing.T) {
	g := startService(t, Config{})
	g.SetDial(func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED })
	c := newClient(t, g, "127.0.0.1:5432")
	c.ready()
	c.send(payloadData, []byte{1, 0, 0, 0, 3, 0, 0, 0})
	c.waitFor(typeOutput, payloadData)
	kinds := strings.Join(c.kinds(), ",")
	if flag, fin := strings.Index(kinds, typeOutput+" 10"), strings.Index(kinds, typeOutput+" 1,"); flag < 0 || fin >= 0 && fin < flag {
		t.Errorf("order %s; want the flag first", kinds)
	}
	g.SetDial(nil)
	if err := g.Await(c.ctx, func(all []Session) bool { return all[0].OpenStreams == 0 }); err != nil || g.OpenSessions() != 1 {
		t.Errorf("session %+v; want it live with no stream", g.Sessions()[0])
	}
	c.terminate()
	wantNoViolations(t, g)
}

// TestSerialDials: while one dial hangs no other stream is accepted.
func TestSerialDials(t *testing.T) {
	echo := target(t, echoing)
	release, dialled := make(chan struct{}), make(chan struct{}, 2)
	g := startService(t, Config{})
	first := true
	g.SetDial(func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled <- struct{}{}
		if first {
			first = false
			<-release
			return nil, syscall.ETIMEDOUT
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	})
	c := newClient(t, g, echo)
	c.ready()
	mux := c.mux()
	stuck, err := mux.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	<-dialled
	other, err := mux.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	last := c.seq - 1
	c.mu.Unlock()
	c.waitAck(last)
	if got := g.Sessions()[0].Dials; got != 1 {
		t.Errorf("%d dials while the first hangs, want 1", got)
	}
	close(release)
	if _, err := stuck.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the failed stream reads %v, want end of file", err)
	}
	exchange(t, other, 100)
	c.terminate()
	wantNoViolations(t, g)
}

// TestBasicMode: an old client's bytes go bare.
func TestBasicMode(t *testing.T) {
	g := startService(t, Config{})
	c := newClient(t, g, target(t, echoing))
	c.version = "1.1.0"
	c.connect()
	c.waitFor(typeOutput, payloadHandshakeComplete)
	c.awaitPort()
	if got := g.Sessions()[0]; got.Dials != 1 || got.OpenStreams != 1 {
		t.Errorf("%+v, want one dial at the start", got)
	}
	exchange(t, muxEnd{c}, 5000)
	c.send(payloadFlag, flagPayload(flagDisconnectToPort))
	if err := g.Await(c.ctx, func(all []Session) bool { return all[0].OpenStreams == 0 }); err != nil {
		t.Fatal("no disconnect")
	}
	exchange(t, muxEnd{c}, 5000) // dialled anew
	if got := g.Sessions()[0].Dials; got != 2 {
		t.Errorf("%d dials, want 2", got)
	}
	c.terminate()
}

// TestAgentRefusals: what makes the agent end the session, and its words.
func TestAgentRefusals(t *testing.T) {
	tests := []struct {
		name    string
		cfg     Config
		address string
		status  int
		want    string
	}{
		{"unknown host", Config{}, "nosuch.internal:5432", 1, "no such host"},
		{"metadata", Config{}, "169.254.169.254:80", 1, "Forwarding to IP address 169.254.169.254 is forbidden."},
		{"action failed", Config{}, "127.0.0.1:1", 2, "Encountered error while initiating handshake."},
		{"no answer", Config{HandshakeLimit: 10 * time.Millisecond}, "127.0.0.1:1", 0, "Handshake timed out."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := startService(t, tt.cfg)
			c := newClient(t, g, tt.address)
			c.mute.Store(tt.status != 1)
			c.connect()
			if tt.status > 1 {
				c.waitFor(typeOutput, payloadHandshakeRequest)
				c.send(payloadHandshakeResponse, c.response(tt.status))
			}
			closed := c.waitFor(typeClosed, payloadNone)
			if !strings.Contains(string(closed.payload), tt.want) || closed.header != headerShort {
				t.Errorf("channel_closed %q with header %d, want %q", closed.payload, closed.header, tt.want)
			}
			if s := wantEnding(t, g, EndAgent); !strings.Contains(s.Output, tt.want) {
				t.Errorf("output %q", s.Output)
			}
			if err := c.waitClosed(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
				t.Errorf("connection ended with %v, want close code 1000", err)
			}
		})
	}
}

// TestProtocolErrorEndsSession: a frame of smux version 2 is fatal.
func TestProtocolErrorEndsSession(t *testing.T) {
	g := startService(t, Config{})
	c := newClient(t, g, "127.0.0.1:1")
	c.ready()
	c.send(payloadData, []byte{2, 0, 0, 0, 3, 0, 0, 0})
	wantEnding(t, g, EndAgent)
	if got := strings.Join(g.Violations(), "\n"); !strings.Contains(got, "not a frame of version 1") {
		t.Errorf("violations %q", got)
	}
}

func TestExpireSessions(t *testing.T) {
	g := startService(t, Config{})
	c := newClient(t, g, "127.0.0.1:1")
	c.ready()
	if n := g.ExpireSessions(); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
	c.waitFor(typeClosed, payloadNone)
	wantEnding(t, g, EndDuration)
	if n := g.ExpireSessions(); n != 0 {
		t.Errorf("%d sessions live on", n)
	}
}

func TestTimeLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  Config
		want string
	}{
		"idle":     {Config{IdleTimeout: 30 * time.Millisecond}, EndIdle},
		"duration": {Config{MaxDuration: 30 * time.Millisecond, FullHeaderClose: true}, EndDuration},
	} {
		t.Run(name, func(t *testing.T) {
			g := startService(t, tt.cfg)
			c := newClient(t, g, "127.0.0.1:1")
			c.connect()
			closed := c.waitFor(typeClosed, payloadNone)
			if (closed.header == headerFull) != tt.cfg.FullHeaderClose {
				t.Errorf("channel_closed with header %d", closed.header)
			}
			wantEnding(t, g, tt.want)
		})
	}
}

// TestResendUntilAcknowledged: the agent repeats its oldest message and no
// other, byte for byte.
func TestResendUntilAcknowledged(t *testing.T) {
	g := startService(t, Config{OfficialClient: true})
	c := newClient(t, g, "127.0.0.1:1")
	c.mute.Store(true)
	c.connect()
	c.wait("three copies", func(got []message, _ error) bool {
		n := 0
		for _, m := range got {
			if m.kind == typeOutput {
				n++
			}
		}
		return n >= 3
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	var first string
	for _, m := range c.got {
		if m.kind != typeOutput {
			continue
		}
		if first == "" {
			first = string(m.encode())
		}
		if string(m.encode()) != first {
			t.Error("a copy differs")
		}
	}
}

// TestResume: what was sent while the client was away arrives after its return,
// in both modes of the relay.
func TestResume(t *testing.T) {
	for _, drop := range []bool{false, true} {
		g := startService(t, Config{DropWhileAbsent: drop, NeverPause: drop})
		c := newClient(t, g, target(t, echoing))
		c.ready()
		mux := c.mux()
		s, err := mux.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		exchange(t, s, 10_000)
		if n := g.CutWebsockets(); n != 1 {
			t.Errorf("%d websockets cut, want 1", n)
		}
		if err := c.waitClosed(); websocket.CloseStatus(err) != -1 {
			t.Errorf("cut shows as %v, want no close frame", err)
		}
		if got := g.Sessions()[0].State; got != Disconnected {
			t.Errorf("state %s after the cut", got)
		}
		c.resume()
		exchange(t, s, 10_000)
		if n := g.CloseWebsockets(1000, "Bye"); n != 1 {
			t.Errorf("%d websockets closed, want 1", n)
		}
		var closed websocket.CloseError
		if err := c.waitClosed(); !errors.As(err, &closed) || closed.Code != 1000 || closed.Reason != "Bye" {
			t.Errorf("close shows as %v", err)
		}
		c.resume()
		exchange(t, s, 10_000)
		c.terminate()
		if got := g.Sessions()[0]; got.Connections != 3 || got.Resumes != 2 {
			t.Errorf("session %+v, want 3 connections and 2 resumes", got)
		}
		wantNoViolations(t, g)
	}
}

// TestResumeWithMuchUnderWay has as much on its way to the absent client as the
// service holds: the client's return makes room for more.
func TestResumeWithMuchUnderWay(t *testing.T) {
	g := startService(t, Config{NeverPause: true})
	c := newClient(t, g, target(t, echoing))
	c.ready()
	g.CutWebsockets()
	if err := c.waitClosed(); err == nil {
		t.Fatal("the websocket is still there")
	}
	const size = 16 << 10
	frame := newMessage("stream_weather", make([]byte, size-headerFull-4)).encode()
	for range laneLimit / len(frame) {
		if err := g.order[0].toClient.put(t.Context(), parcel{frame: frame}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if len(frame) != size {
		t.Fatalf("%d bytes in a frame, want a part of the limit", len(frame))
	}
	c.resume()
	s, err := c.mux().OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, s, 3000)
	c.terminate()
	wantNoViolations(t, g)
}

// TestPause: while the client is away the agent does not read the target.
func TestPause(t *testing.T) {
	g := startService(t, Config{})
	c := newClient(t, g, target(t, echoing))
	c.ready()
	s := g.order[0]
	g.CutWebsockets()
	s.pauseIfAbsent()
	if !s.agent.gate.isShut() {
		t.Error("the agent was not paused")
	}
	c.resume()
	c.wait("second start_publication", func([]message, error) bool { return !s.agent.gate.isShut() })
	st, err := c.mux().OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, st, 3000)
	c.terminate()
	wantNoViolations(t, g)
}

// TestIntercept loses, duplicates, delays and reorders the agent's messages, and
// duplicates and delays the client's: the agent and a client that puts things in
// order repair it.
func TestIntercept(t *testing.T) {
	g := startService(t, Config{OfficialClient: true}) // for the window: the client knows none
	c := newClient(t, g, target(t, echoing))
	c.ready()
	seen := map[int64]bool{}
	var lost, doubled, delayed int
	g.SetIntercept(func(_ string, way Direction, frame []byte) []Delivery {
		m, err := decode(frame)
		if err != nil || m.kind == typeAck {
			return []Delivery{{Message: frame}}
		}
		again := seen[m.seq]
		seen[m.seq] = seen[m.seq] || way == ToClient
		switch {
		case again:
			return []Delivery{{Message: frame}}
		case m.seq%5 == 0 && way == ToClient:
			lost++
			return nil
		case m.seq%5 == 1:
			doubled++
			return []Delivery{{Message: frame}, {Message: frame}}
		}
		delayed++
		return []Delivery{{Message: frame, After: time.Duration(5-m.seq%5) * time.Millisecond}}
	})
	s, err := c.mux().OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, s, 20_000)
	g.SetIntercept(nil)
	c.terminate()
	wantEnding(t, g, EndFlag)
	if lost == 0 || doubled == 0 || delayed == 0 {
		t.Errorf("%d messages lost, %d doubled, %d delayed; want some of each", lost, doubled, delayed)
	}
	wantNoViolations(t, g)
}

// TestBeforeThePluginIsReady: data is thrown away until the agent's switch is
// set, and refused from then on until the plugin is up.
func TestBeforeThePluginIsReady(t *testing.T) {
	g := startService(t, Config{LateSwitch: true, PluginDelay: time.Hour})
	c := newClient(t, g, "127.0.0.1:1")
	c.connect()
	c.waitFor(typeOutput, payloadHandshakeComplete)
	nop := []byte{1, 3, 0, 0, 0, 0, 0, 0}
	c.send(payloadData, nop)
	c.waitAck(1) // and thrown away
	c.send(payloadData, nop)
	early := c.message(payloadData, nop) // acknowledged, being too early
	c.sendRaw(early.encode())
	c.waitAck(early.seq)
	if _, acks := c.heard(t); slices.Contains(acks, typeInput+" 2") {
		t.Errorf("acknowledgements of %q, want none of what was refused", acks)
	}
	if got := g.Sessions()[0].BytesIn; got != 0 {
		t.Errorf("%d bytes taken, want none", got)
	}
	wantNoViolations(t, g)
}
