package datachannel

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/display"
)

func TestTerminate(t *testing.T) {
	closed := func(r *rig) { r.agent.write(wire("channel_closed", 0, 0, 0, []byte(`{"Output":""}`))) }
	tests := []struct {
		name   string
		refuse bool
		during func(r *rig)
		want   error
		within time.Duration
	}{
		{name: "acknowledged", within: 20 * ms},
		{name: "channel closed", refuse: true, during: closed, within: 110 * ms},
		{name: "unconfirmed", refuse: true, want: ErrUnconfirmed, within: 2 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.agent.refuse = func(seq int64, copy int) bool { return test.refuse && seq > 1 }
				r.run()
				r.awaitReady()
				if test.during != nil {
					time.AfterFunc(100*ms, func() { test.during(r) })
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				start := time.Now()
				if err := r.conn.Terminate(ctx); !errors.Is(err, test.want) {
					t.Errorf("Terminate gives %v, want %v", err, test.want)
				}
				if got := time.Since(start); got != test.within {
					t.Errorf("Terminate took %v, want %v", got, test.within)
				}
				if err := r.ended(ms); !errors.Is(err, ErrTerminated) {
					t.Errorf("Run ended with %v", err)
				}
				if !test.refuse && !slices.Equal(r.agent.flags, []uint32{2}) {
					t.Errorf("agent got flags %v, want 2", r.agent.flags)
				}
				if err := r.conn.Terminate(ctx); !errors.Is(err, test.want) {
					t.Errorf("a second Terminate gives %v, want %v", err, test.want)
				}
			})
		})
	}
}

// The flag is the last the agent hears of us.
func TestNothingIsSentAfterTheTerminateFlag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.agent.refuse = func(seq int64, copy int) bool { return seq > 1 }
		r.run()
		r.awaitReady()
		go func() {
			time.Sleep(100 * ms)
			r.stream.write([]byte("too late"))
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r.conn.Terminate(ctx)
		r.ended(ms)
		if got := r.agent.inputsAt(3); len(got) != 0 || len(r.agent.inputsAt(2)) == 0 {
			t.Errorf("input after the flag came at %v, want none", got)
		}
	})
}

// What the agent has not been told it cannot confirm.
func TestTerminateBeforeReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.agent.silent = true
		r.run()
		time.Sleep(time.Second)
		if err := r.conn.Terminate(t.Context()); !errors.Is(err, ErrUnconfirmed) {
			t.Errorf("Terminate gives %v", err)
		}
		if err := r.ended(ms); !errors.Is(err, ErrTerminated) {
			t.Errorf("Run ended with %v", err)
		}
	})
	c, err := New(Config{Stream: newFakeStream(), Connect: func(context.Context) (Transport, error) { return nil, errors.New("asked") }})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Terminate(t.Context()); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("Terminate before Run gives %v", err)
	}
	if err := c.Run(t.Context()); !errors.Is(err, ErrTerminated) {
		t.Errorf("Run after Terminate gives %v", err)
	}
	if err := c.Run(t.Context()); err == nil {
		t.Error("a second Run gives no error")
	}
}

// While the way to the agent is down, the flag waits for the next transport.
func TestTerminateWhileResuming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.dial = func(n int, l *link) error {
			if n > 0 {
				time.Sleep(time.Second)
			}
			return nil
		}
		r.run()
		r.awaitReady()
		r.cut()
		time.Sleep(100 * ms)
		if got := r.conn.Stats().State; got != StateResuming {
			t.Errorf("state is %v", got)
		}
		if err := r.conn.Terminate(t.Context()); err != nil {
			t.Errorf("Terminate gives %v", err)
		}
		if !slices.Equal(r.agent.flags, []uint32{2}) {
			t.Errorf("agent got flags %v, want 2", r.agent.flags)
		}
		r.ended(ms)
	})
}

func TestChannelClosedEndsRun(t *testing.T) {
	vectors := readVectors(t)
	tests := []struct {
		name  string
		frame []byte
		want  string
	}{
		{"the service's form", vectors.named(t, "service_channel_closed_112"), "bye"},
		{"the long form", vectors.named(t, "service_channel_closed_116"), "bye"},
		{"no output", vectors.named(t, "agentside_channel_closed"), ""},
		{"broken JSON", wire("channel_closed", 0, 0, 0, []byte(`{"Output":"`)), ""},
		{"no payload", wire("channel_closed", 0, 0, 0, nil), ""},
		{"a resolver's error", wire("channel_closed", 0, 0, 0, []byte(`{"Output":"lookup db on 10.0.0.2:53:\nno such host"}`)), display.Line("lookup db on 10.0.0.2:53:\nno such host")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t).run()
				r.awaitReady()
				time.Sleep(time.Second)
				before := len(r.agent.seen(func(event) bool { return true }))
				r.agent.write(test.frame)
				var closed *ChannelClosedError
				if err := r.ended(11 * ms); !errors.As(err, &closed) || closed.Output != test.want || !strings.Contains(err.Error(), test.want) {
					t.Errorf("Run ended with %v, want output %q", err, test.want)
				}
				if r.dials != 1 {
					t.Errorf("%d transports, want 1", r.dials)
				}
				if after := len(r.agent.seen(func(event) bool { return true })); after != before {
					t.Errorf("%d messages after channel_closed, want none", after-before)
				}
				if err := r.conn.Terminate(t.Context()); err != nil {
					t.Errorf("Terminate of what is closed gives %v", err)
				}
			})
		})
	}
}

