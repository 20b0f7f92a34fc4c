package tunnel

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// stuckLog is a log whose every line from Info on blocks until it is closed, once
// it is stuck: a stderr that nobody reads.
type stuckLog struct {
	stuck atomic.Bool
	lines atomic.Int64 // that are blocked
	done  chan struct{}
	next  slog.Handler // nil: lines are dropped
}

func (l *stuckLog) Handle(ctx context.Context, r slog.Record) error {
	if l.stuck.Load() {
		l.lines.Add(1)
		<-l.done
	}
	if l.next == nil {
		return nil
	}
	return l.next.Handle(ctx, r)
}

func (l *stuckLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *stuckLog) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *stuckLog) WithGroup(string) slog.Handler                    { return l }

func TestDialsGoOnWhileTheLogBlocks(t *testing.T) {
	retire := func(c net.Conn) { c.(*stream).Retire("asked to") }
	refuse := func(call int) func(context.Context, int) error {
		return func(_ context.Context, n int) error {
			if n == call {
				return apiCode("TargetNotConnected")
			}
			return nil
		}
	}
	tests := []struct {
		name    string
		arrange func(f *fakeAWS, cfg *Config)
		trouble func(c net.Conn) // nil: time alone makes it
		takes   time.Duration
		session int // that then takes streams
	}{
		{"a session retires", func(*fakeAWS, *Config) {}, retire, 0, 2},
		{"a session grows old", func(_ *fakeAWS, cfg *Config) { cfg.MaxAge = time.Minute }, nil, 62 * time.Second, 2},
		{"a session ends and the dial finds out", func(*fakeAWS, *Config) {},
			func(c net.Conn) { c.(*stream).session.mux.Fail(net.ErrClosed) }, 0, 2},
		{"a spare one cannot be started", func(f *fakeAWS, cfg *Config) { cfg.Sessions, f.onStart = 2, refuse(2) }, nil, 3 * time.Second, 1},
		{"a jump host refuses", func(f *fakeAWS, cfg *Config) {
			cfg.Target, cfg.Targets = "tag:Role=jump", (&lister{hosts: []string{"i-1", "i-2"}}).list
			f.onStart = refuse(2)
		}, retire, 0, 2},
		{"a start is slow", func(f *fakeAWS, _ *Config) { f.mute = func(n int) bool { return n == 2 } }, retire, 0, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &stuckLog{done: make(chan struct{})}
				defer close(log.done)
				f := newFakeAWS(t)
				d := newTestDialer(t, f, func(cfg *Config) {
					cfg.Sessions, cfg.Log = 1, slog.New(log)
					tt.arrange(f, cfg)
				})
				// Who waits for a mutex keeps a bubble's clock from moving, so look first.
				pass := func(span time.Duration) {
					for end := time.Now().Add(span); ; time.Sleep(100 * time.Millisecond) {
						synctest.Wait()
						if !d.mu.TryLock() {
							t.Fatal("a line is logged under the mutex")
						}
						d.mu.Unlock()
						if !time.Now().Before(end) {
							return
						}
					}
				}
				old := dial(t, d)
				defer old.Close()
				echo(t, old, 100)
				pass(0)
				log.stuck.Store(true)
				if tt.trouble != nil {
					go tt.trouble(old)
				}
				pass(tt.takes)
				dialled := make(chan net.Conn, 1)
				go func() {
					if c, err := d.DialContext(t.Context(), "tcp", dbAddress); err == nil {
						dialled <- c
					}
				}()
				pass(doubtAfter + time.Second)
				select {
				case c := <-dialled:
					defer c.Close()
					echo(t, c, 100)
					if got := sessionOf(f, c); got != tt.session || log.lines.Load() == 0 {
						t.Errorf("stream on session %d with %d lines in the way, want session %d, and some", got, log.lines.Load(), tt.session)
					}
				default:
					t.Error("the dial waits for the log")
				}
			})
		})
	}
}

func TestResumeGoesOnWhileTheLogBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &stuckLog{done: make(chan struct{})}
		defer close(log.done)
		f := newFakeAWS(t)
		d := newTestDialer(t, f, func(cfg *Config) { cfg.Sessions, cfg.Log = 1, slog.New(log) })
		c := dial(t, d)
		defer c.Close()
		echo(t, c, 100)
		synctest.Wait()
		log.stuck.Store(true)
		f.net.cut()
		echo(t, c, 100)
		if log.lines.Load() == 0 {
			t.Error("no line is in the way")
		}
	})
}

// What a log that blocks for long has no room for is counted; all else keeps its
// order and its time.
func TestLogCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out logBuffer
		log := &stuckLog{done: make(chan struct{}), next: newLog(&out).Handler()}
		d := newTestDialer(t, newFakeAWS(t), func(cfg *Config) { cfg.Log = slog.New(log) })
		began := time.Now()
		log.stuck.Store(true)
		d.log.Info("first")
		synctest.Wait()
		for n := range maxRecords + 5 {
			d.log.Info("more", "n", n)
		}
		time.Sleep(time.Hour)
		log.stuck.Store(false)
		close(log.done)
		synctest.Wait()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 1+maxRecords+1 {
			t.Fatalf("%d lines", len(lines))
		}
		for i, want := range map[int]string{0: "msg=first", 1: "n=0", maxRecords: "n=999", maxRecords + 1: "lines=5"} {
			if !strings.Contains(lines[i], want) || i <= maxRecords && !strings.HasPrefix(lines[i], "time="+began.Format("2006-01-02T15:04:05")) {
				t.Errorf("line %d is %s, want %s", i, lines[i], want)
			}
		}
		d.log.Info("last")
		synctest.Wait()
		if !strings.Contains(out.String(), "msg=last") {
			t.Error("nothing is logged any more")
		}
	})
}
