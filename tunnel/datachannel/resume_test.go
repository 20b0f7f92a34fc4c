package datachannel

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestTransferGoesOnAfterEachCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.latency = 20 * ms
		r.dial = func(n int, l *link) error {
			if n > 0 {
				time.Sleep(300 * ms) // ResumeSession and a dial
			}
			return nil
		}
		r.run(func(cfg *Config) { cfg.GapTimeout = time.Hour })
		r.awaitReady()
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for range 5 {
				time.Sleep(130 * ms)
				r.cut()
				time.Sleep(2 * time.Second)
			}
		}()
		transfer(t, r, 3_000_000, 300_000)
		<-stopped
		time.Sleep(5 * time.Second)
		if s := r.conn.Stats(); s.Resumes != 5 || s.State != StateCarrying || s.Resends == 0 || s.Unacknowledged != 0 {
			t.Errorf("stats are %+v, want 5 resumes and all acknowledged", s)
		}
		r.stop()
	})
}

func TestResumeSendsTheWholeWindowInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.run()
		r.awaitReady()
		time.Sleep(time.Second)
		r.agent.mu.Lock()
		r.agent.refuse = func(seq int64, copy int) bool { return copy == 1 }
		r.agent.mu.Unlock()
		r.stream.write(make([]byte, 5000))
		time.Sleep(15 * ms)
		r.cut()
		cutAt := time.Since(r.agent.start)
		time.Sleep(100 * ms)
		var again []int64
		for _, e := range r.agent.seen(func(e event) bool { return e.kind == "input_stream_data" && e.at > cutAt }) {
			again = append(again, e.seq)
		}
		if want := []int64{2, 3, 4, 5, 6}; !slices.Equal(again, want) {
			t.Errorf("on the new transport came %v, want %v", again, want)
		}
		r.stop()
	})
}

// Any input ends the agent's pause, so a resume is never without.
func TestResumeOfAnIdleSessionSendsANOP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t).run()
		r.awaitReady()
		time.Sleep(time.Hour)
		r.cut()
		time.Sleep(time.Second)
		if data, nops := r.agent.streamData(); len(data) != 0 || nops != 2 {
			t.Errorf("agent has %d bytes and %d NOPs, want none and 2", len(data), nops)
		}
		if got := len(r.agent.inputsAt(2)); got != 1 {
			t.Errorf("the NOP came %d times", got)
		}
		r.stop()
	})
}

// Acknowledges that could not be written wait for the next transport, each once.
func TestWaitingAcknowledgesSurviveACut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		gate := make(chan struct{}, 100)
		r.setup = func(l *link) {
			if r.dials == 0 {
				l.blocked = gate
			}
		}
		for range 4 { // the handshake's four messages
			gate <- struct{}{}
		}
		r.agent.noResend = true
		r.run()
		r.awaitReady()
		for range 50 {
			r.agent.output(1, []byte("data"))
		}
		time.Sleep(time.Second)
		if got := r.agent.acksOf(40); got != 0 {
			t.Fatalf("%d acknowledges came through a closed gate", got)
		}
		r.cut()
		time.Sleep(100 * ms)
		for seq := int64(3); seq < 52; seq++ { // that of 2 was being written
			if got := r.agent.acksOf(seq); got != 1 {
				t.Errorf("output %d has %d acknowledges, want 1", seq, got)
			}
		}
		r.stop()
	})
}

func TestHandshakeSurvivesACut(t *testing.T) {
	for _, after := range []time.Duration{5 * ms, 15 * ms, 25 * ms, 35 * ms, 45 * ms, 55 * ms} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t).run()
				time.Sleep(after)
				r.cut()
				r.awaitReady()
				r.stream.write([]byte("data"))
				time.Sleep(time.Second)
				if data, _ := r.agent.streamData(); string(data) != "data" {
					t.Errorf("agent has %q", data)
				}
				r.stop()
			})
		})
	}
}

