package awsemu

import (
	"context"
	"maps"
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
// at a time, and must not call the Emulator. channel_closed does not pass it.
type Intercept func(session string, way Direction, msg []byte) []Delivery

// Dial stands in for the agent's net.Dialer. address is the real address, after
// Hosts; ctx ends with the SSM session.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// countdown is how often a fault is still to happen; below zero, always.
type countdown int

// take says whether it happens now.
func (c *countdown) take() bool {
	if *c > 0 {
		*c--
		return true
	}
	return *c < 0
}

// failure is an operation's fault.
type failure struct {
	err *apiError
	n   countdown
}

// FailNext makes the next n calls of an operation ("StartSession", …,
// "GetCallerIdentity") fail with the AWS error code and message; n below zero
// means from now on, zero ends it.
func (e *Emulator) FailNext(operation, code, message string, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failures[operation] = &failure{err: failed(code, message), n: countdown(n)}
}

// injected is the fault that an operation is to meet now, or nil. It counts the
// call.
func (e *Emulator) injected(operation string) *apiError {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls[operation]++
	if f := e.failures[operation]; f != nil && f.n.take() {
		return f.err
	}
	return nil
}

// Calls is how often each operation was called with a good signature, those that
// met a fault among them.
func (e *Emulator) Calls() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.calls)
}

// SetOnline says whether a target's agent is online; StartSession for one that
// is not gives TargetNotConnected. Sessions that are up are not touched.
func (e *Emulator) SetOnline(target string, online bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.targets != nil {
		e.targets[target] = online
	}
	e.offline[target] = !online
}

// online says whether a target's agent is online.
func (e *Emulator) online(target string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.targets != nil {
		return e.targets[target]
	}
	return targetForm.MatchString(target) && !e.offline[target]
}

// SetHost changes one entry of Hosts; an empty address removes it. Sessions
// that are up keep the address they resolved at their start, as the agent does.
func (e *Emulator) SetHost(host, address string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	host = strings.ToLower(host)
	if address == "" {
		delete(e.hosts, host)
		return
	}
	e.hosts[host] = address
}

// SetDial replaces the agent's dialling; nil restores it.
func (e *Emulator) SetDial(d Dial) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dial = d
}

// SetIntercept puts f between front and agent; nil takes it away.
func (e *Emulator) SetIntercept(f Intercept) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.intercept = f
}

// RefuseUpgrades answers the next n websocket upgrades with an HTTP status; n
// below zero means from now on, zero ends it.
func (e *Emulator) RefuseUpgrades(status, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refusals = refusals{status, countdown(n)}
}

// refusals are answers in place of a websocket upgrade.
type refusals struct {
	status int
	n      countdown
}

// CutWebsockets drops the connection of every client, without a close frame,
// and returns how many there were. It returns when they are gone.
func (e *Emulator) CutWebsockets() int {
	fronts := e.fronts()
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
func (e *Emulator) CloseWebsockets(code int, reason string) int {
	fronts := e.fronts()
	for _, f := range fronts {
		e.goRun(func() { f.close(0, websocket.StatusCode(code), reason) })
	}
	for _, f := range fronts {
		<-f.done
	}
	return len(fronts)
}

// Publish sends "pause_publication" or "start_publication" to every client, as
// the service does when an agent's own connection comes and goes.
func (e *Emulator) Publish(kind string) {
	for _, f := range e.fronts() {
		f.s.publish(kind)
	}
}

// TerminateSession ends a session from outside with text as Output; false if
// it is not live.
func (e *Emulator) TerminateSession(id, output string) bool {
	e.mu.Lock()
	s := e.sessions[id]
	e.mu.Unlock()
	return s != nil && s.end(EndOperator, output)
}

// ExpireSessions ends all live sessions as MaxDuration does, and returns how many
// there were.
func (e *Emulator) ExpireSessions() (n int) {
	e.mu.Lock()
	all := slices.Clone(e.order)
	e.mu.Unlock()
	for _, s := range all {
		if s.end(EndDuration, "") {
			n++
		}
	}
	return n
}

// fronts are the connected clients.
func (e *Emulator) fronts() []*front {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []*front
	for _, s := range e.order {
		if s.front != nil {
			all = append(all, s.front)
		}
	}
	return all
}
