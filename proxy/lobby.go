package proxy

import (
	"cmp"
	"container/list"
	"sync"
)

// maxLobby is how many connections may be open without having said what they
// want, where the process may have files enough (see roomFor). It is more than a pool opens at once, since each is there for a round trip
// or two on this machine, and few enough for memory: one that says nothing holds
// 8 KiB, and one that stops at the worst point of a TLS handshake 110 KiB, so all
// of them 110 MB at most (TestMemoryOfSilentClients).
const maxLobby = 1000

// lobby holds the connections that have not begun a login, or are being refused.
// One too many is let in: the one that has been there for longest goes instead.
// So silent connections, however many, keep nobody out. It is safe for concurrent
// use; the zero value is ready.
type lobby struct {
	room int // for so many; 0 means maxLobby

	mu      sync.Mutex
	waiting list.List // of func(), which shows one out; the oldest is first
}

// enter lets a connection in. showOut is called, once at most and without
// waiting for anything, when it must make room; leave takes it out before, and
// may be called again.
func (l *lobby) enter(showOut func()) (leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting.Len() >= cmp.Or(l.room, maxLobby) {
		l.showOut()
	}
	place := l.waiting.PushBack(showOut)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waiting.Remove(place)
	}
}

// makeRoom shows out who has been there for longest, for want of something else than
// room in the lobby. It reports whether there was anybody.
func (l *lobby) makeRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting.Len() == 0 {
		return false
	}
	l.showOut()
	return true
}

// showOut shows out the oldest; mu is held.
func (l *lobby) showOut() { l.waiting.Remove(l.waiting.Front()).(func())() }

// roomFor is how many connections the lobby has room for in a process that may have so
// many files open (0: any number): a quarter, so that silent connections leave most of
// them to sessions, which take two each.
func roomFor(files uint64) int {
	if files == 0 || files/4 >= maxLobby {
		return maxLobby
	}
	return max(int(files/4), 1)
}
