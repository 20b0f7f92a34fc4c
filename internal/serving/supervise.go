package serving

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/supervisor"
)

// Supervisor hears how a run goes. *supervisor.Systemd is one.
type Supervisor interface {
	// Ready: clients are served, at the start and after a reload. status is one line.
	Ready(status string)
	// Reloading: a reload begins, which Ready ends.
	Reloading()
	// Stopping: the run ends, which takes atMost.
	Stopping(status string, atMost time.Duration)
	// Keep passes on the status, and that alive says so, until ctx ends.
	Keep(ctx context.Context, status func() string, alive supervisor.Alive)
}

// alone is a Supervisor for a run that has none.
type alone struct{}

func (alone) Ready(string)                                          {}
func (alone) Reloading()                                            {}
func (alone) Stopping(string, time.Duration)                        {}
func (alone) Keep(context.Context, func() string, supervisor.Alive) {}

// supervised is a run as its Supervisor sees it. It is safe for concurrent use: a
// reload may be under way when a signal comes.
type supervised struct {
	supervisor Supervisor
	status     func() string
	atMost     time.Duration // that a drain may take

	mu    sync.Mutex
	ended bool
}

func (s *supervised) ready() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.supervisor.Ready(s.status())
	}
}

func (s *supervised) reloading() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.supervisor.Reloading()
	}
}

// stopping is the last: a reload that ends later is told to nobody.
func (s *supervised) stopping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.supervisor.Stopping(s.status(), s.atMost)
}

// keep keeps the Supervisor informed until end, which waits for that.
func (s *supervised) keep(alive supervisor.Alive) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { s.supervisor.Keep(ctx, s.status, alive) })
	return func() { cancel(); done.Wait() }
}

// answering is alive as long as every listener is served: it connects to each, as a
// client does, and waits for the answer to a GSSENCRequest, which costs nobody
// anything. Only silence counts: a listener that is closed, or a process that has no
// more files to give, is not stuck.
type answering struct {
	listeners func() []net.Listener
}

// gssEncRequest asks for encryption by GSSAPI, which is answered by one byte.
//
// Source: PostgreSQL 18 docs, protocol-message-formats.html, GSSENCRequest.
var gssEncRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30}

// Alive returns when all have answered, or ctx has ended.
func (a answering) Alive(ctx context.Context) error {
	listeners := a.listeners()
	silent := make([]error, len(listeners))
	var all sync.WaitGroup
	for i, l := range listeners {
		all.Go(func() { silent[i] = answers(ctx, l.Addr()) })
	}
	all.Wait()
	return errors.Join(silent...)
}

// answers returns an error if nobody answers at address before ctx ends.
func answers(ctx context.Context, address net.Addr) error {
	stuck := func(err error) error {
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("%s does not answer: %w", address, err)
		}
		return nil
	}
	c, err := new(net.Dialer).DialContext(ctx, address.Network(), address.String())
	if err != nil {
		return stuck(err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	if _, err := c.Write(gssEncRequest); err != nil {
		return stuck(err)
	}
	_, err = c.Read(make([]byte, 1))
	return stuck(err)
}
