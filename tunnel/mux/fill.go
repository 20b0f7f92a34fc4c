package mux

import "time"

// minFill is the smallest p for which Fill makes progress on stream data. It
// also keeps frames from being cut into crumbs: room for less is left unused
// rather than filled with the beginning of a larger piece.
const minFill = 64

// Ready tells when Fill may have bytes: a value arrives after a stream has got
// something to send, and after a Fill that left something behind. The channel
// holds one value and is never closed; a value may be there for nothing.
func (m *Mux) Ready() <-chan struct{} { return m.wake }

// signal makes Ready say so.
func (m *Mux) signal() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// SendNOP queues a NOP frame, which the agent ignores. One that is still queued
// is not queued twice.
func (m *Mux) SendNOP() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.nop = true
		m.signal()
	}
}

// Fill packs pending frames into p and returns how many bytes it wrote; 0 means
// there is nothing to send. The bytes are the caller's from then on: they must
// reach Deliver's peer once, in the order of the calls.
//
// p should have at least 64 bytes; less only takes a NOP. A NOP comes first, so
// a p of 8 bytes takes it alone. Streams take turns of len(p) bytes each, and
// one with little to say leaves the rest of p to the next.
func (m *Mux) Fill(p []byte) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	if m.nop && len(p) >= headerSize {
		n = header{command: cmdNOP}.put(p)
		m.nop = false
	}
	if m.queued > 0 && len(p) >= minFill {
		m.crowd.taken()
	}
	for s := m.ready.front(); s != nil; s = m.ready.front() {
		if len(p) < minFill {
			m.signal()
			break
		}
		if s.turn == 0 {
			s.turn = len(p)
		}
		k := s.fill(p[n:min(len(p), n+s.turn)])
		n += k
		s.turn -= k
		if !s.pending() {
			m.ready.remove(s)
			continue
		}
		if s.turn >= minFill { // so it was p that had no more room
			m.signal()
			break
		}
		m.ready.remove(s)
		m.ready.push(s)
	}
	return n
}

// pending says whether the stream has anything to send. m.mu is held.
func (s *Stream) pending() bool {
	return s.syn || s.out.len() > 0 || s.fin == finQueued
}

// fill writes the stream's next frames into room and returns their size: SYN,
// then data, then FIN. m.mu is held.
func (s *Stream) fill(room []byte) int {
	n := 0
	if s.syn {
		if len(room) < headerSize {
			return 0
		}
		n += header{command: cmdSYN, stream: s.id}.put(room)
		s.syn = false
	}
	for s.out.len() > 0 {
		size := min(s.out.len(), maxFrameData)
		if space := len(room) - n; space < headerSize+size {
			if space < minFill {
				break
			}
			size = space - headerSize
		}
		n += header{command: cmdPSH, length: size, stream: s.id}.put(room[n:])
		n += s.out.read(room[n : n+size])
		s.m.queued -= size
		s.m.sent += int64(size)
		s.unanswered += size
		s.m.unanswered += size
		if s.asked.IsZero() {
			s.asked = time.Now()
		}
	}
	// Waking writers for every frame would cost a switch per KiB.
	if s.out.len() <= s.m.cfg.MaxSendBuffer/2 {
		s.writable.Broadcast()
	}
	if s.fin == finQueued && s.out.len() == 0 && len(room)-n >= headerSize {
		n += header{command: cmdFIN, stream: s.id}.put(room[n:])
		s.fin = finSent
		s.m.forget(s)
	}
	return n
}

// turns is the queue of streams with something to send, linked through them.
type turns struct {
	head, tail *Stream
}

func (q *turns) front() *Stream { return q.head }

// push puts s last, unless it is queued already.
func (q *turns) push(s *Stream) {
	if s.queued {
		return
	}
	s.queued = true
	s.turn = 0
	s.prev, s.next = q.tail, nil
	if q.tail == nil {
		q.head = s
	} else {
		q.tail.next = s
	}
	q.tail = s
}

// remove takes s out, if it is queued.
func (q *turns) remove(s *Stream) {
	if !s.queued {
		return
	}
	if s.prev == nil {
		q.head = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		q.tail = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.queued, s.prev, s.next = false, nil, nil
}
