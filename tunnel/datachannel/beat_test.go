package datachannel

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// uploading is a rig in the middle of an upload of so many MiB, some ten a second,
// begun in reply to the agent's message 2.
func uploading(t *testing.T, mib int, change ...func(*Config)) *rig {
	t.Helper()
	r := newRig(t)
	r.stream.asks = true
	r.run(change...)
	r.awaitReady()
	time.Sleep(time.Second)
	r.agent.output(1, []byte("go on"))
	time.Sleep(r.latency + ms)
	go func() {
		r.stream.write(make([]byte, 5000)) // all that the client has read so far
		time.Sleep(2 * ackDelay)
		r.stream.write(make([]byte, 1<<20-5000))
		time.Sleep(100 * ms)
		for range mib - 1 {
			r.stream.write(make([]byte, 1<<20))
			time.Sleep(100 * ms)
		}
	}()
	return r
}

// awaitUpload waits until a target may have stalled the agent.
func awaitUpload(r *rig) {
	for r.agent.streamBytes() < stallable+1<<20 {
		time.Sleep(10 * ms)
	}
}

// stall has the agent take nothing any more, or again. die also keeps it from sending
// anything again.
func stall(r *rig, stalled, die bool) {
	r.agent.mu.Lock()
	defer r.agent.mu.Unlock()
	r.agent.noResend = die
	r.agent.refuse = func(int64, int) bool { return stalled }
}

func TestDeadAgentIsNoticedInALargeUpload(t *testing.T) {
	for _, stalledFor := range []time.Duration{0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			r := uploading(t, 8)
			awaitUpload(r)
			if stalledFor > 0 {
				stall(r, true, false)
				time.Sleep(stalledFor)
			}
			stall(r, true, true)
			start := time.Now()
			if err := r.ended(time.Minute); !errors.Is(err, ErrPeerSilent) {
				t.Errorf("Run ended with %v", err)
			}
			if took := time.Since(start); took < 10*time.Second || took > 13*time.Second {
				t.Errorf("stalled for %v before: Run ended after %v, want some 12s", stalledFor, took)
			}
		})
	}
}

// Also an upload that begins slowly, or rests, is one.
func TestDeadAgentIsNoticedInASlowUpload(t *testing.T) {
	message := make([]byte, 1024-8)
	for name, slow := range map[string]func(write func([]byte)){
		"begins slowly": func(write func([]byte)) {
			time.Sleep(400 * ms)
			for range 2 * beatFrom {
				write(message)
				time.Sleep(400 * ms)
			}
		},
		"rests": func(write func([]byte)) {
			write(make([]byte, 1<<20))
			time.Sleep(8 * time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.stream.asks = true
				r.run()
				r.awaitReady()
				time.Sleep(time.Second)
				r.agent.output(1, []byte("go on"))
				time.Sleep(r.latency)
				slow(r.stream.write)
				go func() {
					for range 8 {
						r.stream.write(make([]byte, 1<<20))
						time.Sleep(100 * ms)
					}
				}()
				awaitUpload(r)
				stall(r, true, true)
				start := time.Now()
				if err := r.ended(time.Minute); !errors.Is(err, ErrPeerSilent) {
					t.Errorf("Run ended with %v", err)
				}
				if took := time.Since(start); took > 13*time.Second {
					t.Errorf("Run ended after %v, want some 12s", took)
				}
			})
		})
	}
}

// An agent whose target takes nothing for long is not given up, as it shows that it
// lives.
func TestStalledAgentIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 8 << 20
		r := uploading(t, size>>20)
		awaitUpload(r)
		stall(r, true, false)
		time.Sleep(25 * time.Second)
		if s := r.conn.Stats(); s.Resumes != 0 {
			t.Errorf("%d resumes after 25 s, want none", s.Resumes)
		}
		time.Sleep(5 * time.Minute)
		stall(r, false, false)
		time.Sleep(time.Minute)
		if data, _ := r.agent.streamData(); len(data) != size {
			t.Errorf("the agent has %d bytes, want %d; stats are %+v", len(data), size, r.conn.Stats())
		}
		r.stop()
	})
}

// sharedStream carries others beside the upload.
type sharedStream struct{ Stream }

func (sharedStream) Shared() bool { return true }

// Who shares a session with a stalled upload hears after a while.
func TestStalledAgentIsNotWaitedForByOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := uploading(t, 8, func(cfg *Config) { cfg.Stream = sharedStream{cfg.Stream} })
		awaitUpload(r)
		stall(r, true, false)
		start := time.Now()
		if err := r.ended(time.Minute); !errors.Is(err, ErrPeerSilent) {
			t.Errorf("Run ended with %v", err)
		}
		if took, want := time.Since(start), r.conn.cfg.StallTimeout; took < want-time.Second || took > want+time.Second {
			t.Errorf("Run ended after %v, want %v", took, want)
		}
	})
}

