package smux

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"github.com/xtaci/smux"

	"github.com/pgkeyless/pgkeyless/tunnel/mux"
)

// genuine runs a smux server behind one end of a connection, and a Mux, which
// it returns, over the other. serve gets each stream. Message size is size.
func genuine(t *testing.T, ours, theirs net.Conn, size int, serve func(*smux.Stream)) *mux.Mux {
	t.Helper()
	cfg := smux.DefaultConfig()
	cfg.Version = 1
	cfg.KeepAliveDisabled = true
	server, err := smux.Server(theirs, cfg)
	if err != nil {
		t.Fatal(err)
	}
	m := mux.New(mux.Config{})
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		p := make([]byte, size)
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
			if _, err := ours.Write(p[:n]); err != nil {
				m.Fail(err)
				return
			}
		}
	})
	wg.Go(func() {
		p := make([]byte, size)
		for {
			n, err := ours.Read(p)
			if err := m.Deliver(p[:n]); err != nil {
				return
			}
			if err != nil {
				m.Fail(err)
				return
			}
		}
	})
	wg.Go(func() {
		for {
			s, err := server.AcceptStream()
			if err != nil {
				return
			}
			wg.Go(func() { serve(s) })
		}
	})
	t.Cleanup(func() {
		close(done)
		m.Fail(errors.New("test ended"))
		server.Close()
		ours.Close()
		wg.Wait()
	})
	return m
}

// transports are the ways to the genuine server.
var transports = map[string]func(t *testing.T) (ours, theirs net.Conn){
	"pipe": func(*testing.T) (ours, theirs net.Conn) { return net.Pipe() },
	"tcp": func(t *testing.T) (ours, theirs net.Conn) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ours, err = net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		theirs, err = l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return ours, theirs
	},
}

// A transfer begins with 24 bytes: bytes up, bytes down, seed of those down.
// The answer is the SHA-256 of the bytes up, then the bytes down.
const transferHeader = 24

func serveTransfer(s *smux.Stream) {
	defer s.Close()
	head := make([]byte, transferHeader)
	if _, err := io.ReadFull(s, head); err != nil {
		return
	}
	sum := sha256.New()
	if _, err := io.CopyN(sum, s, int64(binary.BigEndian.Uint64(head))); err != nil {
		return
	}
	down := randomBytes(binary.BigEndian.Uint64(head[16:]), int(binary.BigEndian.Uint64(head[8:])))
	if _, err := s.Write(append(sum.Sum(nil), down...)); err != nil {
		return
	}
	if len(down)%2 == 0 {
		io.Copy(io.Discard, s) // half of the streams are closed by the client
	}
}

func randomBytes(seed uint64, n int) []byte {
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	b := make([]byte, n)
	rng.Read(b)
	return b
}

// transfer runs one transfer and compares both ways.
func transfer(m *mux.Mux, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 1))
	s, err := m.OpenStream()
	if err != nil {
		return err
	}
	defer s.Close()
	up := randomBytes(seed+1, rng.IntN(100<<10))
	down := randomBytes(seed, rng.IntN(100<<10))
	head := binary.BigEndian.AppendUint64(nil, uint64(len(up)))
	head = binary.BigEndian.AppendUint64(head, uint64(len(down)))
	head = binary.BigEndian.AppendUint64(head, seed)
	for rest := append(head, up...); len(rest) > 0; {
		n := min(len(rest), 1+rng.IntN(40<<10))
		if _, err := s.Write(rest[:n]); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
		rest = rest[n:]
	}
	answer := make([]byte, sha256.Size+len(down))
	for got := 0; got < len(answer); {
		n, err := s.Read(answer[got:min(len(answer), got+1+rng.IntN(10<<10))])
		if err != nil {
			return fmt.Errorf("reading byte %d of %d: %w", got, len(answer), err)
		}
		got += n
	}
	if want := sha256.Sum256(up); !bytes.Equal(answer[:sha256.Size], want[:]) {
		return fmt.Errorf("%d bytes up: the server saw others", len(up))
	}
	if sha256.Sum256(answer[sha256.Size:]) != sha256.Sum256(down) {
		return fmt.Errorf("%d bytes down: others than the server sent", len(down))
	}
	if len(down)%2 == 1 {
		if n, err := s.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			return fmt.Errorf("read at the end = %d, %v, want io.EOF", n, err)
		}
	}
	return nil
}

