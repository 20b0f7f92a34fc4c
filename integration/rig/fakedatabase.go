package rig

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// FakeDatabase takes a login over TLS up to the password, and refuses it with
// words that only AWS's servers have.
type FakeDatabase struct {
	listener net.Listener
	tls      *tls.Config
	answer   func(io.ReadWriter) // to a StartupMessage
	serving  sync.WaitGroup

	mu     sync.Mutex
	fields []string // of the ErrorResponse
	logins int
}

// StartFakeDatabase starts one that is host, as far as the database's own
// authority says. answer, if any, takes over behind the StartupMessage.
func StartFakeDatabase(t *testing.T, host string, answer func(io.ReadWriter)) *FakeDatabase {
	t.Helper()
	chain, key, err := Shared.Database.CA().Issue(host)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &FakeDatabase{listener: l, tls: &tls.Config{Certificates: []tls.Certificate{certificate}}, answer: answer}
	if answer == nil {
		f.answer = f.refuse
	}
	f.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.serving.Go(func() { f.login(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		f.serving.Wait()
	})
	return f
}

// Say sets the words of the next refusals and forgets the logins so far.
func (f *FakeDatabase) Say(fields ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fields, f.logins = fields, 0
}

// Seen is how many logins it has refused since Say.
func (f *FakeDatabase) Seen() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logins
}

// Address is where it listens.
func (f *FakeDatabase) Address() string { return f.listener.Addr().String() }

// login reads to the end of the StartupMessage.
func (f *FakeDatabase) login(raw net.Conn) {
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(90 * time.Second))
	if _, err := io.ReadFull(raw, make([]byte, 8)); err != nil { // SSLRequest
		return
	}
	raw.Write([]byte("S"))
	c := tls.Server(raw, f.tls)
	head := make([]byte, 4)
	if _, err := io.ReadFull(c, head); err != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head))-4); err != nil { // StartupMessage
		return
	}
	f.answer(c)
	c.Close()
}

// refuse asks for the password, and refuses it.
func (f *FakeDatabase) refuse(c io.ReadWriter) {
	c.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 3})
	head := make([]byte, 5)
	if _, err := io.ReadFull(c, head); err != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head[1:]))-4); err != nil { // the token
		return
	}
	f.mu.Lock()
	body := strings.Join(f.fields, "\x00") + "\x00\x00"
	f.logins++
	f.mu.Unlock()
	c.Write(append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(body)+4)), body...))
}
