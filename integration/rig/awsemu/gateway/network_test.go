package gateway

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"
)

// wired is a client's socket and the server's wire on the other side of n.
func wired(t *testing.T, settings Network) (client net.Conn, server *wire, g *Gateway) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g = &Gateway{net: &network{wires: map[*wire]bool{}}}
	g.SetNetwork(settings)
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := networkListener{ln, g.net}.Accept()
		accepted <- conn
	}()
	client, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server = (<-accepted).(*wire)
	t.Cleanup(func() {
		client.Close()
		server.Close()
		g.net.close()
		ln.Close()
		if len(g.net.wires) != 0 {
			t.Errorf("%d wires left", len(g.net.wires))
		}
	})
	return client, server, g
}

// send writes p and reads it on the other side.
func send(t *testing.T, from, to net.Conn, p []byte) time.Duration {
	t.Helper()
	begin := time.Now()
	go func() { _, _ = from.Write(p) }()
	got := make([]byte, len(p))
	_ = to.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(to, got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, p) {
		t.Fatal("bytes changed on the way")
	}
	return time.Since(begin)
}

func TestNetworkRoundTrip(t *testing.T) {
	client, server, g := wired(t, Network{RoundTrip: 100 * time.Millisecond})
	for range 3 {
		if up, down := send(t, client, server, []byte("ping")), send(t, server, client, []byte("pong")); up < 50*time.Millisecond || down < 50*time.Millisecond {
			t.Errorf("up %v, down %v, want 50ms each at least", up, down)
		}
	}
	g.SetNetwork(Network{})
	send(t, client, server, make([]byte, 1<<20))
	send(t, server, client, make([]byte, 1<<20))
}

// TestNetworkRateAndJitterKeepOrder sends bytes that tell their place.
func TestNetworkRateAndJitterKeepOrder(t *testing.T) {
	client, server, _ := wired(t, Network{Jitter: 5 * time.Millisecond, Rate: 1 << 20})
	p := make([]byte, 256<<10)
	for i := range p {
		p[i] = byte(i >> 8)
	}
	for _, took := range []time.Duration{send(t, client, server, p), send(t, server, client, p)} {
		if took < 200*time.Millisecond {
			t.Errorf("256 KiB took %v at 1 MiB a second", took)
		}
	}
}

// TestNetworkChangesUnderABlockedRead holds for both directions of a connection
// that began without a Network.
func TestNetworkChangesUnderABlockedRead(t *testing.T) {
	client, server, g := wired(t, Network{})
	send(t, client, server, []byte("directly"))
	got := make(chan string, 1)
	go func() {
		b := make([]byte, 100)
		n, err := server.Read(b)
		if err != nil {
			got <- err.Error()
			return
		}
		got <- string(b[:n])
	}()
	g.SetNetwork(Network{Outage: true})
	if _, err := client.Write([]byte("later")); err != nil {
		t.Fatal(err)
	}
	select {
	case s := <-got:
		t.Errorf("read %q during an outage", s)
	case <-time.After(50 * time.Millisecond):
	}
	g.SetNetwork(Network{})
	if s := <-got; s != "later" {
		t.Errorf("read %q after the outage, want %q", s, "later")
	}
}

// TestNetworkReadDeadline holds with a flow as without.
func TestNetworkReadDeadline(t *testing.T) {
	for _, settings := range []Network{{}, {RoundTrip: time.Millisecond}} {
		client, server, _ := wired(t, settings)
		_ = server.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%+v: read after its deadline: %v", settings, err)
		}
		_ = server.SetReadDeadline(time.Time{})
		send(t, client, server, []byte("and on"))
	}
}

// TestNetworkCloseDeliversWhatIsUnderWay as TCP does.
func TestNetworkCloseDeliversWhatIsUnderWay(t *testing.T) {
	client, server, _ := wired(t, Network{RoundTrip: 40 * time.Millisecond})
	if _, err := server.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	server.Close()
	if got, err := io.ReadAll(client); err != nil || string(got) != "last words" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestBlackHoleTellsNobody: bytes are taken and lost, and the other side's end
// does not come through.
func TestBlackHoleTellsNobody(t *testing.T) {
	client, server, _ := wired(t, Network{})
	server.lose(ToAgent)
	server.lose(ToClient)
	for _, c := range []net.Conn{client, server} {
		if _, err := c.Write([]byte("anybody there?")); err != nil {
			t.Error(err)
		}
	}
	server.Close()
	_ = client.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := client.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("out of the black hole came %d bytes, %v", n, err)
	}
}

// TestNetworkUnderASession runs a whole session over a slow network and cuts it
// in the middle of a message each way.
func TestNetworkUnderASession(t *testing.T) {
	for _, way := range []Direction{ToAgent, ToClient} {
		g := startService(t, Config{})
		c := newClient(t, g, target(t, echoing))
		g.SetNetwork(Network{RoundTrip: 20 * time.Millisecond, Jitter: 2 * time.Millisecond})
		c.ready()
		if n := g.CutMidMessage(way); n != 1 {
			t.Fatalf("%d connections to cut, want 1", n)
		}
		c.send(payloadData, []byte{1, 3, 0, 0, 0, 0, 0, 0})
		if err := c.waitClosed(); err == nil {
			t.Error("not cut")
		}
		c.resume()
		if err := g.Await(c.ctx, func(all []Session) bool { return all[0].Connections == 2 }); err != nil {
			t.Fatal(err)
		}
		if !g.Terminate(c.session) {
			t.Fatal("the session is not known")
		}
		c.waitFor(typeClosed, payloadNone)
		c.leave()
		wantNoViolations(t, g)
	}
}
