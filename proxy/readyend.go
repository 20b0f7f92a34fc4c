package proxy

import (
	"context"
	"net"
	"slices"
	"time"
)

// endPatience is how long the database may take to end a session that is given up. A client
// may wait for its place, and a busy machine is slow to end a process.
const endPatience = 10 * time.Second

// Why ready logins are given up, for the log.
const (
	readyExpired  = "no client came"
	readyEnded    = "the database ended it"
	readyRetired  = "the way to the database is not used any more"
	readyBusy     = "its SSM session is busy"
	readyIdentity = "the AWS identity has changed"
	readyReplaced = "the configuration was reloaded"
	readyFull     = "the database has no room"
	readyFailover = "failover"
	readyRoom     = "another StartupMessage is asked for more"
	readyStopping = "the proxy stops"
)

// endedItself takes r out: its database has ended it, or the way there has ended.
func (p *readyPool) endedItself(k *readyKind, r *readyLogin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(k.logins, r); i >= 0 {
		p.giveUp(k, r, readyEnded)
	}
}

// giveUp ends r, which is among k's. mu is held.
func (p *readyPool) giveUp(k *readyKind, r *readyLogin, reason string) {
	k.logins = slices.DeleteFunc(k.logins, func(other *readyLogin) bool { return other == r })
	p.tally.ready(r.account, func(a *RouteSnapshot) { a.Ready-- })
	if reason == readyExpired || reason == readyRoom {
		p.unused[k.key.served]++
	}
	p.end(r, reason)
}

// end ends r, which is among nobody's. mu is held.
func (p *readyPool) end(r *readyLogin, reason string) {
	p.tally.ready(r.account, func(a *RouteSnapshot) { a.ReadyDropped++ })
	p.log.Debug("ready login given up", "route", r.key.served.Name, "user", r.user, "pid", r.pid, "reason", reason)
	p.ending = append(p.ending, r)
	p.running.Go(func() {
		if r.rest != nil {
			r.rest.stop()
			if _, _, state := atRest(r.rest.said); state == stateShuttingDown {
				r.up.retire(failOverReason(state))
				p.failover(r.route.Address)
			}
		}
		defer p.bound(r.up.raw)()
		r.close()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ending = slices.DeleteFunc(p.ending, func(other *readyLogin) bool { return other == r })
	})
}

// bound gives a session that ends over c endPatience for it, and no more than farewell once
// the proxy stops. over must be called when it has ended.
func (p *readyPool) bound(c net.Conn) (over func()) {
	latest := time.Now().Add(endPatience)
	c.SetDeadline(latest)
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-p.stopped():
			if sooner := time.Now().Add(farewell); sooner.Before(latest) {
				c.SetDeadline(sooner)
			}
		case <-ended:
		}
	}()
	return func() {
		close(ended)
		<-watched
	}
}

// drop ends r, which was taken.
func (p *readyPool) drop(r *readyLogin, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end(r, reason)
}

// each gives up the ready logins that which chooses, and those being made at the places
// that it chooses. mu is held.
func (p *readyPool) each(reason string, which func(k *readyKind, r *readyLogin) bool, making func(k *readyKind, address string) bool) {
	for _, k := range p.kinds {
		for _, r := range slices.Clone(k.logins) {
			if which(k, r) {
				p.giveUp(k, r, reason)
			}
		}
		for _, m := range k.making {
			if making != nil && making(k, m.address) {
				m.cancel(errReadyUnwanted)
			}
		}
	}
}

// at gives up all that lead to address. mu is held.
func (p *readyPool) at(address, reason string) {
	p.each(reason, func(_ *readyKind, r *readyLogin) bool { return r.route.Address == address },
		func(_ *readyKind, at string) bool { return at == address })
}

// failover gives up what leads to a database that is not the right one any more.
func (p *readyPool) failover(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at(address, readyFailover)
}

// of gives up what clients of a Route would get.
func (p *readyPool) of(to *served, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.unused, to)
	p.each(reason, func(k *readyKind, _ *readyLogin) bool { return k.key.served == to },
		func(k *readyKind, _ string) bool { return k.key.served == to })
}

// pause has none made there for a while. mu is held.
func (p *readyPool) pause(at readyPlace, now time.Time) {
	if p.paused == nil {
		p.paused = map[readyPlace]time.Time{}
	}
	p.paused[at] = now.Add(readyPause)
}

// full gives up all that lead to a database without room for a client, where none is made
// for a while. mu is held.
func (p *readyPool) full(address string, now time.Time) {
	p.pause(readyPlace{address, ""}, now)
	p.at(address, readyFull)
}

// makeRoom does that for a client, and waits until what led to address is gone, or ctx
// ends. It says whether there was anything. A login that is still being made counts: the
// database may have given it a place before it has asked for the token.
func (p *readyPool) makeRoom(ctx context.Context, address string) bool {
	p.mu.Lock()
	if !p.closed {
		p.full(address, time.Now())
	}
	var leaving []<-chan struct{}
	for _, r := range p.ending {
		if r.route.Address == address {
			leaving = append(leaving, r.gone)
		}
	}
	for _, k := range p.kinds {
		for _, m := range k.making {
			if m.address == address {
				leaving = append(leaving, m.gone)
			}
		}
	}
	p.mu.Unlock()
	for _, gone := range leaving {
		select {
		case <-gone:
		case <-ctx.Done():
			return false
		}
	}
	return len(leaving) > 0
}
