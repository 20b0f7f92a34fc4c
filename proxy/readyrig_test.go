package proxy

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// readyRig is a rig whose database hands out pids from 1 on, each with a key of its own.
// While a session rests, do says what the database does to it.
type readyRig struct {
	*rig
	mu       sync.Mutex
	startups [][]byte
	sessions map[uint32]*databaseConn
	ended    map[uint32]string // how the client's side ended it
	cancels  chan []byte
	logins   atomic.Uint32
	refuse   func(c *databaseConn, n uint32) bool // says that it has refused login n
	ending   time.Duration                        // how long a session takes to end that was terminated
}

func newReadyRig(t testing.TB, most int, change func(*Config)) *readyRig {
	t.Helper()
	rr := &readyRig{sessions: map[uint32]*databaseConn{}, ended: map[uint32]string{}, cancels: make(chan []byte, 9)}
	rr.rig = newRig(t, rr.serve, func(cfg *Config) {
		cfg.Routes[0].ReadyLogins = most
		if change != nil {
			change(cfg)
		}
	})
	return rr
}

func (rr *readyRig) serve(c *databaseConn) {
	p := c.startup()
	if len(p) < 8 {
		return
	}
	if bytes.Equal(p[4:8], codePacket(80877102)[4:8]) {
		rr.cancels <- p
		return
	}
	pid := rr.logins.Add(1)
	rr.mu.Lock()
	rr.startups = append(rr.startups, p)
	rr.sessions[pid] = c
	refuse := rr.refuse
	rr.mu.Unlock()
	if refuse != nil && refuse(c, pid) {
		return
	}
	c.send(rr.greeting(pid))
	how := "lost"
	for {
		m, err := readMessage(c)
		if err != nil {
			break
		}
		if m[0] == 'X' {
			how = "terminated"
			rr.mu.Lock()
			ending := rr.ending
			rr.mu.Unlock()
			time.Sleep(ending)
			break
		}
		c.send([]byte(fmt.Sprintf("answer of %d to %s", pid, m[5:])))
	}
	rr.mu.Lock()
	rr.ended[pid] = how
	rr.mu.Unlock()
}

func key(pid uint32) []byte { return fmt.Appendf(nil, "k%03d", pid) }

func setting(name, value string) []byte { return message('S', []byte(name+"\x00"+value+"\x00")...) }

func (rr *readyRig) greeting(pid uint32) []byte {
	return join(authRequest(0), setting("server_version", "18.1"), keyData(pid, key(pid)), readyForQuery)
}

// conn is the database's side of session pid.
func (rr *readyRig) conn(pid uint32) *databaseConn {
	rr.mu.Lock()
	defer rr.mu.Unlock()
	return rr.sessions[pid]
}

func (rr *readyRig) howEnded(pid uint32) string {
	rr.mu.Lock()
	defer rr.mu.Unlock()
	return rr.ended[pid]
}

// login is a client that gets session pid.
func (rr *readyRig) login(startup []byte, pid uint32) *client {
	rr.t.Helper()
	c := rr.dial()
	c.send(startup)
	c.expect(rr.greeting(pid))
	return c
}

// ask wants session pid to answer a query.
func (rr *readyRig) ask(c *client, pid uint32) {
	rr.t.Helper()
	c.send(message('Q', []byte("question")...))
	c.expect([]byte(fmt.Sprintf("answer of %d to question", pid)))
}

func (rr *readyRig) leave(c *client) {
	c.send(terminate)
	c.Close()
	synctest.Wait()
}

// counted is what is counted of the Route.
func (rr *readyRig) counted() RouteSnapshot {
	for _, r := range rr.server.Snapshot().Routes {
		if r.Name == host {
			return r
		}
	}
	return RouteSnapshot{}
}

// awaitReady waits until the logins are ready that are wanted.
func awaitReady() {
	time.Sleep(readyAfter)
	synctest.Wait()
}

func (rr *readyRig) wantReady(n int) {
	rr.t.Helper()
	awaitReady()
	if got := rr.counted().Ready; got != n {
		rr.t.Errorf("%d logins are ready, want %d", got, n)
	}
}

// stopReady stops the rig and looks for what should not have been left.
func (rr *readyRig) stopReady() {
	rr.t.Helper()
	rr.stop()
	r := rr.counted()
	if r.Ready != 0 || r.ReadyMade != r.ReadyUsed+r.ReadyDropped {
		rr.t.Errorf("%d ready at the end; %d made, %d used, %d dropped", r.Ready, r.ReadyMade, r.ReadyUsed, r.ReadyDropped)
	}
	if len(rr.server.cancels.keys) != 0 {
		rr.t.Errorf("cancel keys left: %v", rr.server.cancels.keys)
	}
}

// seesTheEnd has the database end session pid, and wants its client to hear of it.
func (rr *readyRig) seesTheEnd(c *client, pid uint32) {
	rr.t.Helper()
	end := errorPacket("SFATAL", "VFATAL", "C57P01", "Mterminating connection")
	rr.conn(pid).send(end)
	rr.conn(pid).Close()
	c.expect(end)
	c.expectEnd()
	c.Close()
}
