package proxy

import (
	"cmp"
	"container/list"
	"sync"
	"time"
)

// maxLobby is how many connections may be open without having said what they
// want, where the process may have files enough (see roomFor). It is more than a pool opens at once, since each is there for a round trip
// or two on this machine, and few enough for memory: one that says nothing holds
// 8 KiB, and one that stops at the worst point of a TLS handshake 110 KiB, so all
// of them 110 MB at most (TestMemoryOfSilentClients).
const maxLobby = 1000

// lobby holds the connections that have not begun a login, or are being refused.
// One too many is let in: the one that was accepted first goes instead, whenever it came
// in here. So silent connections, however many, keep nobody out. It is safe for concurrent
// use; the zero value is ready.
type lobby struct {
	room int // for so many; 0 means maxLobby

	mu      sync.Mutex
	coming  int       // accepted, and not in here yet
	waiting list.List // of guest; the one that was accepted first is first
}

// guestTime is what a guest has to say what it wants while the lobby is full, before it
// may have to make room: many that come at once and do say it are not silent, only more
// than are read in one go. Until then others wait in the listener's backlog.
const guestTime = time.Second

// guest is a connection in the lobby.
type guest struct {
	came    time.Time
	arrival uint64
	showOut func()
}

// enter lets the connection in that was accepted as number arrival. Those accepted at one
// time come in in any order. showOut is called, once at most and without waiting for
// anything, when it must make room; leave takes it out before, and may be called again.
func (l *lobby) enter(arrival uint64, showOut func()) (leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.coming = max(0, l.coming-1)
	came := time.Now()
	before := l.waiting.Back()
	for before != nil && before.Value.(guest).arrival > arrival {
		before = before.Prev()
	}
	var place *list.Element
	if before == nil {
		place = l.waiting.PushFront(guest{came, arrival, showOut})
	} else {
		place = l.waiting.InsertAfter(guest{came, arrival, showOut}, before)
	}
	if l.waiting.Len() > cmp.Or(l.room, maxLobby) {
		l.showOut()
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waiting.Remove(place)
	}
}

// expect counts in a connection that has been accepted: enter follows, or unexpect.
func (l *lobby) expect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.coming++
}

func (l *lobby) unexpect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.coming--
}

// crowded says that accepting should wait: the lobby is full, and nobody has been there
// for long enough to be shown out.
func (l *lobby) crowded(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.coming+l.waiting.Len() < cmp.Or(l.room, maxLobby) {
		return false
	}
	first := l.waiting.Front()
	return first == nil || now.Sub(first.Value.(guest).came) < guestTime
}

// makeRoom shows out who was accepted first, for want of something else than
// room in the lobby: for the connection number arrival, who may wait for that outside. It
// reports whether there was anybody before that one.
func (l *lobby) makeRoom(arrival uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first := l.waiting.Front(); first == nil || first.Value.(guest).arrival > arrival {
		return false
	}
	l.showOut()
	return true
}

// showOut shows out the first; mu is held.
func (l *lobby) showOut() { l.waiting.Remove(l.waiting.Front()).(guest).showOut() }

// roomFor is how many connections the lobby has room for in a process that may have so
// many files open (0: any number): a quarter, so that silent connections leave most of
// them to sessions, which take two each.
func roomFor(files uint64) int {
	if files == 0 || files/4 >= maxLobby {
		return maxLobby
	}
	return max(int(files/4), 1)
}
