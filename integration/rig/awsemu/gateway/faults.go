package gateway

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// Direction is the way of a message on the data channel.
type Direction int

const (
	ToAgent  Direction = iota // input: from the client
	ToClient                  // output: to the client
)

// Delivery is one message to pass on, After a while. The same After keeps the
// order of messages, so that it makes a latency.
type Delivery struct {
	Message []byte
	After   time.Duration
	Text    bool // to the client as a websocket text frame
}

// Intercept decides what becomes of one message of a session: no Delivery loses
// it, two duplicate it, After delays it and so reorders. It must not change msg.
// It runs on the emulator's goroutines, for one session and direction one call
// at a time, and must not call the Gateway. channel_closed does not pass it.
type Intercept func(session string, way Direction, msg []byte) []Delivery

// Dial stands in for the agent's net.Dialer. address is the real address, after
// Hosts; ctx ends with the SSM session.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Countdown is how often a fault is still to happen; below zero, always.
type Countdown int

// Take says whether it happens now.
func (c *Countdown) Take() bool {
	if *c > 0 {
		*c--
		return true
	}
	return *c < 0
}

// SetHost changes one entry of Hosts; an empty address removes it. Sessions
// that are up keep the address they resolved at their start, as the agent does.
func (g *Gateway) SetHost(host, address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	host = strings.ToLower(host)
	if address == "" {
		delete(g.hosts, host)
		return
	}
	g.hosts[host] = address
}

// SetDial replaces the agent's dialling; nil restores it.
func (g *Gateway) SetDial(d Dial) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dial = d
}

// SetIntercept puts f between front and agent; nil takes it away.
func (g *Gateway) SetIntercept(f Intercept) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.intercept = f
}

// RefuseUpgrades answers the next n websocket upgrades with an HTTP status; n
// below zero means from now on, zero ends it.
func (g *Gateway) RefuseUpgrades(status, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refusals = refusals{status, Countdown(n)}
}

// refusals are answers in place of a websocket upgrade.
type refusals struct {
	status int
	n      Countdown
}

// CutWebsockets drops the connection of every client, without a close frame,
// and returns how many there were. It returns when they are gone.
func (g *Gateway) CutWebsockets() int {
	fronts := g.fronts()
	for _, f := range fronts {
		f.drop()
	}
	for _, f := range fronts {
		<-f.done
	}
	return len(fronts)
}

// CloseWebsockets closes every client's websocket with a close frame, as the
// service does hourly with 1000 "Bye", and returns how many there were, when
// they are gone. The sessions live on.
func (g *Gateway) CloseWebsockets(code int, reason string) int {
	fronts := g.fronts()
	for _, f := range fronts {
		g.goRun(func() { f.close(0, websocket.StatusCode(code), reason) })
	}
	for _, f := range fronts {
		<-f.done
	}
	return len(fronts)
}

// Publish sends "pause_publication" or "start_publication" to every client, as
// the service does when an agent's own connection comes and goes.
func (g *Gateway) Publish(kind string) {
	for _, f := range g.fronts() {
		f.s.publish(kind)
	}
}

// TerminateSession ends a session from outside with text as Output; false if
// it is not live.
func (g *Gateway) TerminateSession(id, output string) bool {
	g.mu.Lock()
	s := g.sessions[id]
	g.mu.Unlock()
	return s != nil && s.end(EndOperator, output)
}

// ExpireSessions ends all live sessions as MaxDuration does, and returns how many
// there were.
func (g *Gateway) ExpireSessions() (n int) {
	g.mu.Lock()
	all := slices.Clone(g.order)
	g.mu.Unlock()
	for _, s := range all {
		if s.end(EndDuration, "") {
			n++
		}
	}
	return n
}

// SetIdleTimeout changes Config.IdleTimeout, for sessions that are live, too; 0 restores
// what was configured. So a short one needs to hold only from when its test is ready.
func (g *Gateway) SetIdleTimeout(most time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.idleMost = cmp.Or(most, g.cfg.IdleTimeout)
	close(g.idleChanged)
	g.idleChanged = make(chan struct{})
}

// idleTimeout is the limit as of now, and a channel that is closed when it changes.
func (g *Gateway) idleTimeout() (most time.Duration, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.idleMost, g.idleChanged
}

// fronts are the connected clients.
func (g *Gateway) fronts() []*front {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []*front
	for _, s := range g.order {
		if s.front != nil {
			all = append(all, s.front)
		}
	}
	return all
}
