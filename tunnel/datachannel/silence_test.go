package datachannel

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestSilentAgentEndsRun(t *testing.T) {
	tests := []struct {
		name   string
		during func(r *rig) // once the question is asked
		want   time.Duration
	}{
		{"nothing explains it", nil, 12 * time.Second},
		{"the agent is said to be away", func(r *rig) { r.agent.write(wire("pause_publication", 0, 3, 0, nil)) }, 14500 * ms},
		{"the agent is said to be away, late", func(r *rig) {
			time.Sleep(5 * time.Second)
			r.agent.write(wire("pause_publication", 0, 3, 0, nil))
		}, 14500 * ms},
		{"the agent is said to be away, and back", func(r *rig) {
			r.agent.write(wire("pause_publication", 0, 3, 0, nil))
			time.Sleep(14 * time.Second)
			r.agent.write(wire("start_publication", 0, 3, 0, nil))
		}, 26*time.Second + 10*ms},
		{"the agent is said to be away, and may be stalled", func(r *rig) {
			r.stream.mu.Lock()
			r.stream.owed = stallable
			r.stream.mu.Unlock()
			time.Sleep(100 * ms)
			r.agent.write(wire("pause_publication", 0, 3, 0, nil))
		}, 14610 * ms},
		{"the agent is said to be away, on a transport that may be dead", func(r *rig) {
			r.agent.write(wire("pause_publication", 0, 3, 0, nil))
			time.Sleep(50 * ms)
			r.agent.link.died.Store(new(time.Now()))
		}, 30010 * ms},
		{"a target may have stalled it", func(r *rig) {
			r.stream.mu.Lock()
			r.stream.owed = stallable
			r.stream.mu.Unlock()
		}, 30 * time.Second},
		{"a target may have stalled it, over two transports", func(r *rig) {
			r.stream.mu.Lock()
			r.stream.owed = stallable
			r.stream.mu.Unlock()
			time.Sleep(24 * time.Second)
			r.cut()
		}, 36 * time.Second},
		{"the transport may be dead", func(r *rig) { r.agent.link.died.Store(new(time.Now())) }, 30 * time.Second},
		{"the transport was as good as dead", func(r *rig) {
			r.agent.link.died.Store(new(time.Now()))
			time.Sleep(11500 * ms)
			r.agent.link.died.Store(nil)
		}, 19 * time.Second},
		{"the agent talks on", func(r *rig) {
			r.conn.mu.Lock()
			r.conn.replaced = 2 // what happens to the transport is another test's
			r.conn.mu.Unlock()
			for range 29 {
				r.agent.output(1, []byte("news"))
				time.Sleep(time.Second)
			}
		}, 30 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.agent.refuse = func(seq int64, copy int) bool { return seq > 1 }
				r.run()
				r.awaitReady()
				time.Sleep(time.Minute)
				r.stream.write([]byte("anyone there"))
				start := time.Now()
				if test.during != nil {
					go test.during(r)
				}
				if err := r.ended(time.Minute); !errors.Is(err, ErrPeerSilent) {
					t.Errorf("Run ended with %v", err)
				}
				if got := time.Since(start); got != test.want {
					t.Errorf("Run ended after %v, want %v", got, test.want)
				}
			})
		})
	}
}

// An agent that repairs a loss, ten messages a second, is not silent.
func TestRepairIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var l *link
		r.setup = func(latest *link) { l = latest }
		r.run()
		r.awaitReady()
		setFaults(l.down, func([]byte) fault { return fault{lose: true} })
		for range 140 {
			r.agent.outputStream([]byte("lost"))
		}
		setFaults(l.down, nil)
		r.agent.outputStream([]byte("kept"))
		r.stream.write([]byte("question"))
		time.Sleep(20 * time.Second)
		if s := r.conn.Stats(); s.State != StateCarrying || s.Missing != 0 || s.Resumes != 0 {
			t.Errorf("stats are %+v, want all repaired", s)
		}
		r.stop()
	})
}

// While the agent starts, it may wait for its resolver.
func TestStartMayTakeLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.agent.readyAfter = 25 * time.Second
		r.run()
		r.awaitReady()
		r.stop()
	})
}
