package mux

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fullStream returns a Mux of which stream 3 can neither be read nor written
// without waiting, its SYN and 64 KiB not yet taken by Fill.
func fullStream(t *testing.T) (*Mux, *Stream) {
	m := New(Config{})
	s := mustOpen(t, m)
	mustWrite(t, s, strings.Repeat("x", m.cfg.MaxSendBuffer))
	return m, s
}

func TestBlockedCallsAreWoken(t *testing.T) {
	reason := errors.New("session ended")
	for _, tt := range []struct {
		name        string
		do          func(*Mux, *Stream)
		read, write error
	}{
		{"Close", func(m *Mux, s *Stream) { s.Close() }, net.ErrClosed, net.ErrClosed},
		{"Fail", func(m *Mux, s *Stream) { m.Fail(reason) }, reason, reason},
		{"Fail without a reason", func(m *Mux, s *Stream) { m.Fail(nil) }, ErrClosed, ErrClosed},
		{"past deadline", func(m *Mux, s *Stream) { s.SetDeadline(longAgo) }, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		{"deadlines", func(m *Mux, s *Stream) {
			s.SetReadDeadline(time.Now().Add(time.Second))
			s.SetWriteDeadline(time.Now().Add(2 * time.Second))
			time.Sleep(2 * time.Second)
		}, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		{"agent FIN", func(m *Mux, s *Stream) {
			m.Fill(make([]byte, 64))
			mustDeliver(t, m, wireFrame{fin, 3, ""})
		}, io.EOF, ErrPeerClosed},
		{"connect failure", func(m *Mux, s *Stream) {
			m.Fill(make([]byte, 64))
			m.ConnectFailed()
			mustDeliver(t, m, wireFrame{fin, 3, ""})
		}, ErrConnect, ErrConnect},
		{"overflow", func(m *Mux, s *Stream) {
			m.Fill(make([]byte, 64))
			m.cfg.MaxStreamBuffer = 1
			mustDeliver(t, m, wireFrame{psh, 3, "xx"})
		}, ErrStreamOverflow, ErrStreamOverflow},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, s := fullStream(t)
				for range 2 {
					go func() {
						if n, err := s.Read(make([]byte, 10)); n != 0 || !errors.Is(err, tt.read) {
							t.Errorf("Read = %d, %v, want %v", n, err, tt.read)
						}
					}()
					go func() {
						if n, err := s.Write([]byte("more")); n != 0 || !errors.Is(err, tt.write) {
							t.Errorf("Write = %d, %v, want %v", n, err, tt.write)
						}
					}()
				}
				synctest.Wait()
				tt.do(m, s)
				// The bubble's end demands that all four have returned.
			})
		})
	}
}

func TestDeadlineIsKeptToTheMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{})
		s := mustOpen(t, m)
		drain(t, m, 64)
		start := time.Now()
		s.SetReadDeadline(start.Add(time.Second))
		s.SetReadDeadline(start.Add(3 * time.Second)) // replaces the first
		if _, err := s.Read(make([]byte, 1)); err != os.ErrDeadlineExceeded || time.Since(start) != 3*time.Second {
			t.Errorf("Read ended after %v with %v, want 3s and a timeout", time.Since(start), err)
		}
		if _, err := s.Write([]byte("x")); err != nil {
			t.Errorf("Write under a read deadline: %v", err)
		}
		mustDeliver(t, m, wireFrame{psh, 3, "x"})
		if _, err := s.Read(make([]byte, 1)); err != os.ErrDeadlineExceeded {
			t.Errorf("Read past the deadline: %v, want a timeout even with data", err)
		}
		s.SetReadDeadline(time.Now().Add(time.Second))
		s.SetReadDeadline(time.Time{})
		time.Sleep(2 * time.Second) // nothing is left of the one before
		if got, err := readNow(s); got != "x" || err != nil {
			t.Errorf("Read without deadline = %q, %v, want \"x\"", got, err)
		}

		s.SetDeadline(time.Now().Add(time.Second))
		s.Close()
		if err := s.SetDeadline(time.Now().Add(time.Second)); err != net.ErrClosed {
			t.Errorf("SetDeadline after Close: %v, want net.ErrClosed", err)
		}
	})
}

func TestWriteWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{MaxSendBuffer: 1000})
		s := mustOpen(t, m)
		returned := false
		go func() {
			if n, err := s.Write(make([]byte, 2500)); n != 2500 || err != nil {
				t.Errorf("Write = %d, %v, want 2500", n, err)
			}
			returned = true
		}()
		p := make([]byte, 108) // 100 bytes of data
		for synctest.Wait(); ; synctest.Wait() {
			if queued := s.out.len(); queued > 1000 {
				t.Errorf("%d bytes queued, want at most 1000", queued)
			}
			if sent := m.Stats().Sent; returned && sent < 1500 {
				t.Errorf("Write returned when %d bytes were sent, want at least 1500", sent)
			}
			if m.Fill(p) == 0 {
				break
			}
		}
		if sent := m.Stats().Sent; sent != 2500 || !returned {
			t.Errorf("%d bytes sent, Write returned: %v, want 2500 and true", sent, returned)
		}
	})
}

func TestWritesDoNotInterleave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{MaxSendBuffer: 100})
		s := mustOpen(t, m)
		for _, letter := range []string{"a", "b", "c"} {
			go s.Write([]byte(strings.Repeat(letter, 1000)))
		}
		var got strings.Builder
		p := make([]byte, 64)
		in := new(parser)
		for synctest.Wait(); ; synctest.Wait() {
			n := m.Fill(p)
			if n == 0 {
				break
			}
			frames, err := in.parse(p[:n])
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range frames {
				got.WriteString(f.data)
			}
		}
		if runs := slices.Compact([]byte(got.String())); got.Len() != 3000 || len(runs) != 3 {
			t.Errorf("%d bytes in the order %q, want 3000 in three runs", got.Len(), runs)
		}
	})
}

func TestCutWriteTellsWhatWasQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{MaxSendBuffer: 1000})
		s := mustOpen(t, m)
		s.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := s.Write(make([]byte, 2500))
		if n != 1000 || err != os.ErrDeadlineExceeded {
			t.Errorf("Write = %d, %v, want 1000 and a timeout", n, err)
		}
		s.Close()
		sent := 0
		frames := drain(t, m, 1024)
		for _, f := range frames {
			sent += len(f.data)
		}
		if sent != n || frames[len(frames)-1].cmd != fin {
			t.Errorf("sent %d bytes, ending in %v, want %d and a FIN", sent, frames[len(frames)-1], n)
		}
	})
}

func TestLoneSYNLeavesWhenReadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{})
		s := mustOpen(t, m)
		go func() {
			<-m.Ready()
			if got, want := drain(t, m, 64), []wireFrame{{syn, 3, ""}}; !slices.Equal(got, want) {
				t.Errorf("sent %v, want %v", got, want)
			}
			mustDeliver(t, m, wireFrame{psh, 3, "banner"})
		}()
		p := make([]byte, 100)
		if n, err := s.Read(p); string(p[:n]) != "banner" || err != nil {
			t.Errorf("Read = %q, %v, want the server's first word", p[:n], err)
		}
	})
}

