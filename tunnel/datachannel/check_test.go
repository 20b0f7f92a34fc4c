package datachannel

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// An agent that ends with nothing of ours under way is missed nonetheless.
func TestAgentIsMissed(t *testing.T) {
	ask := func(r *rig) {
		r.stream.asks = true
		r.stream.write([]byte("select"))
	}
	tests := []struct {
		name  string
		begin func(r *rig)
		after time.Duration // from there to the agent's end
		want  time.Duration // from the agent's end
	}{
		{"in a download", func(r *rig) { r.agent.output(1, []byte("rows")) }, 20 * ms, 13990 * ms},
		{"before the answer", ask, 30 * ms, 13990 * ms},
		// Checks come at 2, 6, 14, 30, 54 … 126 s, and take a round trip each.
		{"two minutes into a query", ask, 2 * time.Minute, 18160 * ms},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.run()
				r.awaitReady()
				time.Sleep(time.Minute)
				test.begin(r)
				time.Sleep(test.after)
				stall(r, true, true)
				start := time.Now()
				if err := r.ended(time.Hour); !errors.Is(err, ErrPeerSilent) {
					t.Errorf("Run ended with %v", err)
				}
				if got := time.Since(start); got != test.want {
					t.Errorf("Run ended after %v, want %v", got, test.want)
				}
			})
		})
	}
}

// A check is one NOP for each silence, and few in a long one.
func TestChecksAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t).run()
		r.awaitReady()
		checks := func(what string, want int) {
			t.Helper()
			_, before := r.agent.streamData()
			time.Sleep(time.Hour)
			if _, after := r.agent.streamData(); after-before != want {
				t.Errorf("%d checks in an hour %s, want %d", after-before, what, want)
			}
		}
		checks("of rest", 0)
		r.agent.output(1, []byte("a notification"))
		checks("after a message", 1)
		r.stream.asks = true
		r.stream.write([]byte("select"))
		checks("of waiting", 152) // 2, 6, 14 and 30 s, then every 24 s
		r.stream.mu.Lock()
		r.stream.owed = 0
		r.stream.mu.Unlock()
		r.agent.output(1, []byte("rows"))
		checks("after the answer", 1)
		r.stop()
	})
}
