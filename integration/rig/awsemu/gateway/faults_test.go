package gateway

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// deliveries passes n messages of each kind through f and returns what became
// of them.
func deliveries(f Intercept, way Direction, n int) (all []Delivery) {
	for i := range n {
		m := newMessage(typeOutput, []byte("payload"))
		m.seq, m.payloadType = int64(i), payloadData
		all = append(all, f("s", way, m.encode())...)
		all = append(all, f("s", way, newAck(m).encode())...)
	}
	return all
}

// TestInterceptsSpoilTheirShare counts what 1,000 messages and as many
// acknowledgements turn into.
func TestInterceptsSpoilTheirShare(t *testing.T) {
	const n = 1000
	count := func(all []Delivery, ok func(Delivery, message, error) bool) (hits int) {
		for _, d := range all {
			m, err := decode(d.Message)
			if ok(d, m, err) {
				hits++
			}
		}
		return hits
	}
	any := func(Delivery, message, error) bool { return true }
	tests := []struct {
		name     string
		f        Intercept
		hit      func(Delivery, message, error) bool
		low, top int // hits expected
	}{
		{"lose", Lose(ToClient, 0.1, 1), any, 1700, 1900},
		{"lose acknowledgements", OnlyAcks(Lose(ToClient, 1, 1)), any, n, n},
		{"lose data", OnlyData(Lose(ToClient, 1, 1)), func(_ Delivery, m message, _ error) bool { return m.kind == typeAck }, n, n},
		{"duplicate", Duplicate(ToClient, 0.5, time.Second, 1), any, 2900, 3100},
		{"reorder", Reorder(ToClient, 0.5, time.Second, 1), func(d Delivery, _ message, _ error) bool { return d.After > 0 }, 900, 1100},
		{"delay", Delay(ToClient, time.Second), func(d Delivery, _ message, _ error) bool { return d.After == time.Second }, 2 * n, 2 * n},
		{"corrupt", Corrupt(ToClient, 0.5, 1), func(_ Delivery, m message, err error) bool { return err == nil && !m.digestHolds() }, 900, 1100},
		{"digest", WrongDigest(ToClient, 1, 1), func(_ Delivery, m message, err error) bool { return err == nil && !m.digestHolds() }, 2 * n, 2 * n},
		{"short", ShortFrame(ToClient, 1, 1), func(_ Delivery, _ message, err error) bool { return err != nil }, 2 * n, 2 * n},
		{"header", HugeHeader(ToClient, 1, 1), func(_ Delivery, _ message, err error) bool { return err != nil }, 2 * n, 2 * n},
		{"type", UnknownType(ToClient, 1, 1), func(_ Delivery, m message, _ error) bool { return m.kind == "stream_weather" }, 2 * n, 2 * n},
		{"text", AsText(1, 1), func(d Delivery, _ message, _ error) bool { return d.Text }, 2 * n, 2 * n},
		{"chain", Chain(OnlyAcks(Lose(ToClient, 1, 1)), Delay(ToClient, 1), Delay(ToClient, 2)), func(d Delivery, _ message, _ error) bool { return d.After == 3 }, n, n},
	}
	for _, test := range tests {
		var acted atomic.Int64
		if got := count(deliveries(Counted(&acted, test.f), ToClient, n), test.hit); got < test.low || got > test.top {
			t.Errorf("%s: %d hits of %d messages, want %d to %d", test.name, got, 2*n, test.low, test.top)
		}
		if acted.Load() == 0 {
			t.Errorf("%s: nothing counted", test.name)
		}
		if got := len(deliveries(test.f, ToAgent, 10)); got != 20 {
			t.Errorf("%s: %d of 20 messages the other way", test.name, got)
		}
	}
}

