package datachannel

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Many acknowledges are lost, then a message: the agent, which resends its oldest
// message only, gets to that message in time.
func TestManyLostAcknowledgesDoNotHideALostMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var l *link
		r.setup = func(latest *link) { l = latest }
		r.run()
		r.awaitReady()
		setFaults(l.up, func(frame []byte) fault { return fault{lose: bytes.Contains(frame, []byte("acknowledge"))} })
		for range 300 {
			r.agent.outputStream([]byte("lost acknowledge"))
		}
		time.Sleep(100 * ms)
		setFaults(l.up, nil)
		setFaults(l.down, func(frame []byte) fault { return fault{lose: true} })
		r.agent.outputStream([]byte("lost message"))
		setFaults(l.down, nil)
		r.agent.outputStream([]byte("last message"))
		want := 300*len("lost acknowledge") + 2*len("lost message")
		time.Sleep(8 * time.Second) // 30 s at ten a second
		if got := r.stream.receivedBytes(); got != want {
			t.Errorf("%d bytes delivered within 8 s, want %d; stats are %+v", got, want, r.conn.Stats())
		}
		r.stop()
	})
}

// A transport that brings messages and takes none is replaced before the session
// is given up.
func TestTransportThatCarriesOneWayIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var l *link
		r.setup = func(latest *link) { l = latest }
		r.run()
		r.awaitReady()
		setFaults(l.up, func([]byte) fault { return fault{lose: true} })
		r.stream.write([]byte("question"))
		for range 20 {
			r.agent.outputStream([]byte("news"))
			time.Sleep(time.Second)
		}
		if data, _ := r.agent.streamData(); !bytes.Equal(data, []byte("question")) {
			t.Errorf("agent has %q, want the question", data)
		}
		if s := r.conn.Stats(); s.Resumes != 1 {
			t.Errorf("%d resumes, want 1", s.Resumes)
		}
		r.stop()
	})
}

// A silent agent is no reason for another transport.
func TestSilentAgentKeepsItsTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var l *link
		r.setup = func(latest *link) { l = latest }
		r.run()
		r.awaitReady()
		setFaults(l.up, func([]byte) fault { return fault{lose: true} })
		setFaults(l.down, func([]byte) fault { return fault{lose: true} })
		r.stream.write([]byte("question"))
		time.Sleep(11 * time.Second)
		if s := r.conn.Stats(); s.Resumes != 0 {
			t.Errorf("%d resumes, want none", s.Resumes)
		}
		r.stop()
	})
}

func setFaults(p *pipe, f func([]byte) fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
}

// An agent that was out of reach for longer than that, and is back, keeps its
// transport.
func TestOutageIsNotDeafness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var l *link
		r.setup = func(latest *link) { l = latest }
		r.run()
		r.awaitReady()
		all := func([]byte) fault { return fault{lose: true} }
		setFaults(l.up, all)
		setFaults(l.down, all)
		r.stream.write([]byte("question"))
		time.Sleep(deafAfter + 500*ms)
		setFaults(l.down, nil)
		r.agent.outputStream([]byte("news")) // comes before the next copy of the question
		time.Sleep(100 * ms)
		setFaults(l.up, nil)
		time.Sleep(5 * time.Second)
		if data, _ := r.agent.streamData(); !bytes.Equal(data, []byte("question")) {
			t.Errorf("agent has %q, want the question", data)
		}
		if s := r.conn.Stats(); s.Resumes != 0 {
			t.Errorf("%d resumes, want none", s.Resumes)
		}
		r.stop()
	})
}

// A repair is waited for as long as it goes on, however long the round trip.
func TestRepairIsWaitedFor(t *testing.T) {
	tests := []struct {
		name    string
		latency time.Duration
		lost    int
		stops   bool // after ten seconds
		within  time.Duration
		want    error // nil: all is repaired
	}{
		{"300 messages", 10 * ms, 300, false, 40 * time.Second, nil},
		{"126 on a long way", 80 * ms, 126, false, 40 * time.Second, nil},
		{"300, and the agent stops", 10 * ms, 300, true, 21 * time.Second, ErrGap},
		{"more than a minute's", 10 * ms, 620, false, time.Second, ErrGap},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := new(lockLog)
				r := newRig(t)
				r.latency = test.latency
				var l *link
				r.setup = func(latest *link) { l = latest }
				r.run(func(cfg *Config) { cfg.Log = slog.New(log) })
				r.awaitReady()
				lose := func(frame []byte) fault { return fault{lose: bytes.Contains(frame, []byte("lost"))} }
				setFaults(l.down, lose)
				for range test.lost {
					r.agent.outputStream([]byte("lost"))
				}
				setFaults(l.down, nil)
				r.agent.outputStream([]byte("kept"))
				if test.stops {
					time.AfterFunc(10*time.Second, func() { setFaults(l.down, lose) })
				}
				if test.want != nil {
					if err := r.ended(test.within); !errors.Is(err, test.want) {
						t.Errorf("Run ended with %v, want %v", err, test.want)
					}
					return
				}
				time.Sleep(test.within)
				if s := r.conn.Stats(); s.State != StateCarrying || s.Missing != 0 {
					t.Errorf("stats are %+v, want all repaired", s)
				}
				r.agent.outputStream([]byte("after"))
				time.Sleep(time.Second)
				for _, line := range []string{"messages of the SSM agent are lost, waiting for it to resend them", "the SSM agent has resent the lost messages"} {
					told := slices.DeleteFunc(slices.Clone(log.lines), func(got string) bool { return got != line })
					if len(told) != 1 {
						t.Errorf("the log has %q, want %q once", log.lines, line)
					}
				}
				r.stop()
			})
		})
	}
}
