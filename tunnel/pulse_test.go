package tunnel

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

func TestPulse(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	type look struct {
		after    time.Duration // since the look before
		jump     time.Duration // of the wall clock, on top
		arrivals int64
		traffic  int64
		want     time.Duration
	}
	const tick = pulseEvery
	idle := func(n int) []look {
		all := make([]look, n)
		for i := range all {
			all[i] = look{after: tick}
		}
		return all
	}
	tests := map[string][]look{
		"idle":                    append(idle(11), look{after: tick, want: deadAfter}, look{after: tick}),
		"traffic that goes on":    {{tick, 0, 1, 2, 0}, {tick, 0, 2, 4, 0}, {tick, 0, 3, 6, 0}, {tick, 0, 4, 8, 0}},
		"traffic falls silent":    {{tick, 0, 1, 2, 0}, {tick, 0, 1, 3, 0}, {tick, 0, 1, 4, deadAfter}, {tick, 0, 2, 4, 0}, {tick, 0, 2, 4, 0}, {tick, 0, 2, 4, 0}},
		"written after a silence": {{tick, 0, 0, 0, 0}, {tick, 0, 0, 0, 0}, {tick, 0, 0, 1, deadAfter}, {tick, 0, 0, 1, 0}},
		"wall clock jumps":        {{tick, 0, 0, 0, 0}, {tick, time.Hour, 0, 0, deadAfterSleep}, {tick, 0, 0, 0, 0}},
		"wall clock set back":     {{tick, -time.Hour, 0, 0, 0}, {tick, 0, 0, 0, 0}},
		"look comes late":         {{tick + wakeAfter + 1, 0, 0, 0, deadAfterSleep}, {tick, 0, 0, 0, 0}},
		"busy machine":            {{tick + wakeAfter, 0, 0, 0, 0}},
	}
	for name, looks := range tests {
		now, wall := begin, begin
		p := newPulse(now, wall)
		for i, l := range looks {
			now, wall = now.Add(l.after), wall.Add(l.after+l.jump)
			if got := p.look(now, wall, l.arrivals, l.traffic); got != l.want {
				t.Errorf("%s: look %d: %v, want %v", name, i, got, l.want)
			}
		}
	}
}

// muteServer takes everything and answers no ping.
func muteServer(t *testing.T) *pipeNet {
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{OnPingReceived: func(context.Context, []byte) bool { return false }})
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		drain(c)
	}))
}

func TestSocketThatDiesInUseIsDroppedWithin15Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := testDialer(muteServer(t), staticKeys()).dial(t.Context(), testURL, testOpen)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		start := time.Now()
		if err := s.WriteMessage([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ReadMessage(); !errors.Is(err, errSilent) {
			t.Errorf("got %v, want %v", err, errSilent)
		}
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("dropped after %v, want at most 15s", took)
		}
	})
}

func TestSleepOfTheMachineIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := testDialer(muteServer(t), staticKeys())
		var slept atomic.Int64
		d.wall = func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }
		s, err := d.dial(t.Context(), testURL, testOpen)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		time.Sleep(5 * time.Second)
		slept.Store(int64(8 * time.Hour))
		woke := time.Now()
		if _, err := s.ReadMessage(); !errors.Is(err, errSilent) {
			t.Errorf("got %v, want %v", err, errSilent)
		}
		if took := time.Since(woke); took > pulseEvery+deadAfterSleep {
			t.Errorf("dropped %v after waking, want at most %v", took, pulseEvery+deadAfterSleep)
		}
	})
}
