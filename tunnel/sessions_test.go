package tunnel

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// sessionOf returns the number of the session that carries c, from 1.
func sessionOf(f *fakeAWS, c net.Conn) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Index(f.ids, c.(*stream).session.id) + 1
}

// wantOpen checks how many sessions nobody has ended.
func wantOpen(t *testing.T, f *fakeAWS, want int) {
	t.Helper()
	synctest.Wait()
	if open := f.open(); len(open) != want {
		t.Errorf("%d sessions open, want %d", len(open), want)
	}
}

func startsTakeASecond(context.Context, int) error { time.Sleep(time.Second); return nil }

func TestStreamsThatBeginTogetherAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.onStart = startsTakeASecond
		d := newTestDialer(t, f, nil)
		conns := make([]net.Conn, 8)
		var wg sync.WaitGroup
		for i := range conns {
			wg.Go(func() { conns[i] = dial(t, d) })
		}
		wg.Wait()
		streams := map[int]int{}
		for _, c := range conns {
			streams[sessionOf(f, c)]++
			defer c.Close()
		}
		if len(streams) != 4 || streams[1] != 2 || streams[2] != 2 || streams[3] != 2 {
			t.Errorf("streams by session: %v, want 2 on each of 4", streams)
		}
		wantCalls(t, f, 4, 0, 0)
	})
}

// The first session is up long before the others: who waits does not pile up on it.
func TestStreamsThatWaitTogetherAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		const alone = 250 * time.Millisecond
		var starting atomic.Int64
		f.onStart = func(context.Context, int) error { // slower, the more there are
			time.Sleep(alone * time.Duration(starting.Add(1)))
			starting.Add(-1)
			return nil
		}
		d := newTestDialer(t, f, func(c *Config) { c.Sessions = 8 })
		begin := time.Now()
		conns := make([]net.Conn, 8)
		var wg sync.WaitGroup
		for i := range conns {
			wg.Go(func() { conns[i] = dial(t, d) })
		}
		wg.Wait()
		if took := time.Since(begin); took > alone+patience {
			t.Errorf("dialled after %v, want %v after the first session at most", took, patience)
		}
		streams := map[int]int{}
		for _, c := range conns {
			streams[sessionOf(f, c)]++
			defer c.Close()
		}
		if len(streams) != 8 {
			t.Errorf("streams by session: %v, want one on each of 8", streams)
		}
		wantCalls(t, f, 8, 0, 0)
	})
}

// Workers that take longer than a handshake may: all dials are served, and the host
// has no more than two to start at a time.
func TestSlowWorkersServeAllDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slow = 25 * time.Second
		f := newFakeAWS(t)
		f.mute = func(int) bool { return true }
		var over atomic.Bool
		f.onOpen = func(_ int, a *fakeAgent) bool {
			time.AfterFunc(slow, func() {
				if !a.hasEnded() {
					over.Store(true)
					a.set((*fakeAgent).request)
				}
			})
			return true
		}
		d := newTestDialer(t, f, nil)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				c, err := d.DialContext(ctx, "tcp", dbAddress)
				if err != nil {
					t.Error(err)
					return
				}
				echo(t, c, 100)
				time.Sleep(time.Minute)
				c.Close()
			})
		}
		for !over.Load() {
			open := f.open()
			time.Sleep(100 * time.Millisecond)
			if len(open) > firstTogether {
				t.Fatalf("%d sessions start at a time, want %d", len(open), firstTogether)
			}
		}
		wg.Wait()
	})
}

func TestSlowStartDoesNotHoldUpADialForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.onStart = func(_ context.Context, n int) error {
			time.Sleep(time.Duration(n) * 10 * time.Second)
			return nil
		}
		d := newTestDialer(t, f, nil)
		start := time.Now()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				defer dial(t, d).Close()
				if took := time.Since(start); took > 10*time.Second+patience {
					t.Errorf("dialled after %v, want %v after the first session at most", took, patience)
				}
			})
		}
		wg.Wait()
	})
}