func TestGapEndsRun(t *testing.T) {
	tests := []struct {
		name  string
		seqs  []int64
		limit int
		after time.Duration
	}{
		{"one message never comes", []int64{3, 4}, 0, 10 * time.Second},
		{"a thousand are missing", []int64{1002}, 0, 0},
		{"too much to hold", sequence(3, 10), 5000, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t).run(func(cfg *Config) { cfg.MaxReorder = test.limit })
				r.awaitReady()
				for _, seq := range test.seqs {
					frame := wire("output_stream_data", seq, 0, 1, make([]byte, 1000))
					r.agent.mu.Lock()
					r.agent.names[seq] = wireName(frame)
					r.agent.mu.Unlock()
					r.agent.write(frame)
				}
				time.Sleep(r.latency)
				start := time.Now()
				if err := r.ended(time.Minute); !errors.Is(err, ErrGap) {
					t.Errorf("Run ended with %v", err)
				}
				if got := time.Since(start); got != test.after {
					t.Errorf("Run ended after %v, want %v", got, test.after)
				}
			})
		})
	}
}

func TestDeliverErrorEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t).run()
		r.awaitReady()
		broken := errors.New("not smux")
		r.stream.mu.Lock()
		r.stream.broken = broken
		r.stream.mu.Unlock()
		r.agent.output(1, []byte("HTTP/1.1 400"))
		if err := r.ended(time.Minute); !errors.Is(err, broken) {
			t.Errorf("Run ended with %v", err)
		}
		if got := r.agent.acksOf(2); got != 0 {
			t.Errorf("what could not be delivered has %d acknowledges", got)
		}
	})
}

func TestCancelWakesEverything(t *testing.T) {
	tests := []struct {
		name  string
		setup func(r *rig, cfg *Config)
	}{
		{"connecting", func(r *rig, cfg *Config) {
			cfg.Connect = func(ctx context.Context) (Transport, error) { <-ctx.Done(); return nil, ctx.Err() }
		}},
		{"waiting for the handshake", func(r *rig, cfg *Config) { r.agent.silent = true }},
		{"writing", func(r *rig, cfg *Config) { r.setup = func(l *link) { l.blocked = make(chan struct{}) } }},
		{"carrying", func(r *rig, cfg *Config) {}},
		{"pausing between fruitless transports", func(r *rig, cfg *Config) {
			r.setup = func(l *link) { l.Close() }
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.run(func(cfg *Config) { test.setup(r, cfg) })
				time.Sleep(5 * time.Second)
				start := time.Now()
				r.stop()
				if got := time.Since(start); got != 0 {
					t.Errorf("Run ended %v after its context", got)
				}
			})
		})
	}
}

func TestConnectErrorIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("session does not exist")
		r := newRig(t)
		r.dial = func(n int, l *link) error {
			if n == 2 {
				return gone
			}
			return nil
		}
		r.run()
		r.awaitReady()
		r.cut()
		time.Sleep(time.Second)
		r.cut()
		if err := r.ended(time.Second); !errors.Is(err, gone) {
			t.Errorf("Run ended with %v", err)
		}
	})
}

// What the agent says last is heard although a write has failed before it was
// read.
func TestLastWordsAreReadAfterAFailedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.dial = func(n int, l *link) error {
			if n > 0 {
				return errors.New("the session is over")
			}
			return nil
		}
		r.wrap = func(_ int, l Transport) Transport { return &leaving{Transport: l, agent: r.agent} }
		r.run()
		r.awaitReady()
		r.stream.write([]byte("select 1"))
		var closed *ChannelClosedError
		if err := r.ended(time.Minute); !errors.As(err, &closed) || closed.Output != "no more sessions" {
			t.Errorf("Run ended with %v, want the agent's words", err)
		}
	})
}

// A transport that takes no more, and has nothing to read either, holds up a
// resume for no longer than lastWords.
func TestFailedWriteEndsTheTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.wrap = func(n int, l Transport) Transport {
			if n == 0 {
				return &leaving{Transport: l}
			}
			return l
		}
		r.run()
		r.awaitReady()
		r.stream.write([]byte("select 1"))
		time.Sleep(lastWords + 100*ms)
		if data, _ := r.agent.streamData(); string(data) != "select 1" {
			t.Errorf("agent got %q on the next transport", data)
		}
		r.stop()
	})
}

// leaving fails when stream data is written; with an agent, that has ended the
// session before, and its word is under way.
type leaving struct {
	Transport
	agent *agent
}

func (l *leaving) WriteMessage(p []byte) error {
	if !bytes.Contains(p, []byte("select 1")) {
		return l.Transport.WriteMessage(p)
	}
	if l.agent != nil {
		l.agent.write(wire("channel_closed", 0, 0, 0, []byte(`{"Output":"no more sessions"}`)))
	}
	return syscall.EPIPE
}
