package proxy

import (
	"bytes"
	"context"
	"crypto/subtle"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Lengths of the secret in BackendKeyData: 4 bytes in protocol 3.0, up to 256
// from 3.2 on.
const (
	minCancelKey = 4
	maxCancelKey = 256
)

// maxCancels bounds cancel requests on their way at one time; more wait. Each
// is an upstream connection of its own.
const maxCancels = 32

// maxCancelAnswer bounds what is read from a database while waiting for it to
// close: it answers a CancelRequest with nothing.
const maxCancelAnswer = 4096

// cancels knows which database handed out which BackendKeyData. Several
// databases may give out the same process id, so only id and secret together
// name a session. It is safe for concurrent use.
type cancels struct {
	mu    sync.Mutex
	keys  map[uint32][]*cancelKey
	slots chan struct{} // one per request on its way

	firstByte time.Duration // as in Config
}

// cancelKey is what one client was told to cancel by.
type cancelKey struct {
	secret  []byte
	route   *Route
	address string // of the server that runs the session
	// actual is by what that server knows the session, where the client was told another
	// key; nil where it was not.
	actual *pgproto3.CancelRequest
}

func newCancels() *cancels {
	return &cancels{keys: make(map[uint32][]*cancelKey), slots: make(chan struct{}, maxCancels)}
}

// add notes a key until remove is called. It copies secret.
func (c *cancels) add(pid uint32, secret []byte, route *Route, address string) (remove func()) {
	return c.addAs(pid, &cancelKey{secret: bytes.Clone(secret), route: route, address: address})
}

// addAs is add of a key that is made already.
func (c *cancels) addAs(pid uint32, key *cancelKey) (remove func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[pid] = append(c.keys[pid], key)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		left := slices.DeleteFunc(c.keys[pid], func(k *cancelKey) bool { return k == key })
		if c.keys[pid] = left; len(left) == 0 {
			delete(c.keys, pid)
		}
	}
}

// find returns the key that a request names, or nil. Secrets are compared in
// constant time.
func (c *cancels) find(pid uint32, secret []byte) (found *cancelKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.keys[pid] {
		if subtle.ConstantTimeCompare(k.secret, secret) == 1 {
			found = k
		}
	}
	return found
}

// forward carries a CancelRequest to the database that key belongs to, on a
// connection of its own, and returns once the database has closed that: it has
// acted by then. ctx bounds the wait.
func (c *cancels) forward(ctx context.Context, key *cancelKey, request *pgproto3.CancelRequest) error {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return c.deliver(ctx, key, request)
}

// deliver is forward without waiting for its turn.
func (c *cancels) deliver(ctx context.Context, key *cancelKey, request *pgproto3.CancelRequest) error {
	up, err := key.route.open(ctx, key.address, c.firstByte, nil)
	if err != nil {
		return err
	}
	defer interrupt(ctx, up.raw)()
	defer up.raw.Close()
	if key.actual != nil {
		request = key.actual
	}
	packet, err := request.Encode(nil)
	if err != nil {
		return err
	}
	if _, err := up.Write(packet); err != nil {
		return err
	}
	io.Copy(io.Discard, io.LimitReader(up, maxCancelAnswer))
	return context.Cause(ctx)
}
