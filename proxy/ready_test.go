package proxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// readyRig is a rig whose database hands out pids from 1 on, each with a key of its own.
// While a session rests, do says what the database does to it.
type readyRig struct {
	*rig
	mu       sync.Mutex
	startups [][]byte
	sessions map[uint32]*databaseConn
	ended    map[uint32]string // how the client's side ended it
	cancels  chan []byte
	logins   atomic.Uint32
	refuse   func(c *databaseConn, n uint32) bool // says that it has refused login n
}

func newReadyRig(t testing.TB, most int, change func(*Config)) *readyRig {
	t.Helper()
	rr := &readyRig{sessions: map[uint32]*databaseConn{}, ended: map[uint32]string{}, cancels: make(chan []byte, 9)}
	rr.rig = newRig(t, rr.serve, func(cfg *Config) {
		cfg.Routes[0].ReadyLogins = most
		if change != nil {
			change(cfg)
		}
	})
	return rr
}

func (rr *readyRig) serve(c *databaseConn) {
	p := c.startup()
	if len(p) < 8 {
		return
	}
	if bytes.Equal(p[4:8], codePacket(80877102)[4:8]) {
		rr.cancels <- p
		return
	}
	pid := rr.logins.Add(1)
	rr.mu.Lock()
	rr.startups = append(rr.startups, p)
	rr.sessions[pid] = c
	refuse := rr.refuse
	rr.mu.Unlock()
	if refuse != nil && refuse(c, pid) {
		return
	}
	c.send(rr.greeting(pid))
	how := "lost"
	for {
		m, err := readMessage(c)
		if err != nil {
			break
		}
		if m[0] == 'X' {
			how = "terminated"
			break
		}
		c.send([]byte(fmt.Sprintf("answer of %d to %s", pid, m[5:])))
	}
	rr.mu.Lock()
	rr.ended[pid] = how
	rr.mu.Unlock()
}

func key(pid uint32) []byte { return fmt.Appendf(nil, "k%03d", pid) }

func setting(name, value string) []byte { return message('S', []byte(name+"\x00"+value+"\x00")...) }

func (rr *readyRig) greeting(pid uint32) []byte {
	return join(authRequest(0), setting("server_version", "18.1"), keyData(pid, key(pid)), readyForQuery)
}

// conn is the database's side of session pid.
func (rr *readyRig) conn(pid uint32) *databaseConn {
	rr.mu.Lock()
	defer rr.mu.Unlock()
	return rr.sessions[pid]
}

func (rr *readyRig) howEnded(pid uint32) string {
	rr.mu.Lock()
	defer rr.mu.Unlock()
	return rr.ended[pid]
}

// login is a client that gets session pid.
func (rr *readyRig) login(startup []byte, pid uint32) *client {
	rr.t.Helper()
	c := rr.dial()
	c.send(startup)
	c.expect(rr.greeting(pid))
	return c
}

// ask wants session pid to answer a query.
func (rr *readyRig) ask(c *client, pid uint32) {
	rr.t.Helper()
	c.send(message('Q', []byte("question")...))
	c.expect([]byte(fmt.Sprintf("answer of %d to question", pid)))
}

func (rr *readyRig) leave(c *client) {
	c.send(terminate)
	c.Close()
	synctest.Wait()
}

// counted is what is counted of the Route.
func (rr *readyRig) counted() RouteSnapshot {
	for _, r := range rr.server.Snapshot().Routes {
		if r.Name == host {
			return r
		}
	}
	return RouteSnapshot{}
}

func (rr *readyRig) wantReady(n int) {
	rr.t.Helper()
	synctest.Wait()
	if got := rr.counted().Ready; got != n {
		rr.t.Errorf("%d logins are ready, want %d", got, n)
	}
}

// stopReady stops the rig and looks for what should not have been left.
func (rr *readyRig) stopReady() {
	rr.t.Helper()
	rr.stop()
	r := rr.counted()
	if r.Ready != 0 || r.ReadyMade != r.ReadyUsed+r.ReadyDropped {
		rr.t.Errorf("%d ready at the end; %d made, %d used, %d dropped", r.Ready, r.ReadyMade, r.ReadyUsed, r.ReadyDropped)
	}
	if len(rr.server.cancels.keys) != 0 {
		rr.t.Errorf("cancel keys left: %v", rr.server.cancels.keys)
	}
}

