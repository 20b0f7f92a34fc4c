package mux

import (
	"errors"
	"testing"
)

// state is what can be seen of a Mux after a Deliver, to compare two of them.
type state struct {
	err   string
	stats Stats
	read  [fuzzStreams]string
	end   [fuzzStreams]string
}

const (
	fuzzStreams = 4
	fuzzBuffer  = 300
)

// fuzzMux has streams 3 (open), 5 (closed), 7 (open, data queued), 9 (SYN queued).
func fuzzMux(t *testing.T) (*Mux, [fuzzStreams]*Stream) {
	m := New(Config{MaxStreamBuffer: fuzzBuffer})
	var s [fuzzStreams]*Stream
	for i := range 3 {
		s[i] = mustOpen(t, m)
	}
	drain(t, m, 64)
	s[1].Close()
	drain(t, m, 64)
	mustWrite(t, s[2], "query")
	s[3] = mustOpen(t, m)
	m.ConnectFailed()
	return m, s
}

func (st *state) take(t *testing.T, m *Mux, s [fuzzStreams]*Stream, err error) {
	if err != nil {
		if !errors.Is(err, ErrProtocol) {
			t.Errorf("Deliver: %v, want ErrProtocol or nil", err)
		}
		st.err = err.Error()
	}
	st.stats = m.Stats()
	st.stats.LongestWait = 0 // by the wall clock
	for i, s := range s {
		held := 0
		for c := s.in.head; c != nil; c = c.next {
			held++
		}
		if s.in.len() > fuzzBuffer || held > s.in.len()/chunkSize+2 {
			t.Errorf("stream %d holds %d bytes in %d chunks, want at most %d bytes", i, s.in.len(), held, fuzzBuffer)
		}
		got, err := readNow(s)
		if err == nil {
			st.read[i] = got
			_, err = readNow(s)
		}
		st.end[i] = err.Error()
	}
	if known(m) > fuzzStreams {
		t.Errorf("%d streams known, want at most %d", known(m), fuzzStreams)
	}
}

// FuzzDeliver gives the same bytes whole and in pieces whose sizes cuts tells.
// Nothing may panic, memory stays bounded, and both ways give the same result.
func FuzzDeliver(f *testing.F) {
	long := make([]byte, fuzzBuffer)
	f.Add([]byte{}, []byte{})
	f.Add(wire(wireFrame{psh, 3, "hello"}, wireFrame{fin, 3, ""}), []byte{1})
	f.Add(wire(wireFrame{fin, 3, ""}, wireFrame{fin, 7, ""}, wireFrame{psh, 7, "late"}), []byte{3, 9})
	f.Add(wire(wireFrame{psh, 5, "closed"}, wireFrame{fin, 5, ""}, wireFrame{nop, 0, ""}), []byte{7})
	f.Add(wire(wireFrame{psh, 9, "too early"}, wireFrame{fin, 9, ""}, wireFrame{syn, 11, ""}), []byte{8})
	f.Add(wire(wireFrame{psh, 3, string(long)}, wireFrame{psh, 7, "x"}, wireFrame{psh, 3, "x"}, wireFrame{psh, 3, "y"}), []byte{100})
	f.Add(wire(wireFrame{psh, 3, string(append(long, 1))}), []byte{200, 1})
	f.Add(append(wire(wireFrame{psh, 3, "x"}), 2, 2, 1, 0, 3, 0, 0, 0, 'x'), []byte{5})
	f.Add([]byte{1, 4, 8, 0, 3, 0, 0, 0}, []byte{4})
	f.Add([]byte{1, 2, 255, 255, 3, 0, 0, 0, 1, 2, 3}, []byte{2})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		var whole, pieces state

		m, s := fuzzMux(t)
		whole.take(t, m, s, m.Deliver(data))

		m, s = fuzzMux(t)
		var err error
		rest := data
		for i := 0; len(rest) > 0 && err == nil; i++ {
			n := 1
			if len(cuts) > 0 {
				n = min(len(rest), int(cuts[i%len(cuts)])+1)
			}
			err = m.Deliver(rest[:n])
			rest = rest[n:]
		}
		pieces.take(t, m, s, err)

		if whole != pieces {
			t.Errorf("whole %+v\nin pieces %+v", whole, pieces)
		}
		for _, f := range drain(t, m, 64) {
			if f.id == 5 && f.cmd != nop {
				t.Errorf("sent %v after its FIN", f)
			}
		}
	})
}
