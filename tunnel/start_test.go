package tunnel

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// promised is within what people hear when a session cannot be had.
const promised = 15 * time.Second

func TestSlowStartGetsASecondSession(t *testing.T) {
	silent := func(n int) func(f *fakeAWS) {
		return func(f *fakeAWS) { f.mute = func(session int) bool { return session <= n } }
	}
	tests := []struct {
		name       string
		arrange    func(f *fakeAWS)
		session    int // that is taken; 0: none
		after      time.Duration
		starts     int
		terminated int
	}{
		{"the first vanishes", silent(1), 2, doubtAfter, 2, 1},
		{"the jump host does", silent(2), 0, arrivalTimeout, 2, 2}, // it might have been slow
		{"the first comes late", func(f *fakeAWS) {
			silent(2)(f)
			time.AfterFunc(7*time.Second, func() { f.agent(1).set((*fakeAgent).request) })
		}, 1, 7 * time.Second, 2, 1},
		{"the first comes after longer than its handshake may take", func(f *fakeAWS) {
			silent(2)(f)
			time.AfterFunc(30*time.Second, func() { f.agent(1).set((*fakeAgent).request) })
		}, 1, 30 * time.Second, 2, 1},
		{"the first comes, and does not shake hands", func(f *fakeAWS) {
			silent(2)(f)
			time.AfterFunc(time.Second, func() {
				f.agent(1).set(func(a *fakeAgent) { a.write(encode("start_publication", 0, 3, 0, []byte{0})) })
			})
		}, 0, handshakeTimeout, 2, 2},
		{"the second cannot be started", func(f *fakeAWS) {
			silent(1)(f)
			f.onStart = func(_ context.Context, n int) error {
				if n > 1 {
					return apiCode("TargetNotConnected")
				}
				return nil
			}
			time.AfterFunc(9*time.Second, func() { f.agent(1).set((*fakeAgent).request) })
		}, 1, 9 * time.Second, 2, 0},
		{"the first upgrade hangs", func(f *fakeAWS) {
			f.refuse = func(n int) int {
				if n == 1 {
					time.Sleep(time.Minute)
				}
				return 0
			}
		}, 2, doubtAfter, 2, 1},
		{"every upgrade hangs", func(f *fakeAWS) {
			f.refuse = func(int) int { time.Sleep(time.Minute); return 503 }
		}, 0, upgradeTimeout, 2, 2},
		{"every call fails late", func(f *fakeAWS) {
			f.onStart = func(context.Context, int) error { time.Sleep(3 * time.Second); return apiCode("InternalServerError") }
		}, 0, 3*3*time.Second + startDelay/2 + startDelay, 3, 0},
		{"a slow API call is no doubt", func(f *fakeAWS) {
			f.onStart = func(context.Context, int) error { time.Sleep(11 * time.Second); return nil }
		}, 1, 11 * time.Second, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeAWS(t)
				tt.arrange(f)
				d := newTestDialer(t, f, oneSession)
				start := time.Now()
				c, err := d.DialContext(t.Context(), "tcp", dbAddress)
				if took := time.Since(start); took < tt.after || took > tt.after+time.Second || took > promised && tt.after < promised {
					t.Errorf("took %v, want %v", took, tt.after)
				}
				if tt.session == 0 {
					wantError(t, err, "08001", "starting SSM session on i-0abc")
				} else if err != nil {
					t.Fatal(err)
				} else {
					echo(t, c, 100)
					if got := sessionOf(f, c); got != tt.session {
						t.Errorf("stream on session %d, want %d", got, tt.session)
					}
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if open := f.open(); len(open) != min(tt.session, 1) {
					t.Errorf("open sessions %v, want those in use only", open)
				}
				wantCalls(t, f, tt.starts, 0, tt.terminated)
			})
		})
	}
}