// seesTheEnd has the database end session pid, and wants its client to hear of it.
func (rr *readyRig) seesTheEnd(c *client, pid uint32) {
	rr.t.Helper()
	end := errorPacket("SFATAL", "VFATAL", "C57P01", "Mterminating connection")
	rr.conn(pid).send(end)
	rr.conn(pid).Close()
	c.expect(end)
	c.expectEnd()
	c.Close()
}

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
		time.Sleep(2 * time.Second)
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

func TestDeadReadyLoginIsNeverHandedOut(t *testing.T) {
	for name, die := range map[string]func(c *databaseConn){
		"terminated": func(c *databaseConn) {
			c.send(errorPacket("SFATAL", "VFATAL", "C57P01", "Mterminating connection"))
			c.Close()
		},
		"idle timeout": func(c *databaseConn) { c.send(errorPacket("SFATAL", "VFATAL", "C57P05", "Midle")); c.Close() },
		"lost":         func(c *databaseConn) { c.NetConn().Close() },
		"closed":       func(c *databaseConn) { c.Close() },
		"talks too much": func(c *databaseConn) {
			for range 40 {
				c.Write(setting("a", strings.Repeat("x", 1000)))
			}
		},
		"says what nobody asked": func(c *databaseConn) { c.send(message('T', 0, 0)) },
		"no message":             func(c *databaseConn) { c.send([]byte{'S', 0, 0, 0, 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rr := newReadyRig(t, 4, nil)
				rr.leave(rr.login(plainStartup, 1))
				rr.wantReady(1)
				go die(rr.conn(2))
				rr.wantReady(0)
				time.Sleep(2 * time.Second)
				rr.leave(rr.login(plainStartup, 3))
				rr.stopReady()
			})
		})
	}
}

func TestReadyLoginThatEndsBeforeTheFirstQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []AuditEvent
		var mu sync.Mutex
		rr := newReadyRig(t, 1, func(cfg *Config) {
			cfg.Audit = func(e AuditEvent) error {
				mu.Lock()
				defer mu.Unlock()
				events = append(events, e)
				return nil
			}
		})
		rr.leave(rr.login(plainStartup, 1))
		rr.wantReady(1)
		c := rr.login(plainStartup, 2)
		synctest.Wait() // 3 is ready
		notice := message('N', []byte("SNOTICE\x00\x00")...)
		rr.conn(2).send(notice)
		c.expect(notice)
		rr.conn(2).send(errorPacket("SFATAL", "VFATAL", "C57P01", "Mterminating connection"))
		rr.conn(2).Close()
		synctest.Wait()
		rr.ask(c, 4) // and c has heard nothing else

		side := rr.dial()
		side.send(codePacket(80877102, append([]byte{0, 0, 0, 2}, key(2)...)...))
		side.expectEnd()
		if got, want := <-rr.cancels, codePacket(80877102, append([]byte{0, 0, 0, 4}, key(4)...)...); !bytes.Equal(got, want) {
			t.Errorf("the database got %q, want a cancel request for its own key, %q", got, want)
		}
		mu.Lock()
		var lines []string
		for _, e := range events {
			lines = append(lines, fmt.Sprint(e.Kind, e.ID, " pid=", e.PID, " ready=", !e.Ready.IsZero(), " ", e.Reason))
		}
		mu.Unlock()
		want := []string{"login1 pid=1 ready=false ", "end1 pid=1 ready=false " + reasonClientClosed, "login2 pid=2 ready=true ",
			"login2 pid=4 ready=false ready login ended", "cancel3 pid=0 ready=false delivered"}
		if !slices.Equal(lines, want) {
			t.Errorf("audited %q, want %q", lines, want)
		}
		rr.leave(c)
		rr.stopReady()
		if now := rr.server.Snapshot(); now.Logins != 2 || len(now.FailedLogins) > 0 {
			t.Errorf("counted %+v", now)
		}
	})
}

