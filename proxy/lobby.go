package proxy

import (
	"container/list"
	"sync"
)

// maxLobby is how many connections may be open without having said what they
// want. It is more than a pool opens at once, since each is there for a round trip
// or two on this machine, and few enough for memory: one that says nothing holds
// 8 KiB, and one that stops at the worst point of a TLS handshake 110 KiB, so all
// of them 110 MB at most (TestMemoryOfSilentClients).
const maxLobby = 1000

// lobby holds the connections that have not begun a login, or are being refused.
// One too many is let in: the one that has been there for longest goes instead.
// So silent connections, however many, keep nobody out. It is safe for concurrent
// use; the zero value is ready.
type lobby struct {
	mu      sync.Mutex
	waiting list.List // of func(), which shows one out; the oldest is first
}

// enter lets a connection in. showOut is called, once at most and without
// waiting for anything, when it must make room; leave takes it out before, and
// may be called again.
func (l *lobby) enter(showOut func()) (leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting.Len() >= maxLobby {
		l.waiting.Remove(l.waiting.Front()).(func())()
	}
	place := l.waiting.PushBack(showOut)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waiting.Remove(place)
	}
}