func TestStreamBesideABulkTransferWaitsForAnotherSessionBriefly(t *testing.T) {
	tests := []struct {
		name  string
		start func(n int) error
		dials int // that come a second apart
		after []time.Duration
		on    []int // session of each
	}{
		{"that comes soon", func(int) error { time.Sleep(time.Second); return nil }, 2, []time.Duration{time.Second, 0}, []int{2, 2}},
		{"that comes late", func(int) error { time.Sleep(4500 * time.Millisecond); return nil }, 4,
			[]time.Duration{busyPatience, hopefulStart - busyPatience - time.Second, 0, 0}, []int{1, 1, 1, 2}},
		{"that cannot be started", func(int) error { time.Sleep(time.Second); return apiCode("TargetNotConnected") }, 2, []time.Duration{time.Second, 0}, []int{1, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeAWS(t)
				f.onStart = func(_ context.Context, n int) error {
					if n == 1 {
						return nil
					}
					return tt.start(n)
				}
				d := newTestDialer(t, f, nil)
				bulk := dial(t, d)
				defer bulk.Close()
				time.Sleep(tendEvery / 3) // off the beat of starts
				for i := range tt.dials {
					echo(t, bulk, 2*busyBytes)
					start := time.Now()
					c := dial(t, d)
					defer c.Close()
					// What the messages of the echoes before have waited for company comes off.
					if took := time.Since(start); (took-tt.after[i]).Abs() > 2*time.Millisecond || sessionOf(f, c) != tt.on[i] {
						t.Errorf("dial %d: session %d after %v, want %d after %v", i, sessionOf(f, c), took, tt.on[i], tt.after[i])
					}
					echo(t, c, 100)
					time.Sleep(time.Second)
				}
			})
		})
	}
}

// Each stream but the first finds one of its own, or one that it shares with one
// other.
func TestSecondStreamHasASpareStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, nil)
		const any = 0 // all have two streams, and a frame or none of the first has been written
		for i, want := range []int{1, 1, 2, 2, 3, 3, 4, 4, any} {
			c := dial(t, d)
			defer c.Close()
			if got := sessionOf(f, c); got != want && want != any {
				t.Errorf("stream %d on session %d, want %d", i, got, want)
			}
			synctest.Wait()
		}
		wantCalls(t, f, 4, 0, 0)
	})
}

func TestSpareSessionIsKeptWhileOneIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, nil)
		c := dial(t, d)
		echo(t, c, 100)
		wantOpen(t, f, 1)
		time.Sleep(3 * time.Second)
		wantOpen(t, f, 2)
		time.Sleep(time.Hour)
		wantCalls(t, f, 2, 0, 0)
		wantOpen(t, f, 2)
		c.Close()
		time.Sleep(idleAfter - time.Second)
		if sessionOf(f, c) != 1 {
			t.Errorf("stream on session %d, want 1", sessionOf(f, c))
		}
		time.Sleep(3 * time.Second)
		wantOpen(t, f, 0)
		if !f.agent(1).wasFlagged() || !f.agent(2).wasFlagged() {
			t.Error("a session was not ended by flag")
		}
		d.mu.Lock()
		if d.tending {
			t.Error("the pool is looked after although it is empty")
		}
		d.mu.Unlock()
		echo(t, dial(t, d), 100)
		wantCalls(t, f, 3, 0, 0)
	})
}

func TestFailedSpareIsNotTriedWithoutPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		f := newFakeAWS(t)
		f.onStart = func(_ context.Context, n int) error {
			if n > 1 {
				return apiCode("TargetNotConnected")
			}
			return nil
		}
		d := newTestDialer(t, f, func(c *Config) { c.Log = newLog(&log) })
		c := dial(t, d)
		defer c.Close()
		time.Sleep(10*unaskedPause + 30*time.Second)
		if starts, _, _ := f.calls(); starts < 9 || starts > 12 {
			t.Errorf("%d starts in 10 minutes, want one per %v", starts, unaskedPause)
		}
		if n := strings.Count(log.String(), "no further ssm session"); n != 1 {
			t.Errorf("%d warnings, want 1:\n%s", n, log.String())
		}
		echo(t, dial(t, d), 100)
	})
}

func TestSpareThatDoesNotLiveIsNotReplacedWithoutPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, nil)
		c := dial(t, d)
		defer c.Close()
		echo(t, c, 100)
		time.Sleep(tendEvery / 2) // off the beat of starts
		for range 10 * 60 {
			time.Sleep(time.Second)
			f.mu.Lock()
			started := len(f.ids)
			f.mu.Unlock()
			for n := 2; n <= started; n++ {
				f.agent(n).end("only one session is allowed here")
			}
		}
		if starts, _, _ := f.calls(); starts < 9 || starts > 12 {
			t.Errorf("%d starts in 10 minutes, want one per %v", starts, unaskedPause)
		}
	})
}

