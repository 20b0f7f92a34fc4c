package supervisor

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// manager notes what it is sent, and when.
type manager struct {
	began time.Time

	mu   sync.Mutex
	told []string
}

func (m *manager) send(state string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, time.Since(m.began).String()+" "+state)
	return nil
}

func (m *manager) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.told)
}

// life is an Alive that a test can end.
type life func(ctx context.Context) error

func (l life) Alive(ctx context.Context) error { return l(ctx) }

func living(context.Context) error { return nil }

// started is a Systemd with that watchdog, on a manager.
func started(watchdog time.Duration) (*Systemd, *manager) {
	m := &manager{began: time.Now()}
	return &Systemd{log: slog.New(slog.DiscardHandler), send: m.send, clock: func() string { return "MONOTONIC_USEC=42\n" }, watchdog: watchdog}, m
}

func TestWhatSystemdIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := started(0)
		s.Ready("serving orders\nREADY=0")
		s.Reloading()
		s.Stopping("stopping", 30*time.Second)
		want := []string{
			"0s READY=1\nSTATUS=serving orders READY=0",
			"0s RELOADING=1\nMONOTONIC_USEC=42",
			"0s STOPPING=1\nEXTEND_TIMEOUT_USEC=45000000\nSTATUS=stopping",
		}
		if got := m.all(); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

func TestNobodyIsToldWithoutSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "1000")
	var log bytes.Buffer
	s := NewSystemd(slog.New(slog.NewTextHandler(&log, nil)))
	s.Ready("")
	s.Reloading()
	s.Stopping("", 0)
	s.Keep(t.Context(), func() string { t.Error("asked for the status"); return "" }, nil) // returns at once
	if log.Len() > 0 {
		t.Errorf("logged %s", log.String())
	}
}

func TestASocketThatIsGoneIsLogged(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", t.TempDir()+"/gone")
	t.Setenv("WATCHDOG_USEC", "soon")
	var log bytes.Buffer
	s := NewSystemd(slog.New(slog.NewTextHandler(&log, nil)))
	s.Ready("")
	for _, want := range []string{"systemd's watchdog gets no keep-alives", "systemd was not notified"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
}

// The status is sent when it has changed, and only then.
func TestKeepSendsAChangedStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := started(0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Keep(ctx, func() string {
				if time.Since(m.began) > 12*time.Second {
					return "logins fail"
				}
				return "serving"
			}, life(living))
		}()
		time.Sleep(time.Minute)
		cancel()
		<-done
		if got, want := m.all(), []string{"0s STATUS=serving", "15s STATUS=logins fail"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// Keep-alives come three times within the limit, and stop with what they tell of: when
// it says that it is dead, and when it says nothing.
func TestKeepAlivesEndWithTheLife(t *testing.T) {
	for _, tt := range []struct {
		name string
		dies func(ctx context.Context) error
	}{
		{"an error", func(context.Context) error { return errors.New("stuck") }},
		{"no answer", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, m := started(30 * time.Second)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					s.Keep(ctx, func() string { return "" }, life(func(ctx context.Context) error {
						if time.Since(m.began) > 25*time.Second {
							return tt.dies(ctx)
						}
						return nil
					}))
				}()
				time.Sleep(2*time.Minute + time.Second)
				cancel()
				<-done
				if got, want := m.all(), []string{"0s WATCHDOG=1", "0s STATUS=", "10s WATCHDOG=1", "20s WATCHDOG=1"}; !slices.Equal(got, want) {
					t.Errorf("told %q, want %q", got, want)
				}
			})
		})
	}
}
