package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
)

// cutTrip is the round trip in milliseconds of the path that is cut: something
// is always under way, and lost.
const cutTrip = 20

// stall finds the longest silence of a transfer after its socket was cut.
type stall struct {
	at  int    // bytes after which to cut
	cut func() // cuts; called once, on a goroutine of its own

	mu      sync.Mutex
	n       int
	cutAt   time.Time
	last    time.Time
	longest time.Duration
	over    chan struct{} // closed when the cut has been made
}

func newStall(at int, cut func()) *stall { return &stall{at: at, cut: cut, over: make(chan struct{})} }

// Write counts what goes by.
func (s *stall) Write(p []byte) (int, error) {
	s.count(len(p), time.Now())
	return len(p), nil
}

// count notes n bytes at a time.
func (s *stall) count(n int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.n
	s.n += n
	switch {
	case before < s.at && s.n >= s.at:
		s.cutAt, s.last = now, now
		go func() { defer close(s.over); s.cut() }()
	case before >= s.at:
		s.longest = max(s.longest, now.Sub(s.last))
		s.last = now
	}
}

// result is the longest silence in seconds, once the transfer has ended.
func (s *stall) result() (float64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cutAt.IsZero() {
		return 0, fmt.Errorf("the transfer ended after %d bytes, before the cut", s.n)
	}
	return s.longest.Seconds(), nil
}

// cut drops the client's socket; what is under way is lost, both ways.
func (b *bench) cut() {
	b.aws.BlackHole(true, false)
	b.aws.CutMidMessage(gateway.ToAgent) // the next acknowledge, or the next data
}

// recoverDown cuts the websocket in the middle of a download that is to arrive
// whole. TLS sees to it that a byte lost or changed ends the transfer.
func (b *bench) recoverDown(s *side) error {
	rows := b.plan.recover / kit.RowLength
	gap := newStall(b.plan.recover/4, b.cut)
	c, err := s.connect(b.ctx)
	if err != nil {
		return err
	}
	defer kit.HangUp(c)
	err = b.patiently(s, "recover", func(ctx context.Context) error {
		_, err := c.CopyTo(ctx, gap, downloadSQL(rows))
		return err
	})
	if err != nil {
		return err
	}
	if gap.n != rows*kit.RowLength {
		return fmt.Errorf("%d bytes arrived, want %d", gap.n, rows*kit.RowLength)
	}
	return b.addStall(s, "recover", gap)
}

// recoverUp is recoverDown for an upload. The silence is seen where the agent
// writes to the database: buffers hide it from the client.
func (b *bench) recoverUp(s *side) error {
	size := 2 * b.plan.recover
	if s.name == ours {
		size *= 8 // so that it still flows when the cut comes
	}
	gap := newStall(size/4, b.cut)
	b.aws.SetDial(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return meteredConn{conn, gap}, nil
	})
	defer b.aws.SetDial(nil)
	c, err := s.connect(b.ctx)
	if err != nil {
		return err
	}
	defer kit.HangUp(c)
	if _, err := c.Exec(b.ctx, kit.CreateSinkSQL).ReadAll(); err != nil {
		return err
	}
	err = b.patiently(s, "recover_up", func(ctx context.Context) error {
		_, err := c.CopyFrom(ctx, kit.NewSource(size), kit.UploadSQL)
		return err
	})
	if err != nil {
		return err
	}
	return b.addStall(s, "recover_up", gap)
}

// patiently runs the transfer, and notes whether it came to an end. The plugin
// is known to hang for good; that costs patience, no more.
func (b *bench) patiently(s *side, what string, transfer func(context.Context) error) error {
	ctx := b.ctx
	if s.name == plugin {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.plan.patience+time.Duration(b.plan.recover)*2*time.Microsecond)
		defer cancel()
	}
	err := transfer(ctx)
	whole := 1.0
	if err != nil {
		whole = 0
	}
	b.samples.Add(s.name, what+"_whole", whole)
	return err
}

func (b *bench) addStall(s *side, what string, gap *stall) error {
	<-gap.over
	seconds, err := gap.result()
	if err == nil {
		b.samples.Add(s.name, what, seconds)
	}
	return err
}

// meteredConn shows what is written to it.
type meteredConn struct {
	net.Conn
	gap *stall
}

func (c meteredConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.gap.count(n, time.Now())
	return n, err
}