func TestCloseInEveryPhase(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*Mux, *Stream)
		want []wireFrame // sent after Close
	}{
		{"before SYN", func(m *Mux, s *Stream) {}, nil},
		{"before SYN with data", func(m *Mux, s *Stream) { s.Write([]byte("x")) },
			[]wireFrame{{syn, 3, ""}, {psh, 3, "x"}, {fin, 3, ""}}},
		{"after SYN", func(m *Mux, s *Stream) { drain(t, m, 64) }, []wireFrame{{fin, 3, ""}}},
		{"with data queued", func(m *Mux, s *Stream) { drain(t, m, 64); s.Write([]byte("x")) },
			[]wireFrame{{psh, 3, "x"}, {fin, 3, ""}}},
		{"with data unread", func(m *Mux, s *Stream) { drain(t, m, 64); mustDeliver(t, m, wireFrame{psh, 3, "x"}) },
			[]wireFrame{{fin, 3, ""}}},
		{"in the middle of a frame", func(m *Mux, s *Stream) {
			drain(t, m, 64)
			m.Deliver(wire(wireFrame{psh, 3, "xxxx"})[:10])
		}, []wireFrame{{fin, 3, ""}}},
		{"after the agent's FIN", func(m *Mux, s *Stream) { drain(t, m, 64); mustDeliver(t, m, wireFrame{fin, 3, ""}) },
			[]wireFrame{{fin, 3, ""}}},
		{"after a connect failure", func(m *Mux, s *Stream) {
			drain(t, m, 64)
			m.ConnectFailed()
			mustDeliver(t, m, wireFrame{fin, 3, ""})
		}, []wireFrame{{fin, 3, ""}}},
		{"after Fail", func(m *Mux, s *Stream) { s.Write([]byte("x")); m.Fail(nil) }, nil},
		{"twice", func(m *Mux, s *Stream) { drain(t, m, 64); s.Close() }, []wireFrame{{fin, 3, ""}}},
	} {
		m := New(Config{})
		s := mustOpen(t, m)
		tt.do(m, s)
		if err := s.Close(); err != nil {
			t.Errorf("%s: Close: %v", tt.name, err)
		}
		if got := drain(t, m, 64); !slices.Equal(got, tt.want) {
			t.Errorf("%s: sent %v, want %v", tt.name, got, tt.want)
		}
		if _, err := s.Read(make([]byte, 1)); err != net.ErrClosed {
			t.Errorf("%s: Read: %v, want net.ErrClosed", tt.name, err)
		}
		if _, err := s.Write([]byte("x")); err != net.ErrClosed {
			t.Errorf("%s: Write: %v, want net.ErrClosed", tt.name, err)
		}
		if m.open != 0 || s.in.head != nil || s.out.head != nil || s.queued {
			t.Errorf("%s: %d open, buffers in %p out %p, queued %v; want nothing left", tt.name, m.open, s.in.head, s.out.head, s.queued)
		}
		if m.err != nil {
			continue
		}
		// The rest of a cut frame, then the agent's FIN.
		m.Deliver(make([]byte, m.in.body))
		mustDeliver(t, m, wireFrame{fin, 3, ""})
		if known(m) != 0 || m.waiting != 0 {
			t.Errorf("%s: %d streams known, %d waiting after both FINs, want none", tt.name, known(m), m.waiting)
		}
	}
}

