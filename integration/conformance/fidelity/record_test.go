package fidelity

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// kindEnd is the kind of the record of how a stream ended.
const kindEnd = '.'

// record is one thing that was seen.
type record struct {
	kind byte
	body string // long ones as their length and hash
}

// longBody is the length over which bodies are kept as a hash only.
const longBody = 1 << 20

func (r record) String() string { return fmt.Sprintf("%c %q", r.kind, r.body) }

// patience bounds each wait; a machine may be busy.
const patience = 60 * time.Second

// peer is one connection to the database, over whatever way. What comes is read
// all the time, by a goroutine that ends with the stream.
type peer struct {
	conn net.Conn
	raw  net.Conn // beneath TLS
	user string
	way  way

	mu       sync.Mutex
	came     sync.Cond
	records  []record
	asked    int // index behind the last record that a step waited for
	pid      uint32
	key      []byte
	answered bool // the request for a password
	left     bool // the test has closed it: what still comes is chance
}

func newPeer(w way) (*peer, error) {
	conn, err := w.dial()
	if err != nil {
		return nil, err
	}
	p := &peer{conn: conn, raw: conn, way: w}
	if secure, ok := conn.(*tls.Conn); ok {
		p.raw = secure.NetConn()
	}
	p.came.L = &p.mu
	go p.read()
	return p, nil
}

// read records messages until the end. The request for a password is answered
// where the way can, and not recorded.
func (p *peer) read() {
	in := bufio.NewReaderSize(p.conn, 64<<10) // two system calls a row would be most of the time
	for {
		r, err := readRecord(in)
		if err != nil {
			p.add(record{kindEnd, ending(err)})
			return
		}
		if r.kind == 'R' && r.body == "\x00\x00\x00\x03" && p.way.password != nil && !p.answered {
			p.answered = true
			token, err := p.way.password(p.user)
			if err != nil {
				p.add(record{kindEnd, "no token: " + err.Error()})
				return
			}
			p.conn.Write(message('p', cstring(token)))
			continue
		}
		p.add(r)
	}
}

// readRecord reads one message.
func readRecord(r io.Reader) (record, error) {
	head := make([]byte, 5)
	if n, err := io.ReadFull(r, head); err != nil {
		if n > 0 {
			err = io.ErrUnexpectedEOF
		}
		return record{}, err
	}
	size := int64(binary.BigEndian.Uint32(head[1:])) - 4
	if size > longBody {
		hash := sha256.New()
		if n, err := io.CopyN(hash, r, size); err != nil {
			return record{}, fmt.Errorf("%w after %d bytes of %d", io.ErrUnexpectedEOF, n, size)
		}
		return record{head[0], fmt.Sprintf("%d bytes %x", size, hash.Sum(nil))}, nil
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return record{}, io.ErrUnexpectedEOF
	}
	return record{head[0], string(body)}, nil
}

// ending says how a stream ended: in good order, amid a message, or else.
func ending(err error) string {
	switch {
	case errors.Is(err, io.EOF):
		return "closed"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "closed amid a message"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	}
	return err.Error()
}

// leave is for the test's side ending the connection.
func (p *peer) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = true
}

func (p *peer) add(r record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left {
		return
	}
	if r.kind == 'K' && len(r.body) >= 8 {
		p.pid, p.key = binary.BigEndian.Uint32([]byte(r.body)), []byte(r.body[4:])
	}
	p.records = append(p.records, r)
	p.came.Broadcast()
}

// await waits for a record of one of kinds, or the end, that no await has
// returned yet, and returns it.
func (p *peer) await(kinds string) (record, error) {
	late := time.AfterFunc(patience, func() { p.add(record{kindEnd, "nothing more came in time"}) })
	defer late.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for p.asked < len(p.records) {
			r := p.records[p.asked]
			p.asked++
			if bytes.IndexByte([]byte(kinds), r.kind) >= 0 {
				return r, nil
			}
			if r.kind == kindEnd {
				p.asked--
				return r, fmt.Errorf("waiting for %q: %s; so far %v", kinds, r.body, abbreviate(p.records))
			}
		}
		p.came.Wait()
	}
}

// abbreviate is for test failures.
func abbreviate(all []record) []record {
	if len(all) > 20 {
		all = all[len(all)-20:]
	}
	short := make([]record, 0, len(all))
	for _, r := range all {
		if len(r.body) > 200 {
			r.body = r.body[:200] + "…"
		}
		short = append(short, r)
	}
	return short
}

// message makes one of the client's.
func message(kind byte, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	return append(head, body...)
}

func cstring(s string) []byte { return append([]byte(s), 0) }
