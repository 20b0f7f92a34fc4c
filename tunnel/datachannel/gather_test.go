package datachannel

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestSmallMessagesAreGathered(t *testing.T) {
	const most = 900
	tests := []struct {
		name string
		ago  time.Duration // since the last
		n    int
		wait time.Duration
	}{
		{"nothing to say", 0, 0, 0},
		{"right behind another", 0, 100, gatherFor},
		{"soon behind another", gatherFor / 4, 100, gatherFor * 3 / 4},
		{"long after it", gatherFor, 100, 0},
		{"a full message", 0, most, 0},
	}
	for _, tt := range tests {
		last := epoch
		now := last.Add(tt.ago)
		var want time.Time
		if tt.wait > 0 {
			want = now.Add(tt.wait)
		}
		if got := gathers(now, last, tt.n, most); !got.Equal(want) {
			t.Errorf("%s: until %v, want %v", tt.name, got, want)
		}
	}
}

// crowdStream is a fakeStream that says how much it holds.
type crowdStream struct {
	*fakeStream
	crowded bool
}

func (s crowdStream) Queued(time.Time) (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.out), s.crowded
}

// Several streams that say little share messages; one alone waits for nothing.
func TestCrowdSharesMessages(t *testing.T) {
	for _, crowded := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.run(func(cfg *Config) { cfg.Stream = crowdStream{r.stream, crowded} })
			r.awaitReady()
			time.Sleep(time.Second)
			before := r.conn.Stats().MessagesOut
			const pieces = 100
			start := time.Now()
			for range pieces {
				r.stream.write([]byte("question"))
				synctest.Wait()
				time.Sleep(gatherFor / 10)
			}
			time.Sleep(time.Second)
			got := r.conn.Stats().MessagesOut - before
			if want := int64(pieces); !crowded && got != want {
				t.Errorf("%d messages for %d pieces of one stream, want %d", got, pieces, want)
			}
			if crowded && (got < pieces/10 || got > pieces/10+1) {
				t.Errorf("%d messages for %d pieces of a crowd, want one for ten", got, pieces)
			}
			if data, _ := r.agent.streamData(); len(data) != pieces*len("question") {
				t.Errorf("the agent has %d bytes after %v", len(data), time.Since(start))
			}
			r.stop()
		})
	}
}
