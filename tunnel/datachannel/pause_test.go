package datachannel

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPauseHoldsNewDataOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.agent.refuse = func(seq int64, copy int) bool { return seq == 2 && copy < 4 }
		r.run()
		r.awaitReady()
		window := r.conn.Stats().Window
		r.stream.write([]byte("under way"))
		time.Sleep(50 * ms)
		r.agent.write(wire("pause_publication", 0, 3, 0, nil))
		time.Sleep(20 * ms)
		if got := r.conn.Stats().Window; got != window/2 {
			t.Errorf("window is %d in a pause, was %d", got, window)
		}
		r.stream.write([]byte("new"))
		time.Sleep(1200 * ms)
		if got := len(r.agent.inputsAt(3)); got != 0 {
			t.Errorf("new data was sent in a pause")
		}
		if got := len(r.agent.inputsAt(2)); got != 3 {
			t.Errorf("the oldest message was sent %d times, want 3", got)
		}
		r.agent.write(wire("start_publication", 0, 3, 0, nil))
		time.Sleep(50 * ms)
		if got := len(r.agent.inputsAt(3)); got != 1 {
			t.Errorf("data was sent %d times after the pause, want 1", got)
		}
		r.stop()
	})
}

func TestWhatEndsAPause(t *testing.T) {
	tests := []struct {
		name string
		end  func(r *rig)
		want time.Duration // to the next data; 0: none within the second
	}{
		{"start", func(r *rig) { r.agent.write(wire("start_publication", 0, 3, 0, nil)) }, 20 * ms},
		{"output", func(r *rig) { r.agent.output(1, []byte("x")) }, 20 * ms},
		{"acknowledge", func(r *rig) { r.agent.write(wireAck(strings.Repeat("0", 36), 1)) }, 20 * ms},
		{"cut", func(r *rig) { r.cut() }, 10 * ms},
		{"nothing", func(r *rig) {}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t).run()
				r.awaitReady()
				r.agent.write(wire("pause_publication", 0, 3, 0, nil))
				time.Sleep(50 * ms)
				r.stream.write([]byte("new"))
				time.Sleep(50 * ms)
				start := time.Since(r.agent.start)
				test.end(r)
				time.Sleep(900 * ms)
				var got time.Duration
				if at := r.agent.inputsAt(2); len(at) > 0 {
					got = at[0] - start
				}
				if got != test.want {
					t.Errorf("data after %v, want %v", got, test.want)
				}
				time.Sleep(time.Second) // a lost start must not stop the session
				if data, _ := r.agent.streamData(); string(data) != "new" {
					t.Errorf("agent has %q after two seconds", data)
				}
				r.stop()
			})
		})
	}
}
