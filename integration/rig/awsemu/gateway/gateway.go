package gateway

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxChunk is the agent's largest output payload in bytes.
const maxChunk = 1024

// Verifier checks who asks for a websocket. The control plane, which knows the
// callers' keys, is one.
type Verifier interface {
	// VerifyUpgrade returns what the caller is to be told when the request is not
	// signed as it has to be.
	VerifyUpgrade(r *http.Request) error
}

// Gateway is a running message gateway with the agents behind it. Its methods are
// safe for concurrent use.
type Gateway struct {
	cfg      Config
	verifier Verifier
	net      *network
	ctx      context.Context // ends in Close
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	ticks    clock
	watch    *watch // for what belongs to no session

	mu        sync.Mutex
	closing   bool
	sessions  map[string]*session
	order     []*session
	change    chan struct{} // closed at the next change of a session
	requests  map[string]bool
	jumpHosts map[string]*host // by target
	broken    []string         // the violations

	dropping atomic.Bool // Config.DropWhileAbsent, as of now

	idleMost    time.Duration // Config.IdleTimeout, as of now; guarded by mu, as the next
	idleChanged chan struct{} // closed when that changes

	// Faults.
	hosts    map[string]string
	refusals refusals
	connects map[ConnectStep]*Countdown
	lookups  string // why the jump hosts' name service does not answer; "": it does

	agentFailure string // of all agents to come, in their words
	dial         Dial
	intercept    Intercept
}

// New starts a gateway, which serves on Listen's connections by ServeChannel and
// must be closed.
func New(cfg Config, v Verifier) *Gateway {
	g := &Gateway{
		cfg: cfg.withDefaults(), verifier: v, net: &network{wires: map[*wire]bool{}},
		sessions: map[string]*session{}, requests: map[string]bool{}, change: make(chan struct{}),
		hosts: map[string]string{}, connects: map[ConnectStep]*Countdown{}, jumpHosts: map[string]*host{},
	}
	g.dropping.Store(cfg.DropWhileAbsent)
	g.idleMost, g.idleChanged = g.cfg.IdleTimeout, make(chan struct{})
	for host, address := range cfg.Hosts {
		g.hosts[strings.ToLower(host)] = address
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.watch = newWatch(g, "")
	g.goRun(g.tick)
	return g
}

// AgentVersion is that of all agents.
func (g *Gateway) AgentVersion() string { return g.cfg.AgentVersion }

// Listen puts the connections that ln accepts on the emulated network. An
// http.Server on them needs ConnContext.
func (g *Gateway) Listen(ln net.Listener) net.Listener { return networkListener{ln, g.net} }

// ConnContext is what an http.Server needs for ServeChannel.
func (g *Gateway) ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, wireKey{}, c)
}

// Close ends every session, cuts every connection of Listen and waits for every
// goroutine. Violations and Sessions may be asked afterwards.
func (g *Gateway) Close() {
	g.mu.Lock()
	if g.closing {
		g.mu.Unlock()
		g.wg.Wait()
		return
	}
	g.closing = true
	sessions := g.order
	g.mu.Unlock()
	for _, s := range sessions {
		s.end(EndEmulation, "")
	}
	g.cancel()
	g.net.close()
	g.wg.Wait()
}

// ServeChannel serves the websocket of a data channel, which IsChannel tells from
// other requests.
func (g *Gateway) ServeChannel(w http.ResponseWriter, r *http.Request) {
	if !g.begin() {
		http.Error(w, "closing", http.StatusServiceUnavailable)
		return
	}
	defer g.wg.Done()
	g.serveChannel(w, r)
}

// IsChannel says whether a request is for a data channel.
func IsChannel(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, channelPath) }

// begin counts a goroutine that Close waits for; false once it is closing.
func (g *Gateway) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing {
		return false
	}
	g.wg.Add(1)
	return true
}

// goRun runs f on a goroutine that Close waits for, unless it is closing.
func (g *Gateway) goRun(f func()) {
	if g.begin() {
		go func() {
			defer g.wg.Done()
			f()
		}()
	}
}

// changed wakes Await.
func (g *Gateway) changed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wake()
}

// wake is changed with g.mu held.
func (g *Gateway) wake() {
	close(g.change)
	g.change = make(chan struct{})
}

// tick drives the clock that acknowledgements are held to.
func (g *Gateway) tick() {
	t := time.NewTicker(g.cfg.AckWithin / ticksAllowed)
	defer t.Stop()
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-t.C:
		}
		g.ticks.advance()
		g.mu.Lock()
		sessions := g.order
		g.mu.Unlock()
		for _, s := range sessions {
			s.watch.overdue()
		}
	}
}

// Violations are the rules of the protocol that clients have broken so far,
// each as "session ID: what".
func (g *Gateway) Violations() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.broken...)
}
