package gateway

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Network is what lies between the clients and the emulator, on every
// connection, of the API and of the websocket. The zero value is nothing at all.
type Network struct {
	RoundTrip time.Duration // added to a round trip, half of it each way
	Jitter    time.Duration // each piece takes up to so much longer, each way; bytes keep their order
	Rate      int           // bytes per second, each way on each connection; 0: no limit

	// SlowReader is how many bytes per second the emulator takes from each
	// connection; the others wait in the client's socket, as much as it holds. 0:
	// no limit.
	SlowReader int

	// Outage lets nothing pass; what was sent arrives when it is over, as TCP's
	// repair makes it.
	Outage bool

	// BlackHoleUp and BlackHoleDown take what goes to the emulator or to the
	// client, and deliver nothing, an end of stream included. A connection that
	// has lost bytes so stays silent that way for good.
	BlackHoleUp, BlackHoleDown bool
}

const (
	pieceSize   = 16 << 10 // bytes that travel together
	wireLimit   = 8 << 20  // bytes under way, each way on each connection
	queueLimit  = 32 << 10 // the same at a rate limit, beside what the line itself holds
	queueLength = 100 * time.Millisecond
)

// black says whether bytes going this way are lost.
func (n Network) black(way Direction) bool {
	if way == ToAgent {
		return n.BlackHoleUp
	}
	return n.BlackHoleDown
}

// rate is the limit in bytes per second for one way; 0: none.
func (n Network) rate(way Direction) int {
	if way == ToAgent && n.SlowReader > 0 && (n.Rate == 0 || n.SlowReader < n.Rate) {
		return n.SlowReader
	}
	return n.Rate
}

// delay is what one piece takes beside its transmission.
func (n Network) delay() time.Duration {
	d := n.RoundTrip / 2
	if n.Jitter > 0 {
		d += rand.N(n.Jitter)
	}
	return d
}

// capacity is how many bytes may be under way.
func (n Network) capacity(way Direction) int {
	rate := n.rate(way)
	if rate == 0 {
		return wireLimit
	}
	return max(queueLimit, int(float64(rate)*(n.RoundTrip/2+n.Jitter+queueLength).Seconds()))
}

// slack is how much later than on no network at all an answer may come.
func (n Network) slack() time.Duration {
	s := n.RoundTrip + 2*n.Jitter
	if n.Rate > 0 || n.SlowReader > 0 {
		s += 2 * time.Second
	}
	return s
}

// network is the Network of now and the connections on it.
type network struct {
	mu       sync.Mutex
	settings Network
	outage   bool // there has been one: give answers more time
	wires    map[*wire]bool
	closed   bool
	wg       sync.WaitGroup // the wires' goroutines
}

// SetNetwork changes the network, for the connections that are up too.
func (g *Gateway) SetNetwork(settings Network) {
	n := g.net
	n.mu.Lock()
	n.settings = settings
	n.outage = n.outage || settings.Outage
	wires := make([]*wire, 0, len(n.wires))
	for w := range n.wires {
		wires = append(wires, w)
	}
	n.mu.Unlock()
	for _, w := range wires {
		w.changed()
	}
}

func (n *network) now() Network {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.settings
}

// slack is the current Network's; after an outage also what that may still
// hold up.
func (n *network) slack() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.settings.slack()
	if n.outage {
		s += 5 * time.Second
	}
	return s
}

// goRun runs f on a goroutine that close waits for, unless the network is
// closed.
func (n *network) goRun(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed {
		n.wg.Go(f)
	}
}

// close cuts every connection and waits for their goroutines.
func (n *network) close() {
	n.mu.Lock()
	n.closed = true
	wires := n.wires
	n.wires = nil
	n.mu.Unlock()
	for w := range wires {
		w.kill()
	}
	n.wg.Wait()
}

// networkListener makes wires of accepted connections.
type networkListener struct {
	net.Listener
	n *network
}

func (l networkListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w := newWire(l.n, conn)
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	if l.n.closed {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	l.n.wires[w] = true
	return w, nil
}

// wireKey is where a request's context holds its *wire.
type wireKey struct{}

// BlackHole makes every data channel's present connection lose what goes up or
// down, for good, as a NAT does that has forgotten it; new connections are not
// touched. It returns how many there were.
func (g *Gateway) BlackHole(up, down bool) int {
	fronts := g.fronts()
	for _, f := range fronts {
		f.ours.Store(true)
		if up {
			f.wire.lose(ToAgent)
		}
		if down {
			f.wire.lose(ToClient)
		}
	}
	return len(fronts)
}

// CutMidMessage cuts every data channel's connection in the middle of the next
// message that goes way, and returns how many there were.
func (g *Gateway) CutMidMessage(way Direction) int {
	fronts := g.fronts()
	for _, f := range fronts {
		f.ours.Store(true)
		f.wire.cutNext(way)
	}
	return len(fronts)
}