// A client whose ready login has reported a setting gets to know it when that is another
// one after the second login.
func TestSettingsAfterASecondLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 1, nil)
		rr.leave(rr.login(plainStartup, 1))
		rr.wantReady(1)
		came, now := setting("server_version", "18.2"), setting("server_version", "18.3")
		rr.conn(2).send(came[:9]) // of which the rest comes later
		synctest.Wait()
		c := rr.login(plainStartup, 2)
		rr.wantReady(1) // 3
		rr.conn(2).send(came[9:])
		c.expect(came)
		rr.conn(2).send(now)
		c.expect(now)
		synctest.Wait()
		rr.conn(2).NetConn().Close()
		c.expect(setting("server_version", "18.1")) // as 4 says
		rr.ask(c, 4)
		rr.leave(c)
		rr.stopReady()
	})
}

// A database that keeps talking has a client like any other: what it got is not kept for
// ever.
func TestClientOfATalkativeDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 1, nil)
		rr.leave(rr.login(plainStartup, 1))
		rr.wantReady(1)
		c := rr.login(plainStartup, 2)
		word := setting("a", strings.Repeat("x", maxSaid/4))
		for range 5 {
			rr.conn(2).send(word)
			c.expect(word)
			synctest.Wait()
		}
		rr.seesTheEnd(c, 2)
		rr.stopReady()
	})
}

// What came behind the ReadyForQuery of the second login stands in the client's way: it
// may be in the middle of a message, where no words of the proxy may go.
func TestWhereTheClientIsAfterASecondLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 1, nil)
		rr.leave(rr.login(plainStartup, 1))
		rr.wantReady(1)
		c := rr.login(plainStartup, 2)
		rr.wantReady(1) // 3
		notice := message('N', []byte("SNOTICE\x00Mhalf of it is lost\x00\x00")...)
		half := notice[:len(notice)/2]
		rr.mu.Lock()
		rr.refuse = func(c *databaseConn, pid uint32) bool {
			c.send(rr.greeting(pid), notice, half)
			c.untilTerminate()
			return true
		}
		rr.mu.Unlock()
		rr.conn(2).NetConn().Close()
		c.expect(notice)
		c.expect(half)
		synctest.Wait()
		rr.conn(4).NetConn().Close()
		c.expectEnd()
		c.Close()
		rr.stopReady()
	})
}

func TestReadyLoginThatEndsAndCannotBeRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 4, nil)
		rr.leave(rr.login(plainStartup, 1))
		c := rr.login(plainStartup, 2)
		synctest.Wait()
		rr.mu.Lock()
		rr.refuse = func(c *databaseConn, _ uint32) bool {
			c.send(errorPacket("SFATAL", "VFATAL", "C28000", "Mno more"))
			return true
		}
		rr.mu.Unlock()
		rr.conn(2).NetConn().Close()
		if got := c.failed(); got['C'] != stateConnectionLost || got['S'] != "FATAL" {
			t.Errorf("client got %q, want a FATAL 08006", got)
		}
		c.Close()
		synctest.Wait()
		rr.stopReady()
		if !rr.log.hasLine("session ended", reasonDatabaseLost) {
			t.Errorf("log:\n%s", rr.log.bytes())
		}
	})
}

func TestSettledClientIsLikeAnyOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 4, nil)
		rr.leave(rr.login(plainStartup, 1))
		c := rr.login(plainStartup, 2)
		time.Sleep(settleTime + 1)
		rr.seesTheEnd(c, 2)
		rr.stopReady()
	})
}

func TestQuerySentWithTheStartupMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 4, nil)
		rr.leave(rr.login(plainStartup, 1))
		c := rr.dial()
		go c.Write(join(plainStartup, message('Q', []byte("question")...)))
		c.expect(join(rr.greeting(2), []byte("answer of 2 to question")))
		rr.ask(c, 2)
		rr.leave(c)
		rr.stopReady()
	})
}

func TestReadyLoginsGoWithTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 4, nil)
		old := rr.login(plainStartup, 1)
		rr.wantReady(1)
		next := rr.server.routes[0].Route
		if err := rr.server.Replace([]Route{next}, nil, ""); err != nil {
			t.Fatal(err)
		}
		rr.wantReady(0)
		synctest.Wait()
		rr.leave(rr.login(plainStartup, 3))
		rr.wantReady(1)
		rr.ask(old, 1)
		rr.leave(old)
		rr.stopReady()
	})
}

func TestReadyLoginsGoWithTheIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var who atomic.Pointer[string]
		be := func(name string) { who.Store(&name) }
		be("AKIA1")
		rr := newReadyRig(t, 1, func(cfg *Config) { cfg.Routes[0].Identity = func() string { return *who.Load() } })
		rr.leave(rr.login(plainStartup, 1))
		rr.wantReady(1)
		be("AKIA2")
		rr.leave(rr.login(plainStartup, 3))
		rr.wantReady(1)
		rr.leave(rr.login(plainStartup, 4))
		be("")
		rr.leave(rr.login(plainStartup, 6))
		rr.stopReady()
	})
}

func TestReadyLoginsGoWithTheWayToTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var retired atomic.Bool
		rr := newReadyRig(t, 1, func(cfg *Config) {
			db := cfg.Routes[0].Dialer
			cfg.Routes[0].Dialer = dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := db.DialContext(ctx, network, address)
				return &wayBack{c, &retired}, err
			})
		})
		rr.leave(rr.login(plainStartup, 1))
		rr.wantReady(1)
		retired.Store(true)
		c := rr.login(plainStartup, 3) // and not the one that is still there
		retired.Store(false)
		time.Sleep(readyLook)
		rr.wantReady(1)
		retired.Store(true)
		time.Sleep(readyLook)
		rr.wantReady(0)
		rr.leave(c)
		rr.stopReady()
	})
}

// A tunnel cuts anywhere, and what reads takes 512 bytes at a time.
func TestLastWordsOfAReadyLoginInPieces(t *testing.T) {
	end := errorPacket("SFATAL", "VFATAL", "C57P01", "M"+strings.Repeat("terminating connection ", 40))
	for name, test := range map[string]struct {
		pieces [][]byte
		taken  bool // by a client that has asked nothing
	}{
		"a large one":                {[][]byte{end}, false},
		"in the head":                {[][]byte{end[:3], end[3:]}, false},
		"behind the head":            {[][]byte{end[:8], end[8:]}, false},
		"behind the code":            {[][]byte{end[:600], end[600:]}, false},
		"a large one, taken":         {[][]byte{end}, true},
		"in the head, taken":         {[][]byte{end[:3], end[3:]}, true},
		"behind the head, and taken": {[][]byte{end[:8], end[8:]}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ways sync.Map // *atomic.Bool of each dial, by its number
				var dials atomic.Int32
				rr := newReadyRig(t, 1, func(cfg *Config) {
					db := cfg.Routes[0].Dialer
					cfg.Routes[0].Dialer = dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
						retired := new(atomic.Bool)
						ways.Store(dials.Add(1), retired)
						c, err := db.DialContext(ctx, network, address)
						return &wayBack{c, retired}, err
					})
				})
				rr.leave(rr.login(plainStartup, 1))
				rr.wantReady(1)
				var c *client
				if test.taken {
					c = rr.login(plainStartup, 2)
					rr.wantReady(1) // 3
				}
				for _, piece := range test.pieces {
					rr.conn(2).send(piece)
					synctest.Wait()
				}
				if way, _ := ways.Load(int32(2)); !way.(*atomic.Bool).Load() {
					t.Error("the way was not retired")
				}
				rr.conn(2).Close()
				if c != nil {
					synctest.Wait()
					rr.ask(c, 4)
					rr.leave(c)
				}
				rr.stopReady()
			})
		})
	}
}

// What is not whole when a client comes is no login for it.
func TestReadyLoginInItsLastWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 1, nil)
		rr.leave(rr.login(plainStartup, 1))
		rr.wantReady(1)
		rr.conn(2).send(errorPacket("SFATAL", "VFATAL", "C57P01", "Mterminating connection")[:20])
		synctest.Wait()
		rr.leave(rr.login(plainStartup, 3))
		rr.stopReady()
	})
}

// wayBack is a conn whose way to the database may be retired.
type wayBack struct {
	net.Conn
	retired *atomic.Bool
}

func (r *wayBack) Retire(string) { r.retired.Store(true) }
func (r *wayBack) Retired() bool { return r.retired.Load() }

func TestReadyLoginWhoseWayIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var busy atomic.Bool
		rr := newReadyRig(t, 1, func(cfg *Config) {
			db := cfg.Routes[0].Dialer
			cfg.Routes[0].Dialer = dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := db.DialContext(ctx, network, address)
				return &crowdedWay{c, &busy}, err
			})
		})
		rr.leave(rr.login(plainStartup, 1))
		rr.wantReady(1)
		busy.Store(true)
		time.Sleep(readyLook)
		rr.wantReady(1)
		rr.leave(rr.login(plainStartup, 3)) // on a way of its own
		busy.Store(false)
		rr.wantReady(1)
		rr.leave(rr.login(plainStartup, 4))
		rr.stopReady()
	})
}

// crowdedWay is a conn whose way to the database may carry much else.
type crowdedWay struct {
	net.Conn
	busy *atomic.Bool
}

func (c *crowdedWay) Busy() bool { return c.busy.Load() }

func TestFailoverInASessionDropsReadyLogins(t *testing.T) {
	for _, state := range []string{stateShuttingDown, stateReadOnly} {
		synctest.Test(t, func(t *testing.T) {
			rr := newReadyRig(t, 4, nil)
			c := rr.login(plainStartup, 1)
			rr.wantReady(1)
			said := errorPacket("SERROR", "VERROR", "C"+state, "Mno")
			rr.conn(1).send(said)
			c.expect(said)
			rr.wantReady(0)
			rr.leave(c)
			rr.stopReady()
		})
	}
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

// fullAt refuses logins while others are open, before AuthenticationOk or behind it.
func fullAt(rr *readyRig, room int, behind bool) func(*databaseConn, uint32) bool {
	return func(c *databaseConn, pid uint32) bool {
		rr.mu.Lock()
		open := len(rr.sessions) - len(rr.ended)
		if open > room {
			rr.ended[pid] = "refused"
		}
		rr.mu.Unlock()
		if open <= room {
			return false
		}
		said := errorPacket("SFATAL", "VFATAL", "C53300", "Mtoo many connections for role \"app_user\"")
		if behind {
			c.send(authRequest(0))
			time.Sleep(time.Second) // on its way
		}
		c.Write(said) // the proxy may not wait for it
		return true
	}
}

func TestFullDatabaseGetsItsRoomBack(t *testing.T) {
	for _, behind := range []bool{false, true} {
		t.Run(fmt.Sprintf("behind AuthenticationOk: %v", behind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rr := newReadyRig(t, 4, nil)
				rr.mu.Lock()
				rr.refuse = fullAt(rr, 2, behind)
				rr.mu.Unlock()
				first := rr.login(plainStartup, 1)
				rr.wantReady(1) // 2
				other := startupPacket(3<<16, "user", "app_user", "database", "other")
				second := rr.login(other, 4) // 3 was refused
				rr.wantReady(0)
				if got := rr.howEnded(2); got != "terminated" {
					t.Errorf("the ready login was %q", got)
				}
				// Both places are taken: the client hears what the database says.
				third := rr.dial()
				third.send(plainStartup)
				if behind {
					third.expect(authRequest(0))
				}
				if got := third.failed(); got['C'] != stateTooManyConnections {
					t.Errorf("client got %q", got)
				}
				third.Close()
				rr.leave(first)
				rr.leave(second)
				time.Sleep(readyPause - 10*time.Second)
				n := rr.logins.Load()
				first = rr.login(plainStartup, n+1)
				rr.wantReady(0) // none for a while
				time.Sleep(11 * time.Second)
				second = rr.login(plainStartup, n+2)
				synctest.Wait()
				rr.leave(first)
				rr.leave(second)
				rr.stopReady()
			})
		})
	}
}

// The database gives a login its place before it asks for the token: what is under way
// takes one too.
func TestFullDatabaseGetsTheRoomOfALoginUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 4, nil)
		full := fullAt(rr, 2, false)
		rr.mu.Lock()
		rr.refuse = func(c *databaseConn, pid uint32) bool {
			if pid != 2 {
				return full(c, pid)
			}
			c.send(authRequest(3))
			if _, err := readMessage(c); err != nil {
				t.Errorf("no token came: %v", err)
			}
			if m, err := readMessage(c); err != io.EOF {
				t.Errorf("the login that was given up ended with %q (%v), want the end of TLS", m, err)
			}
			time.Sleep(300 * time.Millisecond) // until its process has gone
			rr.mu.Lock()
			defer rr.mu.Unlock()
			rr.ended[pid] = "given up"
			return true
		}
		rr.mu.Unlock()
		first := rr.login(plainStartup, 1)
		synctest.Wait()                                                                      // 2 has its place, and goes no further
		second := rr.login(startupPacket(3<<16, "user", "app_user", "database", "other"), 4) // 3 was refused
		rr.ask(first, 1)
		rr.ask(second, 4)
		rr.leave(first)
		rr.leave(second)
		rr.stopReady()
	})
}