// Beside those that keep a session up, one NOP after each exchange asks whether the
// agent is still there.
func TestNOPsWhileConnected(t *testing.T) {
	for name, off := range map[string]bool{"connected": false, "off": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeAWS(t)
				d := newTestDialer(t, f, func(c *Config) { c.NoKeepAlive, c.Sessions = off, 1 })
				c := dial(t, d)
				echo(t, c, 10)
				count := func(span time.Duration) (n int, longest time.Duration) {
					last := time.Now()
					time.Sleep(span)
					f.agent(1).set(func(a *fakeAgent) {
						for _, at := range a.nops {
							if at.After(last) {
								n, longest, last = n+1, max(longest, at.Sub(last)), at
							}
						}
					})
					return n, longest
				}
				n, longest := count(time.Hour)
				if off && n != 1 || !off && n < 60 || longest > time.Minute {
					t.Errorf("%d NOPs in an hour, at most %v apart; keep-alive off: %v", n, longest, off)
				}
				c.Close()
				if n, _ := count(idleAfter - time.Second); n != 1 {
					t.Errorf("%d NOPs without clients, want the one after the FIN", n)
				}
			})
		})
	}
}

func TestRefusedDialRetiresTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, nil)
		old := dial(t, d)
		echo(t, old, 100)
		time.Sleep(3500 * time.Millisecond) // there is a spare now, which knows the same address
		for n := 1; n <= 2; n++ {
			f.agent(n).set(func(a *fakeAgent) { a.refusing = true })
		}
		c := dial(t, d)
		_, err := c.Read(make([]byte, 1))
		wantError(t, err, "08001", "cannot connect")
		c.Close()
		again := dial(t, d)
		defer again.Close()
		if got := sessionOf(f, again); got < 3 {
			t.Errorf("stream on session %d after a refused dial, want a new one", got)
		}
		echo(t, again, 100)
		f.agent(1).set(func(a *fakeAgent) { a.refusing = false })
		echo(t, old, 100) // goes on
		time.Sleep(time.Minute)
		if f.agent(1).hasEnded() || !f.agent(2).wasFlagged() {
			t.Errorf("used session ended: %v, empty one ended: %v; want false, true", f.agent(1).hasEnded(), f.agent(2).wasFlagged())
		}
		old.Close()
		time.Sleep(3 * time.Second)
		if !f.agent(1).wasFlagged() {
			t.Error("the retired session was not ended when empty")
		}
	})
}

func TestSessionThatNeverReachedTheDatabaseIsReplacedAtLeisure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.noTarget = true
		d := newTestDialer(t, f, nil)
		begin := time.Now()
		for time.Since(begin) < time.Minute {
			c := dial(t, d)
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Fatal("read gave no error")
			}
			c.(*stream).Retire("refused, says the proxy as well")
			c.Close()
			time.Sleep(100 * time.Millisecond)
		}
		if starts, _, _ := f.calls(); starts < 3 || starts > 8 {
			t.Errorf("%d sessions for a minute of refused dials, want one per %v", starts, resolveAgain)
		}
	})
}

func TestRetireByTheProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		f := newFakeAWS(t)
		d := newTestDialer(t, f, func(c *Config) { c.Log, c.Sessions = newLog(&log), 1 }) // no spare one
		a, b := dial(t, d), dial(t, d)
		echo(t, a, 100)
		retire := func(c net.Conn) { c.(interface{ Retire(string) }).Retire("database is read-only (25006)") }
		retire(a)
		c := dial(t, d)
		echo(t, c, 100)
		if sessionOf(f, b) != 1 || sessionOf(f, c) != 2 {
			t.Errorf("streams on sessions %d and %d, want 1 and 2", sessionOf(f, b), sessionOf(f, c))
		}
		echo(t, b, 100)
		retire(b) // late word of the old session says nothing about the new one
		e := dial(t, d)
		if got := sessionOf(f, e); got != 2 {
			t.Errorf("stream on session %d, want 2", got)
		}
		echo(t, b, 100)
		for _, c := range []net.Conn{a, b, c, e} {
			c.Close()
		}
		synctest.Wait()
		if n := strings.Count(log.String(), "database is read-only (25006)"); n != 1 {
			t.Errorf("retired in %d lines, want 1:\n%s", n, log.String())
		}
	})
}

