package mux

import "time"

// incoming is where Deliver stands in the agent's byte stream.
type incoming struct {
	header [headerSize]byte
	have   int     // bytes of header received
	body   int     // bytes of the current PSH still to come
	stream *Stream // whom they are for; nil: nobody any more
}

// Deliver takes the next bytes from the agent. Frames may begin and end
// anywhere. It copies what it keeps, and never blocks.
//
// An error is fatal: bytes that are not smux version 1 (ErrProtocol) have failed
// the whole Mux as Fail does; after Fail every call gives its error. A stream
// over its buffer fails alone, without an error here.
//
// Frames for ids that are not in use are ignored, and so is a SYN: the agent
// never opens streams.
func (m *Mux) Deliver(p []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	for len(p) > 0 {
		if m.in.body > 0 {
			n := min(len(p), m.in.body)
			m.data(m.in.stream, p[:n])
			m.in.body -= n
			p = p[n:]
			continue
		}
		n := copy(m.in.header[m.in.have:], p)
		p = p[n:]
		if m.in.have += n; m.in.have < headerSize {
			break
		}
		m.in.have = 0
		h, err := parseHeader(m.in.header)
		if err != nil {
			m.fail(err)
			return m.err
		}
		m.frame(h)
	}
	return nil
}

// frame handles a header.
func (m *Mux) frame(h header) {
	s := m.streams[h.stream]
	if s != nil && s.syn {
		s = nil // the agent cannot know it yet
	}
	switch h.command {
	case cmdPSH:
		m.in.body, m.in.stream = h.length, s
	case cmdFIN:
		m.in.stream = nil
		if s != nil {
			m.ended(s)
		}
	}
}

// data handles bytes of a PSH for s, which may be nil.
func (m *Mux) data(s *Stream, p []byte) {
	m.received += int64(len(p))
	if s == nil {
		return
	}
	m.answered(s)
	switch {
	case s.closed || s.err != nil || s.peerFin:
		// nobody will read it
	case s.in.len()+len(p) > m.cfg.MaxStreamBuffer:
		s.in.release()
		s.fail(ErrStreamOverflow)
		s.queueFIN()
	default:
		m.told(s, time.Now())
		s.in.write(p)
		s.readable.Broadcast()
	}
}

// ended handles the agent's FIN for s. A second one changes nothing.
func (m *Mux) ended(s *Stream) {
	if m.refusals > 0 && s.waiting {
		m.refusals--
		s.fail(ErrConnect)
	}
	m.answered(s)
	s.peerFin = true
	s.dropQueued() // the agent reads no more
	if !s.pending() {
		m.ready.remove(s)
	}
	s.readable.Broadcast()
	s.writable.Broadcast()
	m.forget(s)
}

// answered notes a sign of life for s from the agent.
func (m *Mux) answered(s *Stream) {
	m.unanswered -= s.unanswered
	s.unanswered = 0
	if s.waiting {
		s.waiting = false
		m.waiting--
	}
}

// forget drops s once both sides have sent FIN.
func (m *Mux) forget(s *Stream) {
	if s.peerFin && s.fin == finSent {
		delete(m.streams, s.id)
	}
}

// ConnectFailed tells that the agent's flag ConnectToPortError has arrived. The
// flag names no stream but comes before the FIN of the one meant, so the first
// FIN from then on for a stream without data gives that stream ErrConnect. Flags
// are counted: several may come before their FINs.
//
// When a stream that did connect ends without data in between, it takes the
// other's error, and the other sees io.EOF.
//
// Source: amazon-ssm-agent, agent/session/plugins/port/port_mux.go.
func (m *Mux) ConnectFailed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refusals++
}