// A role at its limit is no reason to give up what others get.
func TestReadyLoginWithoutRoomForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 4, nil)
		limited := func(tool string) []byte {
			return startupPacket(3<<16, "user", "limited", "database", "app", "application_name", tool)
		}
		open := map[uint32]bool{} // of limited's sessions; one is allowed
		rr.mu.Lock()
		rr.refuse = func(c *databaseConn, pid uint32) bool {
			rr.mu.Lock()
			defer rr.mu.Unlock()
			if !bytes.Contains(rr.startups[pid-1], []byte("limited")) {
				return false
			}
			for other := range open {
				if rr.ended[other] != "" {
					delete(open, other)
				}
			}
			if len(open) > 0 {
				rr.ended[pid] = "refused"
				c.Write(errorPacket("SFATAL", "VFATAL", "C53300", "Mtoo many connections for role \"limited\""))
				return true
			}
			open[pid] = true
			return false
		}
		rr.mu.Unlock()
		first := rr.login(plainStartup, 1)
		rr.wantReady(1) // 2
		one := rr.login(limited("one"), 3)
		rr.wantReady(1) // 4 was refused
		second := rr.login(plainStartup, 2)
		rr.wantReady(2) // 5 and 6: both came together
		rr.leave(one)
		time.Sleep(readyPause / 2) // the user pauses, whatever else is in the message
		one = rr.login(limited("two"), 7)
		rr.wantReady(2)
		rr.leave(one)
		time.Sleep(readyPause / 2)
		one = rr.login(limited("two"), 8)
		synctest.Wait()
		if got := rr.logins.Load(); got != 9 {
			t.Errorf("%d logins, want one more for what would be ready", got)
		}
		for _, c := range []*client{first, second, one} {
			rr.leave(c)
		}
		rr.stopReady()
	})
}

func TestMessagesThatNeverComeTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 1, nil)
		named := func(i int) []byte {
			return startupPacket(3<<16, "user", "app_user", "application_name", fmt.Sprint("tool ", i))
		}
		come := func(p []byte) {
			c := rr.dial()
			c.send(p)
			for range 4 {
				if _, err := readMessage(c); err != nil {
					t.Fatal(err)
				}
			}
			rr.leave(c)
		}
		for i := range 3 * maxUnused {
			come(named(i))
			time.Sleep(15 * time.Second)
		}
		before := rr.logins.Load()
		come(named(1000))
		synctest.Wait()
		if got := rr.logins.Load() - before; got != 1 {
			t.Errorf("%d logins for a message that came once, want the client's alone", got)
		}
		come(named(1000))
		rr.wantReady(1)
		rr.stopReady()
	})
}

func TestReadyLoginsOfManyMessagesShareTheRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 2, nil)
		var all []*client
		pid := uint32(0)
		come := func(p []byte) {
			c := rr.dial()
			c.send(p)
			for range 4 {
				if _, err := readMessage(c); err != nil {
					t.Fatal(err)
				}
			}
			all = append(all, c)
			synctest.Wait()
			pid++
		}
		named := func(name string) []byte { return startupPacket(3<<16, "user", "app_user", "application_name", name) }
		come(named("a"))
		come(named("a"))
		rr.wantReady(2)
		come(named("b")) // which takes one from a
		rr.wantReady(2)
		come(named("c")) // a and b have no more than one
		rr.wantReady(2)
		before := rr.logins.Load()
		come(named("b"))
		if got := rr.logins.Load() - before; got != 1 {
			t.Errorf("%d logins where one was ready, want the one that is ready next", got)
		}
		time.Sleep(readyIdle)
		come(named("c")) // for whom the others make room now
		before = rr.logins.Load()
		come(named("c"))
		if got := rr.logins.Load() - before; got < 1 || got > 2 {
			t.Errorf("%d logins, want ready ones alone", got)
		}
		rr.wantReady(2)
		for _, c := range all {
			rr.leave(c)
		}
		rr.stopReady()
	})
}

