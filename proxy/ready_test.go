package proxy

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestSecondClientGetsTheReadyLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []AuditEvent
		var mu sync.Mutex
		rr := newReadyRig(t, 4, func(cfg *Config) {
			cfg.Audit = func(e AuditEvent) error {
				mu.Lock()
				defer mu.Unlock()
				events = append(events, e)
				return nil
			}
		})
		rr.wantReady(0)
		first := rr.login(plainStartup, 1)
		rr.wantReady(1)
		if got := rr.startups; len(got) != 2 || !bytes.Equal(got[0], got[1]) {
			t.Errorf("the database got %q, want the same message twice", got)
		}
		if got := rr.server.Sessions(); len(got) != 1 {
			t.Errorf("%d sessions, want that of the client", len(got))
		}
		made := time.Now()
		time.Sleep(20 * time.Second)
		since := join(setting("search_path", "a"), message('N', []byte("SNOTICE\x00\x00")...))
		rr.conn(2).send(since)
		synctest.Wait()

		began := time.Now()
		second := rr.dial()
		second.send(plainStartup)
		second.expect(join(rr.greeting(2), since))
		rr.ask(second, 2)
		rr.ask(first, 1)
		rr.wantReady(1) // the next
		synctest.Wait()
		mu.Lock()
		if len(events) != 2 || !events[0].Ready.IsZero() || !events[1].Ready.Equal(made) || !events[1].At.Equal(began) || events[1].PID != 2 {
			t.Errorf("audited %+v", events)
		}
		mu.Unlock()
		rr.leave(first)
		rr.leave(second)
		now := rr.server.Snapshot()
		if r := rr.counted(); now.Logins != 2 || r.Logins != 2 || r.ReadyUsed != 1 || r.ReadyMade != 2 {
			t.Errorf("counted %+v", r)
		}
		rr.stopReady()
		if got := rr.howEnded(3); got != "terminated" {
			t.Errorf("the ready login was %q at the end, want it terminated in good order", got)
		}
	})
}

func TestReadyLoginIsForTheSameMessageAlone(t *testing.T) {
	others := map[string][]byte{
		"database": startupPacket(3<<16, "user", "app_user", "database", "other"),
		"option":   startupPacket(3<<16, "user", "app_user", "database", "app", "application_name", "x"),
		"last one": startupPacket(3<<16, "user", "app_user", "database", "app", "DATABASE", "other"),
		"version":  startupPacket(3<<16|2, "user", "app_user", "database", "app"),
		"border":   startupPacket(3<<16, "user", "app_userdatabase", "app", ""),
	}
	for name, startup := range others {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rr := newReadyRig(t, 4, nil)
				c := rr.login(plainStartup, 1)
				rr.wantReady(1)
				other := rr.login(startup, 3)
				rr.leave(c)
				rr.leave(other)
				rr.stopReady()
			})
		})
	}
}

func TestReadyLoginIsForTheSameIdentityAlone(t *testing.T) {
	var served, other served
	m := startupMessage{version: 3 << 16, params: []param{{"user", "u"}}}
	keys := map[readyKey]string{}
	for _, who := range [][3]string{{"db:5432", "ada", ""}, {"db:5432", "bob", ""}, {"db:5432", "ada", "role"}, {"db:5432", "adarole", ""}, {"other:5432", "ada", ""}} {
		k := readyKeyOf(&served, who[0], who[1], who[2], m)
		if before, twice := keys[k]; twice {
			t.Errorf("%q and %v share ready logins", before, who)
		}
		keys[k] = fmt.Sprint(who)
	}
	if a, b := readyKeyOf(&served, "a", "", "", m), readyKeyOf(&other, "a", "", "", m); a == b {
		t.Error("two Routes share ready logins")
	}
}

// pgx sends its parameters in another order each time.
func TestOrderOfParametersCountsWhereItMayMeanSomething(t *testing.T) {
	var to served
	same := func(a, b []param) bool {
		return readyKeyOf(&to, "", "", "", startupMessage{params: a}) == readyKeyOf(&to, "", "", "", startupMessage{params: b})
	}
	user, one, two := param{"user", "u"}, param{"work_mem", "1MB"}, param{"Work_Mem", "2MB"}
	role, path := param{"role", "r"}, param{"search_path", "p"}
	for _, test := range []struct {
		name string
		a, b []param
		want bool
	}{
		{"different names", []param{user, one, path}, []param{path, user, one}, true},
		{"one name twice", []param{user, one, two}, []param{user, two, one}, false},
		{"one name twice, another between", []param{one, user, two}, []param{user, one, two}, true},
		{"a role", []param{user, role, path}, []param{user, path, role}, false},
	} {
		if got := same(test.a, test.b); got != test.want {
			t.Errorf("%s: the same is %v, want %v", test.name, got, test.want)
		}
	}
}

