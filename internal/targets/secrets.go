package targets

import (
	"sync"
	"sync/atomic"

	"github.com/pgkeyless/pgkeyless/internal/secretstore"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// held is a secret as it is in memory: what putBack finds to be there twice is one from
// then on.
type held struct{ atomic.Pointer[shared] }

// shared is a secret, with what logins by it share at each database, by its address.
type shared struct {
	*secretstore.Secret

	mu        sync.Mutex
	rotations map[string]*proxy.Rotation
}

// hold makes a held of a secret that nobody has asked for.
func hold(s *secretstore.Secret) *held {
	h := new(held)
	h.Store(&shared{Secret: s, rotations: map[string]*proxy.Rotation{}})
	return h
}

// rotation is that of the database at address.
func (s *shared) rotation(address string) *proxy.Rotation {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rotations[address]
	if r == nil {
		r = proxy.NewRotation()
		s.rotations[address] = r
	}
	return r
}

// secretKey is a secret as it is read: what is in memory serves nobody else.
type secretKey struct {
	profile, region, id, user string
	person                    personKey
}

// SetSecretsAside makes routes that are made from now on read their secrets again. The
// caller calls one of the two: done forgets the passwords from before, so that none stays
// in memory of a target that is not served any more; undo has them serve on. Only one may
// be under way.
func (w *Wiring) SetSecretsAside() (done, undo func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.secrets
	w.secrets = map[secretKey]*held{}
	done = func() {
		for _, h := range before {
			h.Load().Close()
		}
	}
	return done, func() { w.putBack(before) }
}

// putBack is the undo of SetSecretsAside. Routes from before may have asked for a secret
// since: of one that was there already, they get what is in memory of it. Another is kept.
func (w *Wiring) putBack(before map[secretKey]*held) {
	w.mu.Lock()
	since := w.secrets
	w.secrets = before
	var left []*shared
	for key, h := range before {
		if _, here := w.people[key.person]; key.person != (personKey{}) && !here { // left meanwhile
			left = append(left, h.Load())
			delete(before, key)
		}
	}
	for key, h := range since {
		if known, ok := before[key]; ok {
			left = append(left, h.Swap(known.Load()))
		} else {
			before[key] = h
		}
	}
	w.mu.Unlock()
	for _, s := range left {
		s.Close()
	}
}
