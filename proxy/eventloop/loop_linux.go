package eventloop

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// maxEvents is how many events are taken at once.
	maxEvents = 128
	// wakeSlot is the loop's pipe among the slots.
	wakeSlot = -1
	// interest is registered once, and epoll reports each change once: a loop notes what
	// it has not read to the end, and needs no call to wait for something else.
	interest = syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | syscall.EPOLLPRI | epollET
	// epollET is syscall.EPOLLET as the unsigned number that it is.
	epollET = 1 << 31
	// hangUp are the events after which reading gives an end or an error.
	hangUp = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
	// stops are the events after which a read may give less than there is: the end
	// that waits behind it, or what is behind urgent data.
	stops = hangUp | syscall.EPOLLPRI
)

// turnLimit is how long the loop's goroutine runs without a word to Go's
// scheduler. After 10 ms of that the scheduler takes it for one that hogs its
// processor, and from then on takes the processor away 50,000 times a second,
// whenever it sees the goroutine in a system call.
//
// Source: Go's runtime/proc.go, retake and sysmon.
const turnLimit = 4 * time.Millisecond

// loop is one epoll instance and the goroutine that waits in it.
type loop struct {
	epoll    int
	wakeRead int // a pipe: other goroutines wake the loop by it
	wakeSend int
	pairs    atomic.Int64 // for choosing the least busy loop

	mu      sync.Mutex
	arrived []*pair
	leaving []*pair
	asked   []chan struct{} // closed when the loop has come round
	woken   bool            // a byte is in the pipe
	closing bool
	stopped chan struct{}

	// For the loop's goroutine only.
	slots  []*pair
	free   []int32 // slots to use again
	freed  []int32 // slots that events still to be handled may name
	ready  []*end  // have something to read
	next   []*end
	raw    []byte
	plain  []byte
	spares spares
	policy policy
}

// newLoop starts a loop.
func newLoop() (*loop, error) {
	l := &loop{
		stopped: make(chan struct{}),
		raw:     make([]byte, readSize),
		plain:   make([]byte, readSize+readSize/2),
	}
	var err error
	if l.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		syscall.Close(l.epoll)
		return nil, os.NewSyscallError("pipe2", err)
	}
	l.wakeRead, l.wakeSend = pipe[0], pipe[1]
	if err := syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, l.wakeRead, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: wakeSlot}); err != nil {
		l.release()
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	go l.run()
	return l, nil
}

func (l *loop) release() {
	syscall.Close(l.epoll)
	syscall.Close(l.wakeRead)
	syscall.Close(l.wakeSend)
}

// close ends the loop, which must have no pairs, and waits for it.
func (l *loop) close() {
	l.mu.Lock()
	l.closing = true
	l.wake()
	l.mu.Unlock()
	<-l.stopped
	l.release()
}

// add gives p to the loop until ctx ends.
func (l *loop) add(ctx context.Context, p *pair) {
	l.mu.Lock() // p arrives before it leaves
	defer l.mu.Unlock()
	p.leaving.Add(1)
	p.stop = context.AfterFunc(ctx, func() { defer p.leaving.Done(); l.remove(p) })
	l.arrived = append(l.arrived, p)
	l.wake()
}

// remove makes the loop end p, unless it has already.
func (l *loop) remove(p *pair) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaving = append(l.leaving, p)
	l.wake()
}

// ask returns a channel that the loop closes when it comes round.
func (l *loop) ask() <-chan struct{} {
	answer := make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, answer)
	l.wake()
	return answer
}

// wake makes the loop look at what is new; mu is held.
func (l *loop) wake() {
	if !l.woken {
		l.woken = true
		syscall.Write(l.wakeSend, []byte{0})
	}
}

// run is the loop. It has a thread of its own, which policy tunes and which ends with it.
func (l *loop) run() {
	defer close(l.stopped)
	runtime.LockOSThread()
	var events [maxEvents]syscall.EpollEvent
	yielded := time.Now()
	for {
		if now := time.Now(); now.Sub(yielded) > turnLimit {
			yielded = now
			runtime.Gosched()
		}
		wait := -1
		if len(l.ready) > 0 {
			wait = 0
		}
		n, err := syscall.EpollWait(l.epoll, events[:], wait)
		if err != nil && err != syscall.EINTR {
			panic(fmt.Sprintf("eventloop: epoll_wait: %v", err)) // its arguments are wrong
		}
		l.policy.note(max(n, 0))
		woken := false
		for i := range max(n, 0) {
			if events[i].Fd == wakeSlot {
				woken = true
			} else {
				l.note(&events[i])
			}
		}
		l.turn()
		l.free = append(l.free, l.freed...)
		l.freed = l.freed[:0]
		if woken && l.news() {
			return
		}
	}
}

