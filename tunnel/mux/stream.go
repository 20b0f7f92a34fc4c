package mux

import (
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

// Stream is one stream of a Mux, a net.Conn. It is made by OpenStream.
//
// All methods are safe for concurrent use. Concurrent Writes do not interleave.
type Stream struct {
	m  *Mux
	id uint32

	// The rest is guarded by m.mu.

	readable sync.Cond // something changed for Read
	writable sync.Cond // something changed for Write
	readBy   deadline
	writeBy  deadline
	in, out  buffer
	writing  bool // a Write is under way

	syn        bool      // SYN not sent yet
	asked      time.Time // when the first data was sent
	unanswered int       // bytes sent since something came
	fin        finState
	waiting    bool  // neither data nor FIN has come
	peerFin    bool  // the agent's FIN has come
	closed     bool  // by Close
	err        error // why it failed, if it has

	// For Mux.crowd.
	toldAt   time.Time // when data came last, and nothing was written since; else zero
	quick    bool      // its latest question came soon after an answer
	expected uint64    // round of the message that waits for it
	slot     int64     // of its latest write

	// Place in Mux.ready.
	prev, next *Stream
	queued     bool
	turn       int // bytes left of the present turn; 0: the turn has not begun
}

// finState is how far our own FIN has come.
type finState byte

const (
	finNone finState = iota
	finQueued
	finSent
)

func newStream(m *Mux, id uint32) *Stream {
	return &Stream{
		m:        m,
		id:       id,
		readable: sync.Cond{L: &m.mu},
		writable: sync.Cond{L: &m.mu},
		in:       buffer{pool: &m.chunks},
		out:      buffer{pool: &m.chunks},
		syn:      true,
		waiting:  true,
	}
}

// Read reads what has arrived, waiting for the first byte. The wait ends with
// data, the agent's FIN (io.EOF), Close (net.ErrClosed), the read deadline
// (os.ErrDeadlineExceeded), or the stream's or Mux's failure: ErrConnect,
// ErrStreamOverflow, ErrClosed.
func (s *Stream) Read(p []byte) (int, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, net.ErrClosed
		case s.readBy.passed:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case s.in.len() > 0:
			return s.in.read(p), nil
		case s.err != nil:
			return 0, s.err
		case s.peerFin:
			return 0, io.EOF
		}
		if s.syn {
			s.m.signal() // nothing to send along with the SYN, it seems
		}
		s.readable.Wait()
	}
}

// Pending reports whether a Read would return at once, whatever its deadline says: with
// bytes that have arrived, or the end.
func (s *Stream) Pending() bool {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.closed || s.in.len() > 0 || s.err != nil || s.peerFin
}

// Write queues a copy of p and returns; it waits while Config.MaxSendBuffer bytes
// are queued. That all has been queued says nothing about its arrival.
//
// The wait ends with room, Close (net.ErrClosed), the write deadline
// (os.ErrDeadlineExceeded), the agent's FIN (ErrPeerClosed), or the stream's or
// Mux's failure: ErrConnect, ErrStreamOverflow, ErrClosed. The bytes counted in
// the result have been queued even so.
func (s *Stream) Write(p []byte) (n int, err error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	for s.writing {
		if err := s.writeError(); err != nil {
			return 0, err
		}
		s.writable.Wait()
	}
	s.writing = true
	defer func() {
		s.writing = false
		s.writable.Broadcast()
	}()
	for {
		if err := s.writeError(); err != nil {
			return n, err
		}
		if k := min(len(p)-n, s.m.cfg.MaxSendBuffer-s.out.len()); k > 0 {
			news := s.m.askedBy(s, time.Now())
			s.out.write(p[n : n+k])
			s.m.queued += k
			n += k
			s.m.ready.push(s)
			if news || s.m.queued >= s.m.crowd.room { // else Fill is not to be called sooner than was said
				s.m.signal()
			}
		}
		if n == len(p) {
			return n, nil
		}
		s.writable.Wait()
	}
}

// writeError returns why Write cannot go on, or nil.
func (s *Stream) writeError() error {
	switch {
	case s.closed:
		return net.ErrClosed
	case s.writeBy.passed:
		return os.ErrDeadlineExceeded
	case s.err != nil:
		return s.err
	case s.peerFin:
		return ErrPeerClosed
	}
	return nil
}

// Close ends the stream both ways and wakes blocked calls, which give
// net.ErrClosed. What has been written is sent before the FIN; Close does not
// wait for it. What has not been read is thrown away. A stream of which the agent
// has not heard yet leaves no trace. The error is always nil.
func (s *Stream) Close() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.m.open--
	s.in.release()
	s.readBy.stop()
	s.writeBy.stop()
	s.readable.Broadcast()
	s.writable.Broadcast()
	switch {
	case s.m.err != nil:
	case s.syn && s.out.len() == 0:
		s.syn = false
		s.m.answered(s)
		s.m.ready.remove(s)
		delete(s.m.streams, s.id)
	default:
		s.queueFIN()
	}
	return nil
}

// queueFIN has a FIN sent after what is queued, once. m.mu is held.
func (s *Stream) queueFIN() {
	if s.fin == finNone {
		s.fin = finQueued
		s.m.ready.push(s)
		s.m.signal()
	}
}

// dropQueued throws away what waits to be sent. m.mu is held.
func (s *Stream) dropQueued() {
	s.m.queued -= s.out.len()
	s.out.release()
}

// fail makes err the stream's answer to Read, once it is drained, and to Write.
// What was queued is not sent. m.mu is held.
func (s *Stream) fail(err error) {
	if s.err == nil && !s.peerFin {
		s.err = err
	}
	s.dropQueued()
	s.readable.Broadcast()
	s.writable.Broadcast()
}

// SetDeadline sets both deadlines. The zero time means none. Blocked calls obey
// at once. The error is net.ErrClosed after Close, else nil.
func (s *Stream) SetDeadline(t time.Time) error {
	return s.setDeadlines(t, true, true)
}

// SetReadDeadline sets the deadline of Read, as SetDeadline.
func (s *Stream) SetReadDeadline(t time.Time) error {
	return s.setDeadlines(t, true, false)
}

// SetWriteDeadline sets the deadline of Write, as SetDeadline.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	return s.setDeadlines(t, false, true)
}

func (s *Stream) setDeadlines(t time.Time, read, write bool) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	if read {
		s.readBy.set(t, &s.readable)
	}
	if write {
		s.writeBy.set(t, &s.writable)
	}
	return nil
}

// Waiting returns how long the stream's first data has been away without any
// answer; 0 when there was one, or no data, or the stream has failed.
func (s *Stream) Waiting() time.Duration {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.wait(time.Now())
}

// wait is Waiting with m.mu held.
func (s *Stream) wait(now time.Time) time.Duration {
	if !s.waiting || s.asked.IsZero() || s.err != nil {
		return 0
	}
	return now.Sub(s.asked)
}

// addr names a stream by its id. Of the TCP connection at the agent neither
// address is known.
type addr uint32

func (a addr) Network() string { return "smux" }
func (a addr) String() string  { return "stream " + strconv.FormatUint(uint64(a), 10) }

// LocalAddr names the stream: "stream 3", say, of the network smux.
func (s *Stream) LocalAddr() net.Addr { return addr(s.id) }

// RemoteAddr is LocalAddr.
func (s *Stream) RemoteAddr() net.Addr { return addr(s.id) }