// A route to a reader, where clients write and stay: each would have a session
// of its own.
func TestRetiringTimeAndAgainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, nil)
		use := func(times int, every time.Duration) {
			for range times {
				c := dial(t, d)
				t.Cleanup(func() { c.Close() })
				echo(t, c, 10)
				c.(*stream).Retire("database is read-only (25006)")
				time.Sleep(every)
			}
		}
		use(60, time.Second)
		if starts, _, _ := f.calls(); starts > 5*defaultSessions {
			t.Errorf("%d sessions started in a minute, want those of 5 generations at most", starts)
		}
		use(120, time.Minute)
		synctest.Wait()
		if n := len(f.open()); n > (heldGenerations+2)*defaultSessions {
			t.Errorf("%d sessions held by 180 streams", n)
		}
	})
}

func TestStuckAcceptLoopIsAvoided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, nil)
		old := dial(t, d)
		echo(t, old, 100)
		f.agent(1).set(func(a *fakeAgent) { a.stuck = true })
		c := dial(t, d) // at once: there is no spare yet
		if _, err := c.Write([]byte("SSLRequest")); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		time.Sleep(blockedAnswer)
		second := dial(t, d)
		defer second.Close()
		if got := sessionOf(f, second); got == 1 {
			t.Errorf("stream on the stuck session")
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("read gave no error")
		}
		c.Close()
		if s := d.Snapshot(); s[0].State != StateRetired || s[0].Waiting != 1 || s[0].Streams != 1 {
			t.Errorf("stuck session is %+v, want it retired", s[0])
		}
		third := dial(t, d)
		defer third.Close()
		echo(t, third, 100)
		old.Close()
		time.Sleep(farewell + 3*time.Second)
		if !f.agent(1).hasEnded() {
			t.Error("the stuck session was not ended")
		}
	})
}

func TestStuckSessionServesWhenNoOtherCanBeStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.onStart = func(_ context.Context, n int) error {
			if n > 1 {
				return apiCode("TargetNotConnected")
			}
			return nil
		}
		d := newTestDialer(t, f, nil)
		old := dial(t, d)
		defer old.Close()
		echo(t, old, 100)
		f.agent(1).set(func(a *fakeAgent) { a.stuck = true })
		c := dial(t, d)
		defer c.Close()
		if _, err := c.Write([]byte("SSLRequest")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(blockedAnswer)
		dial(t, d).Close() // its turn comes when the agent's dial is over
		f.agent(1).setDeaf()
		if _, err := old.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(silentAfter)
		if _, err := d.DialContext(t.Context(), "tcp", dbAddress); err == nil {
			t.Error("dialled on a session out of reach, want the start's error")
		}
	})
}

func TestSessionOutOfReachIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.onResume = func(int) error { return apiCode("InternalServerError") }
		d := newTestDialer(t, f, nil)
		old := dial(t, d)
		echo(t, old, 100)
		f.net.cut()
		time.Sleep(silentAfter)
		c := dial(t, d)
		defer c.Close()
		echo(t, c, 100)
		if got := sessionOf(f, c); got == 1 {
			t.Error("stream on the session without websocket")
		}
		if s := d.Snapshot(); s[0].State != StateResuming || s[0].Silent < silentAfter {
			t.Errorf("session without websocket is %+v", s[0])
		}
	})
}

func TestOldSessionIsRetired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, func(c *Config) { c.MaxAge, c.Sessions = time.Hour, 1 })
		old := dial(t, d)
		time.Sleep(time.Hour - time.Minute)
		second := dial(t, d)
		time.Sleep(2 * time.Minute)
		third := dial(t, d)
		if a, b, c := sessionOf(f, old), sessionOf(f, second), sessionOf(f, third); a != 1 || b != 1 || c != 2 {
			t.Errorf("streams on sessions %d, %d, %d, want 1, 1, 2", a, b, c)
		}
		for _, c := range []net.Conn{old, second, third} {
			echo(t, c, 100)
			c.Close()
		}
	})
}

func TestSnapshotCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.onStart = startsTakeASecond
		d := newTestDialer(t, f, oneSession)
		if all := d.Snapshot(); len(all) != 0 {
			t.Errorf("snapshot of nothing: %+v", all)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(500 * time.Millisecond)
			if all := d.Snapshot(); len(all) != 1 || all[0].State != StateStarting || all[0].Address != dbAddress || all[0].Age != 500*time.Millisecond {
				t.Errorf("while starting: %+v", all)
			}
		})
		c := dial(t, d)
		wg.Wait()
		echo(t, c, 5000)
		f.net.cut()
		echo(t, c, 5000)
		time.Sleep(time.Minute)
		all := d.Snapshot()
		if len(all) != 1 {
			t.Fatalf("%d sessions, want 1", len(all))
		}
		s := all[0]
		if s.ID != f.ids[0] || s.JumpHost != "i-0abc" || s.State != StateReady || s.Agent != "3.3.987.0" || s.Streams != 1 || s.Waiting != 0 ||
			s.BytesOut != 10_000 || s.BytesIn != 10_000 || s.MessagesOut < 10 || s.MessagesIn < 10 || s.Resumes != 1 ||
			s.Window < 32<<10 || s.Unacknowledged != 0 || s.Silent != 0 || s.Recent != 0 || s.Age < time.Minute {
			t.Errorf("snapshot %+v", s)
		}
		c.Close()
	})
}

func TestSnapshotTellsOfTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, oneSession)
		c := dial(t, d)
		defer c.Close()
		echo(t, c, 100)
		synctest.Wait()
		if s := d.Snapshot()[0]; s.Resends != 0 || s.Duplicates != 0 || s.Gaps != 0 || s.Resumes != 0 || s.RoundTrip <= 0 {
			t.Errorf("before: %+v", s)
		}
		nop := []byte{1, 3, 0, 0, 0, 0, 0, 0}
		f.agent(1).set(func(a *fakeAgent) {
			early := a.nextOut + 1
			second := encode("output_stream_data", early, 0, 1, nop)
			a.write(second) // before the first: a gap
			a.send(1, nop)
			a.unacked[early] = second
			a.nextOut++
			a.write(second) // again
			a.deaf = true
		})
		if _, err := c.Write([]byte("lost on its way")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		f.agent(1).set(func(a *fakeAgent) { a.deaf = false })
		time.Sleep(time.Second)
		if s := d.Snapshot()[0]; s.Resends != 1 || s.Duplicates != 1 || s.Gaps != 1 || s.Unacknowledged != 0 {
			t.Errorf("afterwards: %+v, want one resend, duplicate and gap", s)
		}
	})
}

func TestOneLinePerChangeOfState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		f := newFakeAWS(t)
		d := newTestDialer(t, f, func(c *Config) { c.Log, c.Sessions = newLog(&log), 1 })
		c := dial(t, d)
		echo(t, c, 100)
		time.Sleep(time.Hour)
		f.agent(1).bye()
		time.Sleep(time.Hour)
		f.net.cut()
		time.Sleep(time.Minute)
		c.(*stream).Retire("asked to")
		c.Close()
		time.Sleep(time.Minute)
		var got []string
		for line := range strings.Lines(log.String()) {
			if !strings.Contains(line, "level=DEBUG") {
				_, level, _ := strings.Cut(line, "level=")
				level, _, _ = strings.Cut(level, " ")
				_, msg, _ := strings.Cut(line, `msg="`)
				msg, _, _ = strings.Cut(msg, `"`)
				got = append(got, level+" "+msg)
			}
		}
		want := []string{
			"INFO ssm session started",
			"INFO ssm websocket closed by the service, resuming the session",
			"INFO ssm session resumed",
			"WARN ssm websocket lost, resuming the session",
			"INFO ssm session resumed",
			"INFO ssm session retired",
			"INFO ssm session ended",
		}
		if !slices.Equal(got, want) {
			t.Errorf("logged\n%s\nwant\n%s\nall:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), log.String())
		}
		if !strings.Contains(log.String(), `reason="asked to"`) {
			t.Errorf("the reason is missing:\n%s", log.String())
		}
	})
}

func TestCloseWhileThePoolEndsASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, nil)
		c := dial(t, d)
		echo(t, c, 100)
		c.(*stream).Retire("test")
		f.agent(1).setDeaf()
		c.Close()
		time.Sleep(tendEvery + farewell + flagTimeout/4) // before the agent counts as gone
		if s := d.Snapshot(); len(s) != 1 || s[0].State != StateEnding {
			t.Errorf("snapshot %+v, want a session that is ending", s)
		}
		if err := d.Close(t.Context()); err != nil {
			t.Error(err)
		}
		wantCalls(t, f, 1, 0, 1)
	})
}

func TestAllStartsFailAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.onStart = func(context.Context, int) error { time.Sleep(time.Second); return apiCode("TargetNotConnected") }
		d := newTestDialer(t, f, nil)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, err := d.DialContext(t.Context(), "tcp", dbAddress)
				if e, ok := errors.AsType[*causes.Error](err); !ok || e.SQLState() != "08001" {
					t.Errorf("got %v, want the start's error", err)
				}
			})
		}
		wg.Wait()
		wantCalls(t, f, firstTogether, 0, 0)
	})
}