func TestArrivals(t *testing.T) {
	at := func(seconds ...float64) (all []time.Time) {
		for _, s := range seconds {
			all = append(all, time.Unix(1000, 0).Add(time.Duration(s*float64(time.Second))))
		}
		return all
	}
	tests := []struct {
		name  string
		come  []time.Time
		now   time.Time
		want  int
		again bool
	}{
		{"nobody", nil, at(0)[0], 0, false},
		{"one", at(0), at(1)[0], 1, false},
		{"one, a minute ago", at(0), at(60)[0], 0, false},
		{"two within two seconds", at(0, 2), at(2)[0], 2, true},
		{"two that are further apart", at(0, 2.1), at(3)[0], 1, true},
		{"three together, remembered for a minute", at(0, 1, 2, 30), at(61)[0], 3, true},
		{"and no longer", at(0, 1, 2, 30), at(62)[0], 1, false},
		{"more than the most", at(0, 0, 0, 0, 0, 0, 0), at(0)[0], 4, true},
	}
	for _, test := range tests {
		var a arrivals
		for _, t := range test.come {
			a.note(t, 4)
		}
		if got := a.wanted(test.now); got != test.want {
			t.Errorf("%s: %d wanted, want %d", test.name, got, test.want)
		}
		if got := a.again(test.now); got != test.again {
			t.Errorf("%s: again is %v, want %v", test.name, got, test.again)
		}
		if len(a.latest) > 4 || len(a.together) > 4 {
			t.Errorf("%s: %d times kept", test.name, len(a.latest)+len(a.together))
		}
	}
}

func TestNewsOfALoginAfterAnother(t *testing.T) {
	negotiated := message('v', 0, 3, 0, 0, 0, 0, 0, 0)
	notice := message('N', []byte("SNOTICE\x00\x00")...)
	before := join(negotiated, authRequest(0), setting("a", "1"), setting("b", "1"), keyData(1, key(1)), readyForQuery, setting("b", "2"))
	now := join(negotiated, authRequest(0), notice, setting("a", "1"), setting("b", "1"), setting("c", "1"), keyData(2, key(2)), readyForQuery, setting("d", "1"))
	got, err := news(before, now)
	if want := join(notice, setting("b", "1"), setting("c", "1"), setting("d", "1")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
	for name, pair := range map[string][2][]byte{
		"negotiates no more": {before, now[len(negotiated):]},
		"negotiates now":     {before[len(negotiated):], now},
		"negotiates another": {before, slices.Concat(message('v', 0, 3, 0, 2, 0, 0, 0, 0), now[len(negotiated):])},
	} {
		if _, err := news(pair[0], pair[1]); err != errOtherProtocol {
			t.Errorf("%s: %v, want %v", name, err, errOtherProtocol)
		}
	}
}

// A Pooler's parameter comes twice: with its default, then as it was set after the login.
func TestNewsOfAParameterThatComesTwice(t *testing.T) {
	twice := func(first, last string) []byte {
		return join(authRequest(0), setting("TimeZone", first), setting("a", "b"), setting("TimeZone", last), readyForQuery)
	}
	for _, test := range []struct{ before, now, want []byte }{
		{twice("UTC", "Asia/Tokyo"), twice("UTC", "Asia/Tokyo"), nil},
		{twice("UTC", "Asia/Tokyo"), twice("Etc/UTC", "Asia/Tokyo"), nil},
		{twice("UTC", "Asia/Tokyo"), twice("UTC", "Japan"), setting("TimeZone", "Japan")},
		{twice("Asia/Tokyo", "UTC"), twice("UTC", "Asia/Tokyo"), setting("TimeZone", "Asia/Tokyo")},
		{twice("UTC", "Asia/Tokyo"), twice("Japan", "Japan"), setting("TimeZone", "Japan")},
	} {
		if got, err := news(test.before, test.now); err != nil || !bytes.Equal(got, test.want) {
			t.Errorf("after %q, %q: %q, %v; want %q", test.before, test.now, got, err, test.want)
		}
	}
}
