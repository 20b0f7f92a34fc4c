package datachannel

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeStream is a Stream of one smux stream.
type fakeStream struct {
	mu       sync.Mutex
	out      []byte
	nops     int
	in       bytes.Buffer
	failed   int
	broken   error
	ready    chan struct{}
	perFrame int  // data bytes in one Fill at most; 0: as many as fit
	asks     bool // what goes out is owed an answer
	owed     int  // what Unanswered says
}

func newFakeStream() *fakeStream { return &fakeStream{ready: make(chan struct{}, 1)} }

func (s *fakeStream) write(p []byte) {
	s.mu.Lock()
	s.out = append(s.out, p...)
	s.mu.Unlock()
	s.signal()
}

func (s *fakeStream) signal() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

func (s *fakeStream) Fill(p []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for ; s.nops > 0 && n+8 <= len(p); s.nops-- {
		n += copy(p[n:], "\x01\x03\x00\x00\x00\x00\x00\x00")
	}
	take := min(len(s.out), len(p)-n-8)
	if s.perFrame > 0 {
		take = min(take, s.perFrame)
	}
	if take <= 0 {
		return n
	}
	n += copy(p[n:], []byte{1, 2, byte(take), byte(take >> 8), 3, 0, 0, 0})
	n += copy(p[n:], s.out[:take])
	s.out = s.out[take:]
	if s.asks {
		s.owed += take
	}
	return n
}

func (s *fakeStream) Ready() <-chan struct{} { return s.ready }

func (s *fakeStream) Deliver(p []byte) error {
	s.mu.Lock()
	s.in.Write(p)
	broken := s.broken
	s.mu.Unlock()
	if broken != nil {
		time.Sleep(time.Second) // an acknowledge made too early has time to leave
	}
	return broken
}

func (s *fakeStream) ConnectFailed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed++
}

func (s *fakeStream) SendNOP() {
	s.mu.Lock()
	s.nops++
	s.mu.Unlock()
	s.signal()
}

func (s *fakeStream) Unanswered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owed
}

func (s *fakeStream) receivedBytes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in.Len()
}

func (s *fakeStream) received() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.in.Bytes())
}

// rig is a running Conn with its agent, inside a bubble.
type rig struct {
	t      *testing.T
	agent  *agent
	stream *fakeStream
	conn   *Conn
	cancel context.CancelCauseFunc
	result chan error

	latency time.Duration
	dial    func(n int, l *link) error // every new link, numbered from 0; an error is Connect's
	wrap    func(n int, l Transport) Transport
	dials   int
	setup   func(l *link)
}

var errTestOver = errors.New("test is over")

// newRig makes everything and starts nothing; change the fields, then call run.
func newRig(t *testing.T) *rig {
	return &rig{t: t, agent: newAgent(t), stream: newFakeStream(), latency: 10 * time.Millisecond}
}

func (r *rig) run(change ...func(*Config)) *rig {
	r.t.Helper()
	cfg := Config{Connect: r.connect, Stream: r.stream}
	for _, f := range change {
		f(&cfg)
	}
	conn, err := New(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.conn, r.result = conn, make(chan error, 1)
	ctx, cancel := context.WithCancelCause(r.t.Context())
	r.cancel = cancel
	go r.agent.resend(ctx)
	go func() { r.result <- conn.Run(ctx) }()
	return r
}

func (r *rig) connect(ctx context.Context) (Transport, error) {
	l := newLink(r.agent, r.latency)
	if r.setup != nil {
		r.setup(l)
	}
	n := r.dials
	r.dials++
	if r.dial != nil {
		if err := r.dial(n, l); err != nil {
			l.Close()
			return nil, err
		}
	}
	r.agent.attach(l)
	if r.wrap != nil {
		return r.wrap(n, l), nil
	}
	return l, nil
}

// cut closes the link under the Conn.
func (r *rig) cut() {
	r.agent.mu.Lock()
	defer r.agent.mu.Unlock()
	r.agent.link.Close()
}

// lose has what the agent sends over the present link be lost where it contains text,
// until mend.
func (r *rig) lose(text string) (mend func()) {
	r.agent.mu.Lock()
	defer r.agent.mu.Unlock()
	down := r.agent.link.down
	setFaults(down, func(frame []byte) fault { return fault{lose: bytes.Contains(frame, []byte(text))} })
	return func() { setFaults(down, nil) }
}

// awaitReady waits until streams are carried.
func (r *rig) awaitReady() {
	r.t.Helper()
	select {
	case <-r.conn.Ready():
	case err := <-r.result:
		r.t.Fatalf("Run ended before Ready: %v", err)
	case <-time.After(time.Minute):
		r.t.Fatalf("not ready after a minute: %+v", r.conn.Stats())
	}
}

// ended waits for Run's error.
func (r *rig) ended(within time.Duration) error {
	r.t.Helper()
	select {
	case err := <-r.result:
		r.cancel(errTestOver)
		synctest.Wait()
		return err
	case <-time.After(within):
		r.t.Fatalf("Run has not ended within %v: %+v", within, r.conn.Stats())
		return nil
	}
}

// stop cancels Run, which must end with the cause.
func (r *rig) stop() {
	r.t.Helper()
	r.cancel(errTestOver)
	if err := r.ended(time.Second); !errors.Is(err, errTestOver) {
		r.t.Errorf("Run ended with %v, want the cause of its context", err)
	}
	if got := r.conn.Stats().State; got != StateEnded {
		r.t.Errorf("state is %v after Run", got)
	}
}

// randomBytes with a fixed seed.
func randomBytes(n int, seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}
