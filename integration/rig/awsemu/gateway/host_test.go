package gateway

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestWorkersShareTheirHost starts workers at given times: the processor is shared
// by those that have begun and are not done.
func TestWorkersShareTheirHost(t *testing.T) {
	const s = time.Second
	tests := []struct {
		name   string
		begins []time.Duration
		works  []time.Duration
		want   []time.Duration // when each has started
	}{
		{"alone", []time.Duration{0}, []time.Duration{500 * time.Millisecond}, []time.Duration{500 * time.Millisecond}},
		{"one after the other", []time.Duration{0, 3 * s}, []time.Duration{s, 15 * s}, []time.Duration{s, 18 * s}},
		{"four at once", []time.Duration{0, 0, 0, 0}, []time.Duration{s, s, s, s}, []time.Duration{4 * s, 4 * s, 4 * s, 4 * s}},
		{"a short one beside a long one", []time.Duration{0, 0}, []time.Duration{s, 3 * s}, []time.Duration{2 * s, 4 * s}},
		{"one that comes later", []time.Duration{0, s}, []time.Duration{2 * s, 2 * s}, []time.Duration{3 * s, 4 * s}},
		{"at once", []time.Duration{0}, []time.Duration{0}, []time.Duration{0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, begin := newHost(), time.Now()
				var all sync.WaitGroup
				for i := range tt.begins {
					all.Go(func() {
						time.Sleep(tt.begins[i])
						if !h.start(t.Context(), func(int) time.Duration { return tt.works[i] }) {
							t.Errorf("worker %d has not started", i)
						}
						if got := time.Since(begin); (got - tt.want[i]).Abs() > time.Microsecond {
							t.Errorf("worker %d started after %v, want %v", i, got, tt.want[i])
						}
					})
				}
				all.Wait()
			})
		})
	}
}

// A worker that is no longer wanted leaves the processor to the others.
func TestWorkerThatIsNotWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, begin := newHost(), time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		second := func(int) time.Duration { return time.Second }
		go func() {
			if h.start(ctx, second) {
				t.Error("a worker that is not wanted has started")
			}
		}()
		time.AfterFunc(500*time.Millisecond, cancel)
		if h.start(t.Context(), second); time.Since(begin) != 1250*time.Millisecond {
			t.Errorf("the other has started after %v, want 1.25s", time.Since(begin))
		}
	})
}

func TestWorkersAreNumbered(t *testing.T) {
	h := newHost()
	for want := 1; want < 4; want++ {
		h.start(t.Context(), func(n int) time.Duration {
			if n != want {
				t.Errorf("worker %d has number %d", want, n)
			}
			return 0
		})
	}
}

// TestSlowWorker: nothing comes of a session, start_publication included, before
// its worker is there.
func TestSlowWorker(t *testing.T) {
	const slow = 100 * time.Millisecond
	g := startService(t, Config{WorkerStart: func(int) time.Duration { return slow }})
	c := newClient(t, g, target(t, echoing))
	begin := time.Now()
	c.connect()
	c.wait("first word", func(got []message, _ error) bool { return len(got) > 0 })
	if took := time.Since(begin); took < slow {
		t.Errorf("the agent's first word after %v, want %v at least", took, slow)
	}
	c.waitFor(typeOutput, payloadHandshakeComplete)
	c.awaitPort()
	c.terminate()
	wantNoViolations(t, g)
}

// TestMessagesCostTheirHost sends messages that have to be taken, and be
// acknowledged.
func TestMessagesCostTheirHost(t *testing.T) {
	const cost, n = 2 * time.Millisecond, 20
	g := startService(t, Config{MessageCost: cost})
	c := newClient(t, g, target(t, echoing))
	c.ready()
	begin := time.Now()
	var last message
	for range n {
		last = c.message(payloadData, []byte{1, 3, 0, 0, 0, 0, 0, 0})
		c.sendRaw(last.encode())
	}
	c.waitAck(last.seq)
	if took := time.Since(begin); took < 2*n*cost {
		t.Errorf("%d messages took %v, want %v at least", n, took, 2*n*cost)
	}
	s := g.Sessions()[0]
	if s.MessagesIn < n || s.MessagesOut < n {
		t.Errorf("%d messages in, %d out; want %d each at least", s.MessagesIn, s.MessagesOut, n)
	}
	c.terminate()
	wantNoViolations(t, g)
}

// TestAgentsKilled: the service says that the agent's websocket is gone, if it says
// anything; from the worker not a word comes.
func TestAgentsKilled(t *testing.T) {
	for _, never := range []bool{false, true} {
		g := startService(t, Config{NeverPause: never})
		c := newClient(t, g, target(t, echoing))
		c.ready()
		before := c.different()
		if n := g.KillAgents(); n != 1 {
			t.Fatalf("%d agents, want 1", n)
		}
		if !never {
			c.waitFor(typePause, payloadNone)
		}
		c.send(payloadData, []byte{1, 3, 0, 0, 0, 0, 0, 0})
		<-time.After(300 * time.Millisecond)
		if after := c.different() - before; never && after > 0 || !never && after != 1 {
			t.Errorf("%d messages, %q in all, from a killed agent and its service; none is to pause: %v", after, c.kinds(), never)
		}
		if !g.Live(c.session) {
			t.Error("the session has ended")
		}
		c.resume()
		if !never {
			c.wait("a pause for who comes back", func(got []message, _ error) bool {
				n := 0
				for _, m := range got {
					if m.kind == typePause {
						n++
					}
				}
				return n == 2
			})
		}
		if !g.Terminate(c.session) {
			t.Error("no session to terminate")
		}
		c.waitFor(typeClosed, payloadNone)
		c.leave()
		wantNoViolations(t, g)
	}
}
