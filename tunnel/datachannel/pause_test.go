package datachannel

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
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

// An agent that ends in a pause is missed, whatever was under way.
func TestAgentThatIsPausedForGood(t *testing.T) {
	tests := map[string]func(r *rig){
		"at rest":       func(r *rig) {},
		"in a download": func(r *rig) { r.agent.output(1, []byte("rows")) },
		"in an upload":  func(r *rig) { r.stream.write(make([]byte, 100_000)) },
	}
	for name, begin := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.run()
				r.awaitReady()
				time.Sleep(time.Minute)
				begin(r)
				time.Sleep(5 * ms)
				stall(r, true, true)
				r.agent.write(wire("pause_publication", 0, 3, 0, nil))
				start := time.Now()
				err := r.ended(time.Minute)
				if !errors.Is(err, ErrPeerSilent) || !strings.Contains(err.Error(), "the service said") {
					t.Errorf("Run ended with %v", err)
				}
				if got := time.Since(start); got < 14*time.Second || got > 15*time.Second {
					t.Errorf("Run ended after %v, want 15s at most", got)
				}
			})
		})
	}
}

// A pause that is lifted in time costs nothing, although what was under way is lost
// and the agent repairs nothing meanwhile.
func TestPauseThatIsLifted(t *testing.T) {
	for _, word := range []string{"start_publication", ""} {
		t.Run("by "+word, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				var away atomic.Bool
				r.agent.refuse = func(int64, int) bool { return away.Load() }
				var l *link
				r.setup = func(latest *link) { l = latest }
				r.run()
				r.awaitReady()
				time.Sleep(time.Minute)
				away.Store(true)
				want := randomBytes(20_000, 1)
				r.stream.write(want)
				setFaults(l.down, func([]byte) fault { return fault{lose: true} })
				r.agent.outputStream([]byte("lost"))
				setFaults(l.down, nil)
				r.agent.outputStream([]byte("kept"))
				setFaults(l.down, func(frame []byte) fault { return fault{lose: !bytes.Contains(frame, []byte("_publication"))} })
				time.Sleep(50 * ms)
				r.agent.write(wire("pause_publication", 0, 3, 0, nil))
				time.Sleep(14 * time.Second)
				away.Store(false)
				setFaults(l.down, nil)
				if word != "" {
					r.agent.write(wire(word, 0, 3, 0, nil))
				}
				time.Sleep(10 * time.Second)
				if data, _ := r.agent.streamData(); !bytes.Equal(data, want) {
					t.Errorf("the agent has %d bytes, want %d", len(data), len(want))
				}
				if got := len(r.stream.received()); r.conn.Stats().State != StateCarrying || r.conn.Stats().Missing != 0 || got == 0 {
					t.Errorf("stats are %+v, %d bytes have come; want all repaired", r.conn.Stats(), got)
				}
				r.stop()
			})
		})
	}
}

// At rest nothing would end a pause whose start was lost.
func TestPauseAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t).run()
		r.awaitReady()
		r.agent.write(wire("pause_publication", 0, 3, 0, nil))
		time.Sleep(time.Hour)
		if got := r.conn.Stats().State; got != StateCarrying {
			t.Errorf("state is %v after an hour", got)
		}
		if _, nops := r.agent.streamData(); nops != 2 {
			t.Errorf("%d NOPs, want the first of the session and one in the pause", nops)
		}
		r.stop()
	})
}
