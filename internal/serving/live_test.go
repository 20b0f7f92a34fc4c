package serving

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/signals"
)

// fakeServer has one session, which ends by itself after lasts.
type fakeServer struct {
	lasts    time.Duration
	fails    error // what Serve ends with at once
	began    time.Time
	stopped  time.Duration // when Shutdown was called
	cutAfter time.Duration // when the session was cut; 0 if it was not
	shutdown chan struct{}
	ended    chan struct{}
}

func newFakeServer(lasts time.Duration) *fakeServer {
	return &fakeServer{lasts: lasts, began: time.Now(), shutdown: make(chan struct{}), ended: make(chan struct{})}
}

func (s *fakeServer) Serve(ctx context.Context) error {
	defer close(s.ended)
	if s.fails != nil {
		return s.fails
	}
	select {
	case <-s.shutdown:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-time.After(s.lasts - time.Since(s.began)):
		return nil
	case <-ctx.Done():
		s.cutAfter = time.Since(s.began)
		return ctx.Err()
	}
}

func (s *fakeServer) Shutdown(ctx context.Context) error {
	s.stopped = time.Since(s.began)
	close(s.shutdown)
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// codeOf is the exit code that a run with err ends with.
func codeOf(err error) int {
	if err == nil {
		return 0
	}
	if stopped, ok := errors.AsType[*signals.Stopped](err); ok {
		return stopped.Code()
	}
	return 1
}

func TestSignalsEndARun(t *testing.T) {
	type at struct {
		after  time.Duration
		signal os.Signal
	}
	const second = time.Second
	run := config.Run{MaxSigtermDelay: 30 * second}
	with := func(change func(*config.Run)) config.Run {
		r := run
		change(&r)
		return r
	}
	tests := []struct {
		name                     string
		run                      config.Run
		lasts                    time.Duration
		signals                  []at
		code                     int
		stopped, cutAfter, ended time.Duration
	}{
		{"no session", run, 0, []at{{second, syscall.SIGTERM}}, 143, second, 0, second},
		{"SIGINT", run, 0, []at{{second, os.Interrupt}}, 130, second, 0, second},
		{"SIGHUP", run, 0, []at{{second, syscall.SIGHUP}}, 129, second, 0, second},
		{"session ends by itself", run, 11 * second, []at{{second, syscall.SIGTERM}}, 143, second, 0, 11 * second},
		{"session does not end", run, time.Hour, []at{{second, os.Interrupt}}, 130, second, 31 * second, 31 * second},
		{"second signal", run, time.Hour, []at{{second, os.Interrupt}, {second, os.Interrupt}}, 130, second, 2 * second, 2 * second},
		{"second signal of another kind", run, time.Hour, []at{{second, os.Interrupt}, {second, syscall.SIGTERM}}, 130, second, 2 * second, 2 * second},
		{"SIGHUP while sessions end", run, 11 * second, []at{{second, syscall.SIGTERM}, {second, syscall.SIGHUP}}, 143, second, 0, 11 * second},
		{"SIGHUP before the second signal", run, time.Hour, []at{{second, os.Interrupt}, {second, syscall.SIGHUP}, {second, os.Interrupt}}, 130, second, 3 * second, 3 * second},
		{"third signal", run, time.Hour, []at{{second, os.Interrupt}, {second, os.Interrupt}, {0, os.Interrupt}}, 130, second, 2 * second, 2 * second},
		{"SIGTERM as success", with(func(r *config.Run) { r.ExitZeroOnSigterm = true }), 0, []at{{second, syscall.SIGTERM}}, 0, second, 0, second},
		{"SIGINT is none", with(func(r *config.Run) { r.ExitZeroOnSigterm = true }), 0, []at{{second, os.Interrupt}}, 130, second, 0, second},
		{"SIGTERM waits before it stops", with(func(r *config.Run) { r.MinSigtermDelay = 5 * second }), 0, []at{{second, syscall.SIGTERM}}, 143, 6 * second, 0, 6 * second},
		{"SIGINT does not", with(func(r *config.Run) { r.MinSigtermDelay = 5 * second }), 0, []at{{second, os.Interrupt}}, 130, second, 0, second},
		{"second signal while it waits", with(func(r *config.Run) { r.MinSigtermDelay = 5 * second }), time.Hour, []at{{second, syscall.SIGTERM}, {second, os.Interrupt}}, 143, 2 * second, 0, 2 * second},
		{"both delays count from the signal", with(func(r *config.Run) { r.MinSigtermDelay = 5 * second }), time.Hour, []at{{second, syscall.SIGTERM}}, 143, 6 * second, 31 * second, 31 * second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newFakeServer(tt.lasts)
				signals := make(chan os.Signal, 2)
				go func() {
					for _, s := range tt.signals {
						time.Sleep(s.after)
						select {
						case signals <- s.signal:
						default:
						}
					}
				}()
				err := live(t.Context(), srv, signals, tt.run, hangups{}, func() {}, slog.New(slog.DiscardHandler))
				ended := time.Since(srv.began)
				code := codeOf(err)
				if code != tt.code || srv.stopped != tt.stopped || srv.cutAfter != tt.cutAfter || ended != tt.ended {
					t.Errorf("code %d, stopped accepting at %v, session cut at %v, ended at %v; want %d, %v, %v, %v",
						code, srv.stopped, srv.cutAfter, ended, tt.code, tt.stopped, tt.cutAfter, tt.ended)
				}
			})
		})
	}
}

func TestServerThatFailsEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newFakeServer(0)
		srv.fails = errors.New("accepting on 127.0.0.1:5432: too many open files")
		err := live(t.Context(), srv, nil, config.Run{}, hangups{}, func() {}, slog.New(slog.DiscardHandler))
		if codeOf(err) != 1 || !strings.HasPrefix(err.Error(), "accepting on") {
			t.Errorf("error %v, code %d; want the server's and 1", err, codeOf(err))
		}
	})
}

func TestCancelledContextEndsTheRunCleanly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := live(ctx, newFakeServer(time.Hour), nil, config.Run{}, hangups{}, func() {}, slog.New(slog.DiscardHandler)); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}

// SIGHUP is a wish to reload as long as the terminal is there, then the end.
func TestHangupReloadsUntilTheTerminalIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reloads, lost := 0, false
		var running sync.Mutex
		h := hangups{
			reloadable: true,
			lost:       func() bool { return lost },
			reload: func(ctx context.Context) {
				if !running.TryLock() {
					t.Error("two reloads at once")
				}
				defer running.Unlock()
				reloads++
				wait(ctx, time.Minute)
			},
		}
		caught := make(chan os.Signal)
		ended := make(chan error, 1)
		srv := newFakeServer(time.Hour)
		go func() {
			ended <- live(t.Context(), srv, caught, config.Run{}, h, func() {}, slog.New(slog.DiscardHandler))
		}()
		caught <- syscall.SIGHUP
		time.Sleep(time.Second)
		for range 3 { // while the first goes on: one more will do
			caught <- syscall.SIGHUP
		}
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if reloads != 2 {
			t.Errorf("%d reloads, want 2", reloads)
		}
		caught <- syscall.SIGHUP
		synctest.Wait()
		lost = true
		caught <- syscall.SIGHUP // also while one goes on, which is given up
		if err, ok := errors.AsType[*signals.Stopped](<-ended); !ok || err.Code() != 129 {
			t.Errorf("ended with %v, want SIGHUP's own end", err)
		}
		if reloads != 3 {
			t.Errorf("%d reloads, want 3", reloads)
		}
	})
}

// A reload that is asked for while a target is still being looked up, as by
// systemctl right after a start, comes as soon as there is something to reload.
func TestHangupBeforeTheRunIsReadyIsKept(t *testing.T) {
	for _, tt := range []struct {
		name    string
		h       hangups
		signals []os.Signal
		reloads int // 1 for any number of signals
		code    int // of the look-up's end; 0 when it goes on to its own
	}{
		{"one", hangups{reloadable: true}, []os.Signal{syscall.SIGHUP}, 1, 0},
		{"several", hangups{reloadable: true}, []os.Signal{syscall.SIGHUP, syscall.SIGHUP, syscall.SIGHUP}, 1, 0},
		{"none", hangups{reloadable: true}, nil, 0, 0},
		{"another signal after it", hangups{reloadable: true}, []os.Signal{syscall.SIGHUP, os.Interrupt}, 0, 130},
		{"nothing to reload", hangups{}, []os.Signal{syscall.SIGHUP}, 0, 129},
		{"the terminal is lost", hangups{reloadable: true, lost: func() bool { return true }}, []os.Signal{syscall.SIGHUP}, 0, 129},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := tt.h
				if h.lost == nil {
					h.lost = func() bool { return false }
				}
				caught := make(chan os.Signal, len(tt.signals))
				for _, s := range tt.signals {
					caught <- s
				}
				stopped, err := unlessStopped(t.Context(), caught, config.Run{}, &h, func(ctx context.Context) error {
					wait(ctx, time.Second) // a look-up
					return nil
				})
				if stopped != (tt.code != 0) || codeOf(err) != tt.code {
					t.Fatalf("stopped %v with %v, want code %d", stopped, err, tt.code)
				}
				if stopped {
					return
				}
				reloads := 0
				h.reload = func(context.Context) { reloads++ }
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Minute, cancel)
				if err := live(ctx, newFakeServer(0), caught, config.Run{}, h, func() {}, slog.New(slog.DiscardHandler)); err != nil || reloads != tt.reloads {
					t.Errorf("%d reloads, ended with %v; want %d", reloads, err, tt.reloads)
				}
			})
		})
	}
}