// A jump host that has never answered may be slow. Once it has had all the time for
// that in vain, people hear soon; and yet it is found when it answers late.
func TestSilentJumpHostIsReportedSoonTheSecondTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slow = 20 * time.Second
		f := newFakeAWS(t)
		f.mute = func(int) bool { return true }
		var works atomic.Bool
		f.onOpen = func(_ int, a *fakeAgent) bool {
			if works.Load() {
				time.AfterFunc(slow, func() {
					if !a.hasEnded() {
						a.set((*fakeAgent).request)
					}
				})
			}
			return true
		}
		var log logBuffer
		d := newTestDialer(t, f, func(cfg *Config) { cfg.Sessions, cfg.Log = 1, newLog(&log) })
		fails := func(what string, after time.Duration) {
			t.Helper()
			start := time.Now()
			_, err := d.DialContext(t.Context(), "tcp", dbAddress)
			wantError(t, err, "08001", "it has not come")
			if took := time.Since(start); took < after || took > after+time.Second {
				t.Errorf("%s fails after %v, want %v", what, took, after)
			}
		}
		fails("the first dial", arrivalTimeout)
		if !strings.Contains(log.String(), "no answer from the ssm agent yet") {
			t.Errorf("no word of it in the log:\n%s", log.String())
		}
		fails("the second", handshakeTimeout)
		fails("one while that start goes on", handshakeTimeout)
		time.Sleep(arrivalTimeout)
		works.Store(true)
		fails("one when the agent is slow", handshakeTimeout)
		start := time.Now()
		dial(t, d).Close()
		if took, want := time.Since(start), slow-handshakeTimeout; took > want+time.Second {
			t.Errorf("the session of that start serves after %v, want %v", took, want)
		}
		works.Store(false)
		d.mu.Lock()
		absent := d.throttle.absent
		d.mu.Unlock()
		if absent {
			t.Error("a host that has answered still counts as silent")
		}
	})
}

// Whether a session that ends as soon as it has started is found to have ended by
// its start or by the first stream, people are told why, and its jump host comes
// last for a while.
func TestSessionsThatDoNotLive(t *testing.T) {
	tests := []struct {
		name    string
		brief   func(n int) bool
		targets string // that sessions were asked of
		host    string // that carries; "": none
		last    string // the host that is tried last from then on
	}{
		{"the first", func(n int) bool { return n == 1 }, "i-1 i-2", "i-2", "i-1"},
		{"each", func(int) bool { return true }, "i-1 i-2 i-3", "", "i-3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeAWS(t)
				f.brief = tt.brief
				d := newTestDialer(t, f, func(cfg *Config) {
					cfg.Target, cfg.Targets, cfg.Sessions = "tag:Role=jump", (&lister{hosts: []string{"i-1", "i-2", "i-3"}}).list, 1
					cfg.Trace = func(p Progress) {
						if p.Stage == StageHandshake && p.Err == nil {
							time.Sleep(time.Second) // nobody looks before it has ended
						}
					}
				})
				c, err := d.DialContext(t.Context(), "tcp", dbAddress)
				if got := f.targetsOf(); got != tt.targets {
					t.Errorf("sessions asked of %s, want %s", got, tt.targets)
				}
				if tt.host == "" {
					wantError(t, err, "57P01", "the jump host says: the instance is stopping")
				} else if err != nil {
					t.Fatal(err)
				} else if c.Close(); d.Snapshot()[0].JumpHost != tt.host {
					t.Errorf("session on %s, want %s", d.Snapshot()[0].JumpHost, tt.host)
				}
				synctest.Wait()
				if hosts, err := d.hosts.choose(t.Context()); err != nil || hosts[len(hosts)-1] != tt.last {
					t.Errorf("next are tried %v, %v; want %s last", hosts, err, tt.last)
				}
			})
		})
	}
}

// A session that was ready, and has ended before anybody could know, is a failed
// start.
func TestReadyAndEndedIsAFailedStart(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeAWS(t)
			f.brief = func(int) bool { return true }
			d := newTestDialer(t, f, oneSession)
			out, err := f.StartSession(t.Context(), StartSessionInput{})
			if err != nil {
				t.Fatal(err)
			}
			p, err := d.place("tcp", dbAddress)
			if err != nil {
				t.Fatal(err)
			}
			s, err := d.newSession(p, out, arrivalTimeout)
			if err != nil {
				t.Fatal(err)
			}
			s.stop = func() {}
			s.run(t.Context())
			if got := d.await(t.Context(), s); got.err == nil || got.session != nil {
				t.Fatalf("started with %+v, want the error of the session's end", got)
			}
		})
	}
}
