package mux

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// The agent's side of the wire, written apart from frame.go.

type wireFrame struct {
	cmd  byte
	id   uint32
	data string
}

const (
	syn = 0
	fin = 1
	psh = 2
	nop = 3
)

func (f wireFrame) String() string {
	names := []string{"SYN", "FIN", "PSH", "NOP"}
	return fmt.Sprintf("%s(%d,%d bytes)", names[f.cmd], f.id, len(f.data))
}

// wire encodes frames.
func wire(frames ...wireFrame) []byte {
	var b []byte
	for _, f := range frames {
		b = append(b, 1, f.cmd)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(f.data)))
		b = binary.LittleEndian.AppendUint32(b, f.id)
		b = append(b, f.data...)
	}
	return b
}

// parser decodes the client's bytes, and refuses what a client must not send:
// ids that are even or do not rise, data before SYN or after FIN.
type parser struct {
	rest   []byte
	lastID uint32
	state  map[uint32]byte // the stream's last command
}

func (p *parser) parse(b []byte) ([]wireFrame, error) {
	p.rest = append(p.rest, b...)
	if p.state == nil {
		p.state = make(map[uint32]byte)
	}
	var out []wireFrame
	for len(p.rest) >= 8 {
		size := 8 + int(binary.LittleEndian.Uint16(p.rest[2:]))
		if len(p.rest) < size {
			break
		}
		f := wireFrame{p.rest[1], binary.LittleEndian.Uint32(p.rest[4:]), string(p.rest[8:size])}
		last, known := p.state[f.id]
		switch {
		case p.rest[0] != 1 || f.cmd > nop:
			return out, fmt.Errorf("not a frame: %x", p.rest[:8])
		case f.cmd != psh && size != 8:
			return out, fmt.Errorf("%v with data", f)
		case f.cmd == psh && f.data == "":
			return out, fmt.Errorf("%v without data", f)
		case f.cmd == nop && f.id != 0:
			return out, fmt.Errorf("%v with an id", f)
		case f.cmd == syn && (f.id%2 == 0 || f.id <= p.lastID || f.id < 3):
			return out, fmt.Errorf("%v after id %d", f, p.lastID)
		case (f.cmd == psh || f.cmd == fin) && !known:
			return out, fmt.Errorf("%v before its SYN", f)
		case (f.cmd == psh || f.cmd == fin) && last == fin:
			return out, fmt.Errorf("%v after its FIN", f)
		}
		if f.cmd != nop {
			p.state[f.id] = f.cmd
		}
		if f.cmd == syn {
			p.lastID = f.id
		}
		p.rest = p.rest[size:]
		out = append(out, f)
	}
	return out, nil
}

// drain Fills with size bytes at a time until nothing is left.
func drain(t *testing.T, m *Mux, size int) []wireFrame {
	t.Helper()
	var all []byte
	p := make([]byte, size)
	for n := m.Fill(p); n > 0; n = m.Fill(p) {
		all = append(all, p[:n]...)
	}
	// Not the checking parser: a test may drain in several steps.
	var out []wireFrame
	for len(all) >= 8 {
		end := 8 + int(binary.LittleEndian.Uint16(all[2:]))
		out = append(out, wireFrame{all[1], binary.LittleEndian.Uint32(all[4:]), string(all[8:end])})
		all = all[end:]
	}
	if len(all) > 0 {
		t.Fatalf("Fill ended in the middle of a frame: %x", all)
	}
	return out
}

func mustOpen(t testing.TB, m *Mux) *Stream {
	t.Helper()
	s, err := m.OpenStream()
	if err != nil {
		t.Fatalf("OpenStream: %v", err)
	}
	return s
}

func mustDeliver(t testing.TB, m *Mux, frames ...wireFrame) {
	t.Helper()
	if err := m.Deliver(wire(frames...)); err != nil {
		t.Fatalf("Deliver(%v): %v", frames, err)
	}
}

func mustWrite(t testing.TB, s *Stream, data string) {
	t.Helper()
	if n, err := s.Write([]byte(data)); n != len(data) || err != nil {
		t.Fatalf("Write of %d bytes = %d, %v", len(data), n, err)
	}
}

// known returns how many streams the Mux still remembers.
func known(m *Mux) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.streams)
}

// readNow reads what is there, without waiting for more.
func readNow(s *Stream) (string, error) {
	s.m.mu.Lock()
	p := make([]byte, s.in.len()+1)
	ready := s.in.len() > 0 || s.err != nil || s.peerFin || s.closed
	s.m.mu.Unlock()
	if !ready {
		return "", os.ErrDeadlineExceeded
	}
	n, err := s.Read(p)
	return string(p[:n]), err
}

// pipe connects a stream with a net.Conn that the test holds in the agent's
// place: what the agent does with a TCP connection, in small.
func pipe(cfg Config) (c1, c2 net.Conn, stop func(), err error) {
	m := New(cfg)
	s, err := m.OpenStream()
	if err != nil {
		return nil, nil, nil, err
	}
	far, near := net.Pipe()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // client → agent
		var in parser
		p := make([]byte, 1024)
		for {
			n := m.Fill(p)
			if n == 0 {
				select {
				case <-m.Ready():
					continue
				case <-done:
					return
				}
			}
			frames, err := in.parse(p[:n])
			if err != nil {
				m.Fail(err)
				return
			}
			for _, f := range frames {
				switch f.cmd {
				case psh:
					near.Write([]byte(f.data))
				case fin:
					near.Close()
				}
			}
		}
	})
	wg.Go(func() { // agent → client
		p := make([]byte, 1024)
		for {
			n, err := near.Read(p)
			if n > 0 {
				m.Deliver(wire(wireFrame{psh, s.id, string(p[:n])}))
			}
			if err != nil {
				m.Deliver(wire(wireFrame{fin, s.id, ""}))
				near.Close()
				return
			}
		}
	})
	return s, far, sync.OnceFunc(func() {
		s.Close()
		far.Close()
		near.Close()
		close(done)
		wg.Wait()
	}), nil
}

var longAgo = time.Unix(1, 0)
