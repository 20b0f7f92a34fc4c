package proxy

import (
	"context"
	"errors"
	"slices"
	"time"
)

// readyMaking is a login under way that is to be ready.
type readyMaking struct {
	address string
	cancel  context.CancelCauseFunc
	gone    chan struct{} // closed when it holds no place at the database
}

// errReadyUnwanted ends the making of ready logins that are not wanted any more.
var errReadyUnwanted = errors.New("no ready login is wanted")

// mayMake says whether one more login is to be made for k, and makes room for it. mu is
// held.
func (p *readyPool) mayMake(k *readyKind, route *Route, most int, now time.Time) bool {
	switch {
	case k.count() >= k.clients.wanted(now), now.Before(k.paused):
		return false
	case now.Before(p.paused[readyPlace{route.Address, ""}]), now.Before(p.paused[readyPlace{route.Address, k.user}]):
		return false
	case p.unused[k.key.served] >= maxUnused && !k.clients.again(now):
		return false
	}
	all := 0
	for _, other := range p.kinds {
		if other.key.served == k.key.served {
			all += other.count()
		}
	}
	if all < most {
		return true
	}
	from := p.roomFrom(k, now)
	if from == nil {
		return false
	}
	p.giveUp(from, from.logins[0], readyRoom)
	return true
}

// roomFrom is whose ready login makes room for one of k: a kind that has at least two more
// than k, or for which no client has come for a while. nil: nobody's does. mu is held.
func (p *readyPool) roomFrom(k *readyKind, now time.Time) (from *readyKind) {
	for _, other := range p.kinds {
		if other == k || other.key.served != k.key.served || len(other.logins) == 0 {
			continue
		}
		idle := now.Sub(other.clients.last()) >= readyIdle
		if (idle || other.count() >= k.count()+2) && (from == nil || other.clients.last().Before(from.clients.last())) {
			from = other
		}
	}
	return from
}

// begin makes a login for k. mu is held.
func (p *readyPool) begin(k *readyKind, route *Route, now time.Time, logIn func(context.Context) (*readyLogin, error)) {
	ctx, cancel := context.WithCancelCause(context.Background())
	m := &readyMaking{route.Address, cancel, make(chan struct{})}
	k.making = append(k.making, m)
	account := p.tally.accountOf(k.key.served.Name)
	p.running.Go(func() {
		defer cancel(nil)
		r, err := logIn(ctx)
		if err != nil {
			close(m.gone)
		} else {
			r.gone = m.gone // from now on its close closes it
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		k.making = slices.DeleteFunc(k.making, func(other *readyMaking) bool { return other == m })
		switch {
		case err != nil:
			p.failed(k, route, err, ctx.Err() != nil)
		case ctx.Err() != nil, p.closed, k.key.served.replaced.Load():
			p.end(r, readyReplaced)
		default:
			r.account, r.expires = account, now.Add(readyLife)
			p.tally.ready(account, func(a *RouteSnapshot) { a.Ready++; a.ReadyMade++ })
			r.rest = watchRest(r.up, r.said, false, func() { p.endedItself(k, r) })
			k.logins = append(k.logins, r)
			p.log.Debug("login made ready", "route", k.key.served.Name, "user", r.user, "pid", r.pid, "duration", time.Since(now))
		}
	})
}

// failed notes that no login could be made for k. Where the database had no room, it may
// have none for this user alone, and no client waits for it: what is ready stays, until a
// client needs the room. mu is held.
func (p *readyPool) failed(k *readyKind, route *Route, err error, unwanted bool) {
	if unwanted {
		return
	}
	now := time.Now()
	k.paused = now.Add(readyAgain)
	p.log.Debug("no login made ready", "route", k.key.served.Name, "sqlstate", state(err))
	if isFull(err) {
		p.pause(readyPlace{route.Address, k.user}, now)
	}
}
