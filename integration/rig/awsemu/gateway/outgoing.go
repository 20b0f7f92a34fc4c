package gateway

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// The agent's reliability constants. Source: amazon-ssm-agent,
// agent/session/config/config.go.
const (
	bufferCapacity = 100_000 // messages, each way
	resendTick     = 100 * time.Millisecond
	firstRTT       = 100 * time.Millisecond
	firstRTO       = 200 * time.Millisecond
	maxRTO         = time.Second
	granularity    = 10 * time.Millisecond
)

// outgoing are the agent's messages that the client has not acknowledged.
// Beyond bufferCapacity a message is sent but never again.
type outgoing struct {
	mu          sync.Mutex
	sent        list.List // of *sentMessage, oldest first
	bySeq       map[int64]*list.Element
	rtt, rttvar time.Duration
	rto         time.Duration
	fewer       chan struct{} // closed at the next acknowledgement, once somebody asked
}

type sentMessage struct {
	seq   int64
	frame []byte
	at    time.Time // of the latest copy
}

func newOutgoing() *outgoing {
	return &outgoing{bySeq: map[int64]*list.Element{}, rtt: firstRTT, rto: firstRTO}
}

// store keeps a message until it is acknowledged.
func (o *outgoing) store(seq int64, frame []byte, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sent.Len() < bufferCapacity {
		o.bySeq[seq] = o.sent.PushBack(&sentMessage{seq, frame, now})
	}
}

// acknowledged removes one message; unknown numbers are ignored.
func (o *outgoing) acknowledged(seq int64, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e, ok := o.bySeq[seq]
	if !ok {
		return
	}
	o.measure(now.Sub(e.Value.(*sentMessage).at))
	o.sent.Remove(e)
	delete(o.bySeq, seq)
	if o.fewer != nil {
		close(o.fewer)
		o.fewer = nil
	}
}

// measure takes one round trip into the timeout; o.mu is held. Resent messages
// count like any other.
func (o *outgoing) measure(r time.Duration) {
	o.rttvar += ((o.rtt - r).Abs() - o.rttvar) / 4
	o.rtt += (r - o.rtt) / 8
	o.rto = min(o.rtt+max(granularity, 4*o.rttvar), maxRTO)
}

// due is the oldest message if it is older than the timeout, and counts it as
// sent now. No other message is ever sent again.
func (o *outgoing) due(now time.Time) ([]byte, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	front := o.sent.Front()
	if front == nil {
		return nil, false
	}
	m := front.Value.(*sentMessage)
	if now.Sub(m.at) <= o.rto {
		return nil, false
	}
	m.at = now
	return m.frame, true
}

// await waits until at most so many messages are unacknowledged.
func (o *outgoing) await(ctx context.Context, most int) error {
	for {
		o.mu.Lock()
		if o.sent.Len() <= most {
			o.mu.Unlock()
			return nil
		}
		if o.fewer == nil {
			o.fewer = make(chan struct{})
		}
		fewer := o.fewer
		o.mu.Unlock()
		select {
		case <-fewer:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
