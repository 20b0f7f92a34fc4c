package proxy

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	// readyPause is how long no ready login is made at a database that had no room for
	// one, or for a client.
	readyPause = time.Minute
	// readyAgain is how long none is made with a StartupMessage for which it failed.
	readyAgain = 10 * time.Second
	// readyLook is how often ready logins are looked after.
	readyLook = time.Second
	// readyIdle is how long no client must have come for a StartupMessage until others
	// may have the places of its ready logins.
	readyIdle = 10 * time.Second
	// maxReadyKinds bounds how many StartupMessages are remembered.
	maxReadyKinds = 512
	// maxUnused ready logins in succession without a client say that clients seldom send
	// the same StartupMessage twice, because a process id is in it, say. From then on one
	// is made after the second.
	maxUnused = 8
)

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

// readyPool keeps ready logins, and owns the goroutines that make, keep and end them. It
// is safe for concurrent use; the zero value is ready.
type readyPool struct {
	log     *slog.Logger
	tally   *tally
	running sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	tending bool
	kinds   map[readyKey]*readyKind
	unused  map[*served]int          // ready logins in succession that no client took
	ending  []*readyLogin            // given up, and not closed yet
	paused  map[readyPlace]time.Time // until then none is made
	done    chan struct{}            // closed by close; nil before tend needs it
}

// readyPlace is where a database may have no room: at a Route.Address for a database
// user, or for anybody, which is "".
type readyPlace struct{ address, user string }

// readyKind is one StartupMessage of one kind of client.
type readyKind struct {
	key     readyKey
	user    string // database user
	clients arrivals
	logins  []*readyLogin
	making  []*readyMaking
	paused  time.Time // until then none is made
}

// readyMaking is a login under way that is to be ready.
type readyMaking struct {
	address string
	cancel  context.CancelCauseFunc
	gone    chan struct{} // closed when it holds no place at the database
}

// count is how many there are, or will be.
func (k *readyKind) count() int { return len(k.logins) + len(k.making) }

// errReadyUnwanted ends the making of ready logins that are not wanted any more.
var errReadyUnwanted = errors.New("no ready login is wanted")

// take returns the ready login for key that was made first, or nil.
func (p *readyPool) take(key readyKey) *readyLogin {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.kinds[key]
	if k == nil || len(k.logins) == 0 {
		return nil
	}
	r := k.logins[0]
	k.logins = slices.Delete(k.logins, 0, 1)
	p.tally.ready(r.account, func(a *RouteSnapshot) { a.Ready-- })
	return r
}

// client notes that a client with key has been logged in by route as user, and has as
// many logins made as are wanted then. logIn is called on a goroutine for each.
func (p *readyPool) client(key readyKey, user string, route *Route, most int, now time.Time, logIn func(context.Context) (*readyLogin, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || key.served.replaced.Load() {
		return
	}
	k := p.kind(key, now)
	if k == nil {
		return
	}
	k.user = user
	k.clients.note(now, most)
	for p.mayMake(k, route, most, now) {
		p.begin(k, route, now, logIn)
	}
}

// kind is that of key; nil when too many are known, all of them in use. mu is held.
func (p *readyPool) kind(key readyKey, now time.Time) *readyKind {
	if k := p.kinds[key]; k != nil {
		return k
	}
	if p.kinds == nil {
		p.kinds, p.unused = map[readyKey]*readyKind{}, map[*served]int{}
	}
	if len(p.kinds) >= maxReadyKinds {
		var oldest *readyKind
		for _, k := range p.kinds {
			if k.count() == 0 && (oldest == nil || k.clients.last().Before(oldest.clients.last())) {
				oldest = k
			}
		}
		if oldest == nil {
			return nil
		}
		delete(p.kinds, oldest.key)
	}
	k := &readyKind{key: key}
	p.kinds[key] = k
	if !p.tending {
		p.tending = true
		p.running.Go(p.tend)
	}
	return k
}

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
		r.close(farewell)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ending = slices.DeleteFunc(p.ending, func(other *readyLogin) bool { return other == r })
	})
}

// drop ends r, which was taken.
func (p *readyPool) drop(r *readyLogin, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end(r, reason)
}

// used notes that a client has got r.
func (p *readyPool) used(r *readyLogin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.unused, r.key.served)
	p.tally.ready(r.account, func(a *RouteSnapshot) { a.ReadyUsed++ })
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

// tend looks after ready logins as long as there is anything to look after.
func (p *readyPool) tend() {
	ticker := time.NewTicker(readyLook)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-p.stopped():
			return
		}
		if !p.look(time.Now()) {
			return
		}
	}
}

// look gives up what has waited for long enough, and forgets what is over. It says whether
// there is more to come.
func (p *readyPool) look(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.each(readyExpired, func(_ *readyKind, r *readyLogin) bool { return !now.Before(r.expires) }, nil)
	p.each(readyRetired, func(_ *readyKind, r *readyLogin) bool { return r.retired() }, nil)
	for key, k := range p.kinds {
		if k.count() == 0 && now.Sub(k.clients.last()) >= readyLife {
			delete(p.kinds, key)
		}
	}
	for at, until := range p.paused {
		if !now.Before(until) {
			delete(p.paused, at)
		}
	}
	p.tending = len(p.kinds)+len(p.paused) > 0
	if !p.tending {
		clear(p.unused)
	}
	return p.tending
}

// stopped is closed by close.
func (p *readyPool) stopped() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == nil {
		p.done = make(chan struct{})
		if p.closed {
			close(p.done)
		}
	}
	return p.done
}

// close gives up everything, for good. running says when that has ended.
func (p *readyPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.done != nil {
		close(p.done)
	}
	p.each(readyStopping, func(*readyKind, *readyLogin) bool { return true }, func(*readyKind, string) bool { return true })
}
