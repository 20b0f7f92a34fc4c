package datachannel

import (
	"context"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// lockLog is a log that looks whether a mutex is held by who logs.
type lockLog struct {
	mu atomic.Pointer[sync.Mutex] // that must not be held

	own   sync.Mutex
	lines []string
	held  []string // those that were logged under mu
}

func (l *lockLog) Handle(_ context.Context, r slog.Record) error {
	held := true
	for range 10_000 { // others hold it for a moment; who waits for it stops a bubble's clock
		if mu := l.mu.Load(); mu != nil && mu.TryLock() {
			mu.Unlock()
			held = false
			break
		}
		runtime.Gosched()
	}
	l.own.Lock()
	defer l.own.Unlock()
	l.lines = append(l.lines, r.Message)
	if held {
		l.held = append(l.held, r.Message)
	}
	return nil
}

func (l *lockLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *lockLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lockLog) WithGroup(string) slog.Handler            { return l }

// A log may block for as long as nobody reads it, and the mutex is that of Stats,
// which whoever opens a stream asks for.
func TestNothingIsLoggedUnderTheMutex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(lockLog)
		r := newRig(t)
		r.agent.customer = "all sessions are recorded"
		r.run(func(cfg *Config) { cfg.Log = slog.New(log) })
		log.mu.Store(&r.conn.mu)
		r.awaitReady()
		r.agent.write(wire("pause_publication", 0, 3, 0, nil))
		r.agent.write(wire("news", 0, 3, 0, nil))
		r.agent.write([]byte("noise"))
		time.Sleep(time.Second)
		r.cut()
		time.Sleep(time.Second)
		r.stop()
		slices.Sort(log.lines)
		want := []string{
			"data channel has a new transport", "data channel lost its transport", "data channel ready",
			"message dropped", "message of the SSM agent", "publication paused", "unknown message ignored",
		}
		if got := slices.Compact(log.lines); !slices.Equal(got, want) {
			t.Errorf("logged %q, want %q", got, want)
		}
		if len(log.held) > 0 {
			t.Errorf("logged under the mutex: %q", log.held)
		}
	})
}
