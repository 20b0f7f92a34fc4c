package serving

import (
	"context"
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

// stopping is the last: a reload that ends later is not reported.
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