func TestTransfersWithTheGenuineServer(t *testing.T) {
	for name, connect := range transports {
		for _, size := range []int{64, 1024, 16 << 10} {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				t.Parallel()
				ours, theirs := connect(t)
				var serving sync.WaitGroup
				m := genuine(t, ours, theirs, size, func(s *smux.Stream) {
					serveTransfer(s)
					serving.Done()
				})
				const workers, each = 24, 3
				serving.Add(workers * each)
				var clients sync.WaitGroup
				for w := range workers {
					clients.Go(func() {
						for i := range each {
							if err := transfer(m, uint64(w*each+i)); err != nil {
								t.Errorf("transfer %d of worker %d: %v", i, w, err)
							}
						}
					})
				}
				clients.Wait()
				serving.Wait()
				// The last FIN has been sent, so this answer comes behind it.
				serving.Add(1)
				if err := transfer(m, 1); err != nil {
					t.Errorf("last transfer: %v", err)
				}
				if stats := m.Stats(); stats.Known > 1 || stats.Streams != 0 {
					t.Errorf("%+v, want all forgotten but the last", stats)
				}
			})
		}
	}
}

// Closing a stream at any point must leave the others and the session unharmed.
func TestCloseInEveryPhaseWithTheGenuineServer(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*mux.Stream) error
	}{
		{"at once", func(*mux.Stream) error { return nil }},
		{"after a write", func(s *mux.Stream) error { _, err := s.Write([]byte("x")); return err }},
		{"after an echo", func(s *mux.Stream) error {
			s.Write([]byte("hello"))
			_, err := io.ReadFull(s, make([]byte, 5))
			return err
		}},
		{"with unread data", func(s *mux.Stream) error {
			s.Write(make([]byte, 100<<10))
			_, err := io.ReadFull(s, make([]byte, 10))
			return err
		}},
		{"during Write", func(s *mux.Stream) error {
			done := make(chan error)
			go func() {
				_, err := s.Write(make([]byte, 10<<20))
				done <- err
			}()
			io.ReadFull(s, make([]byte, 1000))
			s.Close()
			if err := <-done; err != net.ErrClosed {
				return fmt.Errorf("Write: %w, want net.ErrClosed", err)
			}
			return nil
		}},
		{"during Read", func(s *mux.Stream) error {
			done := make(chan error)
			go func() {
				_, err := io.Copy(io.Discard, s)
				done <- err
			}()
			s.Write(make([]byte, 10000))
			s.Close()
			if err := <-done; err != net.ErrClosed {
				return fmt.Errorf("Read: %w, want net.ErrClosed", err)
			}
			return nil
		}},
		{"after the server's", func(s *mux.Stream) error {
			s.Write([]byte("quit"))
			if n, err := io.Copy(io.Discard, s); n != 0 || err != nil {
				return fmt.Errorf("read %d bytes, %v, want the end", n, err)
			}
			return nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			m := genuine(t, ours, theirs, 1024, func(s *smux.Stream) {
				defer s.Close()
				p := make([]byte, 4096)
				for {
					n, err := s.Read(p)
					if err != nil || string(p[:n]) == "quit" {
						return
					}
					if _, err := s.Write(p[:n]); err != nil {
						return
					}
				}
			})
			for range 3 {
				s, err := m.OpenStream()
				if err != nil {
					t.Fatal(err)
				}
				if err := tt.do(s); err != nil {
					t.Error(err)
				}
				s.Close()
			}
			s, err := m.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			const question = "still there?"
			if n, err := s.Write([]byte(question)); n != len(question) || err != nil {
				t.Fatalf("Write of %d bytes = %d, %v", len(question), n, err)
			}
			got := make([]byte, len(question))
			if _, err := io.ReadFull(s, got); err != nil || string(got) != question {
				t.Errorf("another stream read %q, %v", got, err)
			}
		})
	}
}

func TestGenuineServerIgnoresNOP(t *testing.T) {
	ours, theirs := net.Pipe()
	m := genuine(t, ours, theirs, 1024, serveTransfer)
	for i := range 5 {
		m.SendNOP()
		if err := transfer(m, uint64(i)); err != nil {
			t.Errorf("transfer %d: %v", i, err)
		}
	}
}