// The agent needs its time anew after each resume.
func TestGapClockStartsAgainWithATransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.agent.noResend = true
		r.run()
		r.awaitReady()
		frame := wire("output_stream_data", 3, 0, 1, []byte("early"))
		r.agent.mu.Lock()
		r.agent.names[3] = wireName(frame)
		r.agent.mu.Unlock()
		r.agent.write(frame)
		time.Sleep(9 * time.Second)
		r.cut()
		start := time.Now()
		if err := r.ended(time.Minute); !errors.Is(err, ErrGap) {
			t.Errorf("Run ended with %v", err)
		}
		if got := time.Since(start); got != 10*time.Second {
			t.Errorf("Run ended %v after the cut, want 10s", got)
		}
	})
}

// A fresh transport that is dead brings no repair; the next one does.
func TestGapOutlivesADeadTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		lose := func([]byte) fault { return fault{lose: true} }
		var first *link
		r.dial = func(n int, l *link) error {
			switch n {
			case 0:
				first = l
			case 1:
				l.died.Store(new(time.Now()))
				setFaults(l.up, lose)
				setFaults(l.down, lose)
			}
			return nil
		}
		r.run()
		r.awaitReady()
		setFaults(first.down, lose)
		r.agent.outputStream([]byte("lost"))
		setFaults(first.down, nil)
		r.agent.outputStream([]byte("kept"))
		time.Sleep(20 * ms)
		r.cut()
		time.Sleep(14 * time.Second) // until its owner has noticed
		r.cut()
		time.Sleep(10 * time.Second)
		if s := r.conn.Stats(); s.State != StateCarrying || s.Missing != 0 || s.Resumes != 2 {
			t.Errorf("stats are %+v, want all repaired by the second transport", s)
		}
		r.stop()
	})
}

// Transports that open and break at once must neither be tried in a hot loop nor
// for ever, but for as long as an outage is promised to be outlived.
func TestFruitlessTransports(t *testing.T) {
	tests := []struct {
		name   string
		outage time.Duration // 0: for ever
	}{
		{"for a moment", 90 * time.Second},
		{"for long", 14*time.Minute + 50*time.Second},
		{"for ever", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				var cut time.Time
				r.setup = func(l *link) {
					if !cut.IsZero() && (test.outage == 0 || time.Since(cut) < test.outage) {
						l.Close()
					}
				}
				r.run()
				r.awaitReady()
				cut = time.Now()
				r.cut()
				if test.outage > 0 {
					time.Sleep(test.outage - time.Second)
					if got := r.conn.Stats().Silent; got != test.outage-time.Second {
						t.Errorf("agent said to be out of reach for %v after %v", got, test.outage-time.Second)
					}
					time.Sleep(longestPause + time.Second)
					r.stream.write([]byte("data"))
					time.Sleep(time.Second)
					if data, _ := r.agent.streamData(); string(data) != "data" {
						t.Errorf("agent has %q after the outage", data)
					}
					if got := r.conn.Stats().Silent; got != 0 {
						t.Errorf("agent said to be out of reach for %v after the outage", got)
					}
					r.stop()
					return
				}
				if err := r.ended(time.Hour); !errors.Is(err, ErrPeerSilent) {
					t.Errorf("Run ended with %v", err)
				}
				if took := time.Since(cut); took < 15*time.Minute || took > 15*time.Minute+longestPause || r.dials > 200 {
					t.Errorf("%d transports in %v, want them for 15m0s, %v apart", r.dials, took, longestPause)
				}
			})
		})
	}
}

// A transport that worked makes the next one come at once again.
func TestPauseBetweenTransportsIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var dialled []time.Time
		r.setup = func(l *link) {
			dialled = append(dialled, time.Now())
			if len(dialled) == 2 || len(dialled) == 3 {
				l.Close()
			}
		}
		r.run()
		r.awaitReady()
		r.cut()
		time.Sleep(time.Minute)
		cut := time.Now()
		r.cut()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(dialled) != 5 {
			t.Fatalf("dialled at %v, want 5 times", dialled)
		}
		if got := []time.Duration{dialled[2].Sub(dialled[1]), dialled[3].Sub(dialled[2]), dialled[4].Sub(cut)}; !slices.Equal(got, []time.Duration{200 * ms, 400 * ms, 0}) {
			t.Errorf("pauses are %v, want 200ms, 400ms, 0s", got)
		}
		r.stop()
	})
}