func TestNoReadyLogin(t *testing.T) {
	for name, startup := range map[string][]byte{
		"replication": startupPacket(3<<16, "user", "app_user", "replication", "database"),
		"pg_isready":  startupPacket(3<<16, "user", "app_user", "application_name", "pg_isready"),
		"off":         plainStartup,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				most := 4
				if name == "off" {
					most = 0
				}
				rr := newReadyRig(t, most, nil)
				c := rr.login(startup, 1)
				rr.wantReady(0)
				rr.leave(c)
				c = rr.login(startup, 2)
				rr.leave(c)
				rr.stopReady()
				if got := rr.logins.Load(); got != 2 {
					t.Errorf("%d logins, want those of the clients", got)
				}
			})
		})
	}
}

func TestReadyLoginsAreAsManyAsClientsCameTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 3, nil)
		var clients []*client
		pid := uint32(1)
		come := func() { // each with a login of its own or a ready one
			c := rr.dial()
			c.send(plainStartup)
			for range 4 {
				if _, err := readMessage(c); err != nil {
					t.Fatal(err)
				}
			}
			clients = append(clients, c)
			pid++
			synctest.Wait()
		}
		come()
		rr.wantReady(1)
		time.Sleep(2*time.Second + 1)
		come()
		rr.wantReady(1)
		time.Sleep(2*time.Second - readyAfter)
		come()
		rr.wantReady(2)
		for range 5 {
			come()
		}
		rr.wantReady(3)
		time.Sleep(58 * time.Second)
		come() // the only one for a long time: three came together a minute ago
		rr.wantReady(3)
		time.Sleep(10 * time.Second)
		rr.wantReady(1)
		for _, c := range clients {
			rr.leave(c)
		}
		rr.stopReady()
	})
}

// A database that pauses without clients is not kept awake.
func TestNothingIsReadyAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 4, nil)
		rr.leave(rr.login(plainStartup, 1))
		rr.wantReady(1)
		time.Sleep(readyLife - readyLook)
		rr.wantReady(1)
		time.Sleep(2 * readyLook)
		rr.wantReady(0)
		if got := rr.howEnded(2); got != "terminated" {
			t.Errorf("the ready login was %q", got)
		}
		rr.server.ready.mu.Lock()
		if p := &rr.server.ready; p.tending || len(p.kinds) > 0 || len(p.ending) > 0 {
			t.Errorf("left after a minute: %+v", p)
		}
		rr.server.ready.mu.Unlock()
		rr.login(plainStartup, 3).Close()
		rr.wantReady(1)
		rr.stopReady()
	})
}

func TestQuerySentWithTheStartupMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 4, nil)
		rr.leave(rr.login(plainStartup, 1))
		rr.wantReady(1)
		c := rr.dial()
		go c.Write(join(plainStartup, message('Q', []byte("question")...)))
		c.expect(join(rr.greeting(2), []byte("answer of 2 to question")))
		rr.ask(c, 2)
		rr.leave(c)
		rr.stopReady()
	})
}

// Where it takes a wait to know who the credentials are for, nobody may get a login of
// nobody's.
func TestReadyLoginThatIsNobodys(t *testing.T) {
	for name, says := range map[string]func(asked int32) string{
		"never known":            func(int32) string { return "" },
		"known after the login":  func(n int32) string { return []string{"", "AKIA1"}[min(n-1, 1)] },
		"known before it alone":  func(n int32) string { return []string{"AKIA1", ""}[min(n-1, 1)] },
		"another one afterwards": func(n int32) string { return []string{"AKIA1", "AKIA2", "AKIA1"}[min(n-1, 2)] },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int32
				rr := newReadyRig(t, 1, func(cfg *Config) {
					cfg.Routes[0].Identity = func() string { return says(asked.Add(1)) }
				})
				rr.leave(rr.login(plainStartup, 1))
				rr.wantReady(0)
				n := rr.logins.Load()
				rr.leave(rr.login(plainStartup, n+1))
				rr.stopReady()
			})
		})
	}
}

// The next client's login leaves the processors to this one's first query, and a proxy that
// stops does not wait for it.
func TestReadyLoginIsMadeBehindTheFirstQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 1, nil)
		c := rr.login(plainStartup, 1)
		time.Sleep(readyAfter - 1)
		synctest.Wait()
		if n := rr.logins.Load(); n != 1 {
			t.Errorf("%d logins before the client has had time to ask, want its own alone", n)
		}
		rr.ask(c, 1)
		time.Sleep(time.Nanosecond)
		rr.wantReady(1)
		second := rr.login(plainStartup, 2)
		rr.leave(c)
		rr.leave(second)
		began := time.Now()
		rr.stopReady()
		if took := time.Since(began); took != 0 || rr.logins.Load() != 2 {
			t.Errorf("stopping took %v, after %d logins", took, rr.logins.Load())
		}
	})
}