// note takes down what an event says.
func (l *loop) note(event *syscall.EpollEvent) {
	p := l.slots[event.Fd]
	if p == nil || p.over {
		return
	}
	e := &p.client
	if event.Pad != 0 {
		e = &p.database
	}
	if event.Events&syscall.EPOLLOUT != 0 {
		if err := l.drain(e); err != nil {
			l.finish(e.peer, false, err)
			return
		}
	}
	if event.Events&(syscall.EPOLLIN|stops) != 0 {
		e.readable = true
		e.stops = e.stops || event.Events&stops != 0
		l.queue(e)
	}
	if e == &p.client && event.Events&syscall.EPOLLERR != 0 {
		e.reset = true
		l.giveUp(e)
	}
}

// giveUp ends the pair of a client that was reset while the database takes nothing:
// what there may be to read has nowhere to go. epoll reports that once, so it is asked again
// after each read. A database that was reset may have said why, and is read to its end.
func (l *loop) giveUp(e *end) {
	if e.reset && !e.pair.over && len(e.peer.sock.unsent) > 0 {
		l.finish(e, true, e.sock.failure())
	}
}

// drain writes what e holds, and lets those go on who wait for that.
func (l *loop) drain(e *end) error {
	if err := e.sock.drain(); err != nil {
		return err
	}
	for _, waits := range []*end{e.peer, e} {
		if waits.readable && !waits.blocked() {
			l.queue(waits)
		}
	}
	return nil
}

func (l *loop) queue(e *end) {
	if !e.queued {
		e.queued = true
		l.ready = append(l.ready, e)
	}
}

// turn lets each end that has something to read do so once: nobody waits for
// more than one read of each of the others.
func (l *loop) turn() {
	l.ready, l.next = l.next[:0], l.ready
	for _, e := range l.next {
		e.queued = false
		if e.pair.over {
			continue
		}
		l.pump(e)
		l.giveUp(e)
		if !e.pair.over && e.readable && !e.blocked() {
			l.queue(e)
		}
	}
	clear(l.next)
}

// news takes in pairs that came and lets go of those that must leave. It reports
// whether the loop is to end.
func (l *loop) news() (closing bool) {
	var b [8]byte
	syscall.Read(l.wakeRead, b[:])
	l.mu.Lock()
	arrived, leaving, asked, closing := l.arrived, l.leaving, l.asked, l.closing
	l.arrived, l.leaving, l.asked, l.woken = nil, nil, nil, false
	l.mu.Unlock()
	for _, answer := range asked {
		close(answer)
	}
	for _, p := range arrived {
		l.enter(p)
	}
	for _, p := range leaving {
		if !p.over {
			l.end(p, Result{})
		}
	}
	return closing
}

// enter begins to relay p.
func (l *loop) enter(p *pair) {
	if n := len(l.free); n > 0 {
		p.slot = l.free[n-1]
		l.free = l.free[:n-1]
	} else {
		p.slot = int32(len(l.slots))
		l.slots = append(l.slots, nil)
	}
	l.slots[p.slot] = p
	for side, e := range []*end{&p.client, &p.database} {
		e.sock.spare = &l.spares
		event := syscall.EpollEvent{Events: interest, Fd: p.slot, Pad: int32(side)}
		if err := syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, e.sock.fd, &event); err != nil {
			l.end(p, Result{Refused: true})
			return
		}
	}
	if len(p.early) > 0 {
		if p.client.seen != nil {
			p.client.seen(p.early)
		}
		if err := p.database.write(p.early); err != nil {
			l.finish(&p.client, false, err)
			return
		}
		p.client.carried = int64(len(p.early))
		p.early = nil
	}
	for _, e := range []*end{&p.client, &p.database} {
		e.readable = true
		e.ahead = e.secure != nil // comes with no event
		l.queue(e)
	}
}

// finish ends the pair of e because of the way that begins there.
func (l *loop) finish(e *end, reading bool, err error) {
	way := Up
	if e == &e.pair.database {
		way = Down
	}
	l.end(e.pair, Result{Ended: way, Reading: reading, Err: err})
}

// end lets go of p.
func (l *loop) end(p *pair, r Result) {
	p.over = true
	for _, e := range []*end{&p.client, &p.database} {
		syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_DEL, e.sock.fd, nil)
	}
	l.slots[p.slot] = nil
	l.freed = append(l.freed, p.slot)
	r.Up, r.Down = p.client.carried, p.database.carried
	p.result = r
	go p.conclude()
}

// failure is the error that waits on the socket.
func (s *socket) failure() error {
	code, err := syscall.GetsockoptInt(s.fd, syscall.SOL_SOCKET, syscall.SO_ERROR)
	if err != nil || code == 0 {
		return os.NewSyscallError("read", syscall.ECONNRESET)
	}
	return os.NewSyscallError("read", syscall.Errno(code))
}