// The acknowledge that an upload keeps back goes out when that ends, and when the
// agent has to send something else again.
func TestKeptAcknowledgeGoesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := uploading(t, 1)
		time.Sleep(beatRest)
		if got := r.agent.acksOf(2); got != 0 {
			t.Errorf("%d acknowledges in the upload's rest, want none", got)
		}
		time.Sleep(2 * time.Second)
		if got := r.conn.Stats(); got.Unacknowledged > 0 || r.agent.acksOf(2) == 0 {
			t.Errorf("%d acknowledges after the upload, stats are %+v", r.agent.acksOf(2), got)
		}

		r.agent.output(1, []byte("go on"))
		time.Sleep(r.latency + ms)
		r.stream.write(make([]byte, 8<<20))
		time.Sleep(100 * ms)
		if got := r.agent.acksOf(3); got != 0 {
			t.Errorf("%d acknowledges in the upload, want none", got)
		}
		mend := r.lose("")
		r.agent.output(1, []byte("lost"))
		mend()
		r.agent.output(1, []byte("not lost"))
		time.Sleep(time.Second)
		if s := r.conn.Stats(); s.Missing != 0 || r.agent.acksOf(3) == 0 || r.agent.acksOf(4) == 0 {
			t.Errorf("%d and %d acknowledges after a loss, stats are %+v", r.agent.acksOf(3), r.agent.acksOf(4), s)
		}
		r.stop()
	})
}

// What goes out again on a new transport is no upload in reply to what comes there: its
// acknowledge is not kept back.
func TestReplayKeepsNoAcknowledgeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t).run()
		r.awaitReady()
		stall(r, true, false)
		r.stream.write(make([]byte, 20*(1024-8))) // full messages
		time.Sleep(time.Second)
		busy := make(chan struct{})
		r.wrap = func(_ int, l Transport) Transport { return &busyTransport{l, busy} }
		r.cut()
		time.Sleep(time.Second)
		r.agent.output(1, []byte("go on"))
		time.Sleep(r.latency + ms)
		close(busy)
		time.Sleep(time.Second)
		if got := r.agent.acksOf(2); got == 0 {
			t.Errorf("no acknowledge, stats are %+v", r.conn.Stats())
		}
		stall(r, false, false)
		time.Sleep(10 * time.Second)
		r.stop()
	})
}

// An older message that comes again says nothing of the newest.
func TestOlderDuplicateLeavesTheUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := uploading(t, 1)
		time.Sleep(200 * ms)
		older := wire("output_stream_data", 1, 0, 1, []byte("older"))
		r.agent.mu.Lock()
		r.agent.names[1] = wireName(older)
		r.agent.mu.Unlock()
		r.agent.write(older)
		time.Sleep(200 * ms)
		if again, newest := r.agent.acksOf(1), r.agent.acksOf(2); again != 2 || newest != 0 {
			t.Errorf("%d acknowledges of the older message and %d of the newest, want 2 and none", again, newest)
		}
		r.stop()
	})
}

// An agent repairs one message each 100 ms, if the one before is acknowledged by then.
func TestRepairWaitsForNoUpload(t *testing.T) {
	for _, beside := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.latency = 40 * ms
			r.run()
			r.awaitReady()
			time.Sleep(time.Second)
			const lost = 20
			mend := r.lose("")
			for range lost {
				r.agent.output(1, []byte("lost"))
			}
			mend()
			r.agent.output(1, []byte("not lost"))
			if beside {
				r.stream.write(make([]byte, 8<<20))
			}
			time.Sleep(lost*100*ms + 400*ms)
			if s := r.conn.Stats(); s.Missing != 0 {
				t.Errorf("an upload beside it %v: %d of %d messages are missing still", beside, s.Missing, lost)
			}
			r.stop()
		})
	}
}

// Nor where the lost messages are the agent's last, so that none after them tells of it,
// nor where others upload at that time.
func TestRepairOfTheLastMessagesWaitsForNoUpload(t *testing.T) {
	for _, test := range []struct{ resumed, beside bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.latency = 40 * ms
			r.run()
			r.awaitReady()
			time.Sleep(time.Second)
			const lost = 100
			mend := r.lose("output_stream_data")
			r.agent.outputStream(make([]byte, lost*1024))
			time.Sleep(2 * time.Second)
			if test.resumed {
				r.cut()
			} else {
				mend()
			}
			over := make(chan struct{})
			if test.beside {
				go func() {
					for range lost + 10 {
						r.stream.write(make([]byte, 32<<10))
						time.Sleep(100 * ms)
					}
					close(over)
				}()
			} else {
				close(over)
			}
			time.Sleep(lost*100*ms + 400*ms)
			if got := r.stream.receivedBytes(); got != lost*1024 {
				t.Errorf("%+v: %d of %d messages are missing still", test, lost-got/1024, lost)
			}
			<-over
			r.stop()
		})
	}
}

// Who shares a session with a large upload gets answers that were lost with the
// transport before that upload is over.
func TestLostAnswersAreRepairedBesideALargeUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := uploading(t, 40, func(cfg *Config) { cfg.Stream = sharedStream{cfg.Stream} }) // four seconds
		awaitUpload(r)
		before := r.stream.receivedBytes()
		r.lose("answer")
		const lost = 10
		for range lost {
			r.agent.output(1, []byte("answer"))
		}
		r.cut()
		time.Sleep(lost*100*ms + time.Second)
		if got := r.stream.receivedBytes() - before; got != lost*len("answer") {
			t.Errorf("%d bytes came, want %d answers; stats are %+v", got, lost, r.conn.Stats())
		}
		time.Sleep(10 * time.Second) // it ends
		r.stop()
	})
}

// busyTransport takes data only once busy is closed.
type busyTransport struct {
	Transport
	busy chan struct{}
}

func (t *busyTransport) WriteMessage(p []byte) error {
	if bytes.Contains(p, []byte("input_stream_data ")) {
		<-t.busy
	}
	return t.Transport.WriteMessage(p)
}
