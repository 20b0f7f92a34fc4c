package gateway

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestRetransmissionTimeout follows the agent's formula by hand.
func TestRetransmissionTimeout(t *testing.T) {
	o := newOutgoing()
	now := time.Now()
	steps := []struct {
		trip time.Duration
		want time.Duration // the timeout after it
	}{
		{100 * time.Millisecond, 110 * time.Millisecond},                           // no variation: the clock's granularity
		{20 * time.Millisecond, 90*time.Millisecond + 4*20*time.Millisecond},       // variation 80/4
		{20 * time.Millisecond, 81250*time.Microsecond + 4*32500*time.Microsecond}, // 20+(70-20)/4, 90-70/8
		{20 * time.Second, time.Second},                                            // bounded
	}
	for i, s := range steps {
		o.store(int64(i), nil, now)
		o.acknowledged(int64(i), now.Add(s.trip))
		if (o.rto - s.want).Abs() > time.Microsecond {
			t.Errorf("step %d: timeout %v, want %v", i, o.rto, s.want)
		}
	}
}

// TestFrontOnly: nothing but the oldest message is sent again, and an
// acknowledgement removes one number only.
func TestFrontOnly(t *testing.T) {
	o := newOutgoing()
	now := time.Now()
	for n, frame := range []string{"a", "b", "c"} {
		o.store(int64(n), []byte(frame), now)
	}
	if _, ok := o.due(now.Add(firstRTO)); ok {
		t.Error("due at the timeout, want later")
	}
	at := now.Add(firstRTO + 1)
	if frame, ok := o.due(at); !ok || string(frame) != "a" {
		t.Errorf("due: %q, %v; want the front", frame, ok)
	}
	if frame, ok := o.due(at); ok {
		t.Errorf("%q is due again at once", frame)
	}
	o.acknowledged(2, at)
	o.acknowledged(7, at) // unknown
	o.acknowledged(0, at)
	if frame, ok := o.due(at.Add(maxRTO)); !ok || string(frame) != "b" {
		t.Errorf("due: %q, %v; want the next oldest", frame, ok)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.await(ended, 0); err == nil {
		t.Error("empty before the last acknowledgement")
	}
	o.acknowledged(1, at)
	if err := o.await(ended, 0); err != nil {
		t.Error("not empty after the last acknowledgement")
	}
}

func TestOutgoingCapacity(t *testing.T) {
	o := newOutgoing()
	for n := range int64(bufferCapacity + 10) {
		o.store(n, nil, time.Time{})
	}
	if got := o.sent.Len(); got != bufferCapacity {
		t.Errorf("%d messages kept, want %d", got, bufferCapacity)
	}
}

func TestLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		begin := time.Now()
		for frame, after := range map[string]time.Duration{"late": 30, "early": 10, "middle": 20} {
			if err := l.put(t.Context(), parcel{frame: []byte(frame)}, after*time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		for i, want := range []string{"early", "middle", "late"} {
			p, err := l.get(t.Context())
			if err != nil || string(p.frame) != want || time.Since(begin) != time.Duration(i+1)*10*time.Millisecond {
				t.Errorf("at %v: %q, %v; want %q", time.Since(begin), p.frame, err, want)
			}
		}
	})
}

func TestLaneFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		big := parcel{frame: make([]byte, laneLimit)}
		_ = l.put(t.Context(), big, 0)
		second := make(chan error, 1)
		go func() { second <- l.put(t.Context(), parcel{frame: []byte("x")}, 0) }()
		synctest.Wait()
		select {
		case <-second:
			t.Error("put did not wait for room")
		default:
		}
		if _, err := l.get(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-second; err != nil {
			t.Error(err)
		}
	})
}

func TestPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		wrote := make(chan error, 1)
		go func() {
			_, err := p.Write(make([]byte, pipeSize+1))
			wrote <- err
		}()
		synctest.Wait()
		select {
		case <-wrote:
			t.Error("a write larger than the pipe did not wait")
		default:
		}
		if n, err := p.Read(make([]byte, 2*pipeSize)); n != pipeSize || err != nil {
			t.Errorf("read %d, %v; want %d", n, err, pipeSize)
		}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		_ = p.Close()
		if n, err := p.Read(make([]byte, 2)); n != 1 || err != nil {
			t.Errorf("read after Close: %d, %v; want the last byte", n, err)
		}
		if _, err := p.Read(make([]byte, 2)); err == nil {
			t.Error("no end of file")
		}
		if _, err := p.Write([]byte("x")); err == nil {
			t.Error("write after Close")
		}
	})
}

func TestIncomingBounds(t *testing.T) {
	in := &incoming{}
	m := message{payload: make([]byte, maxEarlyBytes/2)}
	for seq, want := range map[int64]bool{1: true} {
		m.seq = seq
		if got := in.hold(m); got != want {
			t.Errorf("hold(%d) = %v", seq, got)
		}
	}
	m.seq = 2
	if !in.hold(m) {
		t.Error("no room for the second half")
	}
	if m.seq = 3; in.hold(m) {
		t.Error("more held than the bound")
	}
	in.advance() // number 0
	if next, ok := in.next(); !ok || next.seq != 1 {
		t.Errorf("next %d, %v", next.seq, ok)
	}
	in.advance()
	if in.bytes != maxEarlyBytes/2 || in.expected != 2 {
		t.Errorf("%d bytes held, %d expected", in.bytes, in.expected)
	}
}

// An agent that is faster than the genuine one stays farBehind messages ahead at most.
func TestFastAgentWaitsForItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutgoing()
		ctx, cancel := context.WithCancel(t.Context())
		for seq := range int64(farBehind + 1) {
			if err := o.await(ctx, farBehind); err != nil {
				t.Fatalf("before message %d: %v", seq, err)
			}
			o.store(seq, nil, time.Now())
		}
		waited := make(chan error)
		go func() { waited <- o.await(ctx, farBehind) }()
		synctest.Wait()
		select {
		case err := <-waited:
			t.Fatalf("it does not wait, with %d messages unacknowledged: %v", farBehind+1, err)
		default:
		}
		o.acknowledged(7, time.Now())
		if err := <-waited; err != nil {
			t.Error(err)
		}
		o.store(farBehind+1, nil, time.Now())
		go func() { waited <- o.await(ctx, farBehind) }()
		synctest.Wait()
		cancel()
		if err := <-waited; !errors.Is(err, context.Canceled) {
			t.Errorf("after the session's end: %v", err)
		}
	})
}
