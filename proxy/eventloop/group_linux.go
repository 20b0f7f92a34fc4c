package eventloop

import (
	"context"
	"net"
	"runtime"
	"slices"
	"sync"
)

// Group relays on as many loops as it takes. Its methods are safe for concurrent
// use. The zero value is ready; it starts a loop when it first needs one.
type Group struct {
	mu    sync.Mutex
	loops []*loop
}

// maxLoops leaves the other processors to clients and databases of this machine,
// which cannot answer faster than they run.
func maxLoops() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// Close ends the loops and waits for them. Every relay must have ended.
func (g *Group) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.loops {
		l.close()
	}
	g.loops = nil
}

// Relay has bytes carried between client and database until one of them ends, fails,
// or ctx ends; early goes to the database first. It returns at once. Both must have
// come from Wrap, or be TLS over what came from it; otherwise it is false and nothing
// has happened.
//
// up is called with what the client sends, early included, before it is sent on,
// and down with what the database sends; they must not keep it. Each may be nil.
//
// Until ended is called, nobody else may touch the conns. Afterwards they are as before,
// but for deadlines, which are gone, and one of them may hold bytes to send: a Write
// sends them first, and so does its method Flush() (more bool, err error), a part
// at a time. ended is called once, on a goroutine that does nothing else.
func (g *Group) Relay(ctx context.Context, client, database net.Conn, early []byte, up, down func([]byte), ended func(Result)) bool {
	p := &pair{early: early, ended: ended}
	p.client = end{pair: p, peer: &p.database, seen: up}
	p.database = end{pair: p, peer: &p.client, seen: down}
	p.client.sock, p.client.secure = split(client)
	p.database.sock, p.database.secure = split(database)
	if p.client.sock == nil || p.database.sock == nil {
		return false
	}
	l := g.loop()
	if l == nil {
		return false
	}
	p.loop = l
	if p.client.sock.take() != nil {
		l.pairs.Add(-1)
		return false
	}
	if p.database.sock.take() != nil {
		p.client.sock.giveBack()
		l.pairs.Add(-1)
		return false
	}
	l.add(ctx, p)
	return true
}

// conclude gives the pair back, which its loop has let go of.
func (p *pair) conclude() {
	if !p.stop() {
		p.leaving.Wait()
	}
	p.database.sock.giveBack()
	p.client.sock.giveBack()
	p.loop.pairs.Add(-1)
	p.ended(p.result)
}

// Alive returns nil once every loop has come round since the call, and the cause of
// ctx when that ends first.
func (g *Group) Alive(ctx context.Context) error {
	g.mu.Lock()
	loops := slices.Clone(g.loops)
	g.mu.Unlock()
	for _, l := range loops {
		select {
		case <-l.ask():
		case <-l.stopped:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// loop chooses the loop with the fewest pairs, or a new one while there may be
// more. nil means that none could be started.
func (g *Group) loop() *loop {
	g.mu.Lock()
	defer g.mu.Unlock()
	var least *loop
	for _, l := range g.loops {
		if least == nil || l.pairs.Load() < least.pairs.Load() {
			least = l
		}
	}
	if least == nil || least.pairs.Load() > 0 && len(g.loops) < maxLoops() {
		if l, err := newLoop(); err == nil {
			g.loops = append(g.loops, l)
			least = l
		}
	}
	if least != nil {
		least.pairs.Add(1)
	}
	return least
}
