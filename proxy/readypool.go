package proxy

import (
	"context"
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
	// readyAfter is how long the making of one waits, so that the first query of the client
	// that has just come does not have to share the processors with it.
	readyAfter = 20 * time.Millisecond
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

// count is how many there are, or will be.
func (k *readyKind) count() int { return len(k.logins) + len(k.making) }

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

// used notes that a client has got r.
func (p *readyPool) used(r *readyLogin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.unused, r.key.served)
	p.tally.ready(r.account, func(a *RouteSnapshot) { a.ReadyUsed++ })
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