func TestHandshakeFaults(t *testing.T) {
	m := newMessage(typeOutput, mustJSON(handshakeRequest{
		AgentVersion: "3.3.0.0",
		RequestedClientActions: []requestedAction{{
			ActionType: sessionTypeAction, ActionParameters: sessionTypeParameters{SessionType: portSessionType, Properties: Properties{PortNumber: "1"}},
		}},
	}))
	m.payloadType = payloadHandshakeRequest
	for name, test := range map[string]struct {
		f     Intercept
		n     int
		has   string
		hasnt string
	}{
		"none":       {NoHandshake(), 0, "", ""},
		"two":        {TwoHandshakes(), 2, sessionTypeAction, ""},
		"action":     {UnknownAction(), 1, "Telepathy", ""},
		"encryption": {KMSEncryption(), 1, "KMSKeyId", ""},
		"type":       {OtherSession("Standard_Stream"), 1, "Standard_Stream", `"Port"`},
		"Properties": {NoProperties(), 1, `"Port"`, "Properties"},
	} {
		out := test.f("s", ToClient, m.encode())
		if len(out) != test.n {
			t.Errorf("%s: %d deliveries, want %d", name, len(out), test.n)
			continue
		}
		for _, d := range out {
			got, err := decode(d.Message)
			if err != nil || !got.digestHolds() || got.id != m.id || got.payloadType != m.payloadType {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			if !bytes.Contains(got.payload, []byte(test.has)) || test.hasnt != "" && bytes.Contains(got.payload, []byte(test.hasnt)) {
				t.Errorf("%s: request %s", name, got.payload)
			}
		}
	}
}

// TestAgentsCutOff: what is sent meanwhile is sent again, message by message.
func TestAgentsCutOff(t *testing.T) {
	for _, drop := range []bool{false, true} {
		g := startService(t, Config{DropWhileAbsent: drop})
		c := newClient(t, g, target(t, echoing))
		c.ready()
		nop := c.message(payloadData, []byte{1, 3, 0, 0, 0, 0, 0, 0})
		if n := g.CutAgents(50 * time.Millisecond); n != 1 {
			t.Fatalf("%d agents, want 1", n)
		}
		c.sendRaw(nop.encode())
		c.waitFor(typePause, payloadNone)
		c.wait("start_publication twice", func(got []message, _ error) bool {
			n := 0
			for _, m := range got {
				if m.kind == typeStart {
					n++
				}
			}
			return n == 2
		})
		if drop {
			c.sendRaw(nop.encode())
		}
		c.waitAck(nop.seq)
		c.terminate()
		wantNoViolations(t, g)
	}
}

func TestAgentsFrozen(t *testing.T) {
	g := startService(t, Config{})
	c := newClient(t, g, target(t, echoing))
	c.ready()
	g.FreezeAgents(true)
	nop := c.message(payloadData, []byte{1, 3, 0, 0, 0, 0, 0, 0})
	c.sendRaw(nop.encode())
	before := c.different()
	<-time.After(100 * time.Millisecond)
	if after := c.different(); after != before {
		t.Errorf("%d messages from a frozen agent", after-before)
	}
	g.FreezeAgents(false)
	c.waitAck(nop.seq)
	c.terminate()
	wantNoViolations(t, g)
}

// TestAgentsRestarted: the new agent waits for a handshake, in vain. The first one may have
// to wait for a busy machine.
func TestAgentsRestarted(t *testing.T) {
	g := startService(t, Config{HandshakeLimit: 10 * time.Second})
	c := newClient(t, g, target(t, echoing))
	c.ready()
	if n := g.RestartAgents(); n != 1 {
		t.Fatalf("%d agents, want 1", n)
	}
	if s := wantEnding(t, g, EndAgent); !strings.Contains(s.Output, "Handshake timed out") {
		t.Errorf("output %q", s.Output)
	}
	c.leave()
	wantNoViolations(t, g)
}

func TestOldAgents(t *testing.T) {
	for version, want := range map[string]struct{ mux, alive bool }{
		"3.0.196.0":  {false, true},
		"3.0.222.0":  {true, true},
		"3.1.1188.0": {true, true},
		"3.1.1446.0": {true, false},
		"3.1.1511.0": {true, true},
		"3.1.1575.0": {true, false},
		"3.3.1142.0": {true, false},
	} {
		if mux, alive := usesMux(version, "1.2.804.0"), usesKeepAlive(version, "1.2.804.0"); mux != want.mux || alive != want.alive {
			t.Errorf("agent %s: mux %v, keepalive %v; want %+v", version, mux, alive, want)
		}
	}
}

func TestConnectFaults(t *testing.T) {
	for _, step := range []ConnectStep{ClosesBeforeOpen, ClosesAfterOpen, RefusesToken} {
		g := startService(t, Config{})
		c := newClient(t, g, target(t, echoing))
		g.FailConnect(step, 1)
		c.connect()
		if err := c.waitClosed(); err == nil {
			t.Errorf("step %d: connected", step)
		}
		c.resume()
		c.waitFor(typeOutput, payloadHandshakeComplete)
	}
}

func TestEndFromOutside(t *testing.T) {
	g := startService(t, Config{})
	c := newClient(t, g, target(t, echoing))
	c.ready()
	if !g.TerminateSession(c.session, "") {
		t.Error("the session is not live")
	}
	c.waitFor(typeClosed, payloadNone)
	c.leave()

	d := newClient(t, g, target(t, echoing))
	d.ready()
	if !g.CloseChannel(d.session, []byte("{broken")) {
		t.Error("the session is not live")
	}
	if m := d.waitFor(typeClosed, payloadNone); string(m.payload) != "{broken" {
		t.Errorf("channel_closed with %q", m.payload)
	}
	d.leave()
}

// TestTargetFaults are what a dialled connection can do.
func TestTargetFaults(t *testing.T) {
	g := startService(t, Config{})
	c := newClient(t, g, target(t, echoing))
	c.ready()
	release := make(chan struct{})
	g.SetDial(HangDials(1, release))
	mux := c.mux()
	s, err := mux.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	_ = s.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, _ = s.Write([]byte("hello"))
	if n, err := s.Read(make([]byte, 5)); err == nil {
		t.Errorf("%d bytes from a target that is not connected", n)
	}
	close(release)
	_ = s.SetReadDeadline(time.Time{})
	if n, err := s.Read(make([]byte, 5)); n != 5 || err != nil {
		t.Errorf("after the dial: %d bytes, %v", n, err)
	}
	g.SetDial(RefuseDials(1))
	s, _ = mux.OpenStream()
	_, _ = s.Write([]byte("x"))
	c.waitFor(typeOutput, payloadFlag)
	c.terminate()
	wantNoViolations(t, g)
}