func TestFailIsFinal(t *testing.T) {
	m := New(Config{})
	a, b, c := mustOpen(t, m), mustOpen(t, m), mustOpen(t, m)
	drain(t, m, 64)
	mustWrite(t, a, "never sent")
	mustDeliver(t, m, wireFrame{psh, a.id, "arrived"}, wireFrame{fin, b.id, ""})
	first := errors.New("first")
	m.Fail(first)
	m.Fail(errors.New("second"))
	m.SendNOP()
	if got := drain(t, m, 64); len(got) != 0 {
		t.Errorf("sent %v after Fail, want nothing", got)
	}
	if got, err := readNow(a); got != "arrived" || err != nil {
		t.Errorf("Read = %q, %v, want what had arrived", got, err)
	}
	if _, err := readNow(a); !errors.Is(err, first) || !errors.Is(err, ErrClosed) || errors.Is(err, net.ErrClosed) {
		t.Errorf("then Read: %v, want ErrClosed and the first reason, and not net.ErrClosed", err)
	}
	if _, err := readNow(b); err != io.EOF {
		t.Errorf("Read of a stream that had ended: %v, want io.EOF", err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, first) {
		t.Errorf("Write: %v, want the first reason", err)
	}
	if err := m.Deliver(wire(wireFrame{psh, c.id, "x"})); !errors.Is(err, first) {
		t.Errorf("Deliver: %v, want the first reason", err)
	}
	if _, err := m.OpenStream(); !errors.Is(err, first) || !errors.Is(err, ErrClosed) {
		t.Errorf("OpenStream: %v, want ErrClosed and the first reason", err)
	}
	for _, s := range []*Stream{a, b, c} {
		s.Close()
	}
	if got := m.Stats(); got.Streams != 0 || got.Waiting != 0 {
		t.Errorf("Stats after all Closes = %+v, want no streams", got)
	}
}

func TestStatsCountStreamsAndBytes(t *testing.T) {
	synctest.Test(t, statsCountStreamsAndBytes)
}

func statsCountStreamsAndBytes(t *testing.T) {
	m := New(Config{})
	a, b := mustOpen(t, m), mustOpen(t, m)
	mustWrite(t, a, "12345")
	if got, want := m.Stats(), (Stats{Streams: 2, Waiting: 2, Known: 2}); got != want {
		t.Errorf("before Fill: %+v, want %+v", got, want)
	}
	drain(t, m, 64)
	mustDeliver(t, m, wireFrame{psh, a.id, "123"})
	b.Close()
	if got, want := m.Stats(), (Stats{Streams: 1, Waiting: 1, Known: 2, Sent: 5, Received: 3}); got != want {
		t.Errorf("after both ways: %+v, want %+v", got, want)
	}
}

func TestWaitingIsFromFirstDataToFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{})
		check := func(when string, longest time.Duration, streams map[*Stream]time.Duration) {
			t.Helper()
			if got := m.Stats().LongestWait; got != longest {
				t.Errorf("%s: longest wait %v, want %v", when, got, longest)
			}
			for s, want := range streams {
				if got := s.Waiting(); got != want {
					t.Errorf("%s: stream %d waits for %v, want %v", when, s.id, got, want)
				}
			}
		}
		a := mustOpen(t, m)
		drain(t, m, 64) // the SYN alone
		time.Sleep(time.Second)
		check("no data sent", 0, map[*Stream]time.Duration{a: 0})
		mustWrite(t, a, "x")
		drain(t, m, 64)
		time.Sleep(time.Second)
		b := mustOpen(t, m)
		mustWrite(t, b, "x")
		drain(t, m, 64)
		time.Sleep(time.Second)
		check("both sent", 2*time.Second, map[*Stream]time.Duration{a: 2 * time.Second, b: time.Second})
		a.Close()
		drain(t, m, 64)
		check("one closed, not ended by the agent", 2*time.Second, nil)
		mustDeliver(t, m, wireFrame{fin, a.id, ""}, wireFrame{psh, b.id, "x"})
		check("both answered", 0, map[*Stream]time.Duration{a: 0, b: 0})
		c := mustOpen(t, m)
		mustWrite(t, c, "x")
		drain(t, m, 64)
		time.Sleep(time.Second)
		m.Fail(nil)
		check("failed", 0, map[*Stream]time.Duration{c: 0})
	})
}

// Everything at once from many goroutines: the race detector and the bubble's
// leak check are the judges.
func TestConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{MaxSendBuffer: 500})
		var users sync.WaitGroup
		for i := range 20 {
			users.Go(func() {
				s := mustOpen(t, m)
				s.SetDeadline(time.Now().Add(time.Duration(i) * time.Millisecond))
				go s.Write(make([]byte, 2000))
				go io.Copy(io.Discard, s)
				time.Sleep(10 * time.Millisecond)
				m.Stats()
				s.Close()
			})
		}
		stop := make(chan struct{})
		go func() { // an agent that echoes
			in := new(parser)
			p := make([]byte, 256)
			for {
				n := m.Fill(p)
				frames, err := in.parse(p[:n])
				if err != nil {
					t.Error(err)
					return
				}
				for _, f := range frames {
					if f.cmd == psh || f.cmd == fin {
						mustDeliver(t, m, f)
					}
				}
				if n > 0 {
					continue
				}
				select {
				case <-m.Ready():
				case <-stop:
					return
				}
			}
		}()
		users.Wait()
		synctest.Wait()
		close(stop)
		if known(m) != 0 || m.Stats().Streams != 0 {
			t.Errorf("%d streams known, %+v, want none", known(m), m.Stats())
		}
	})
}
