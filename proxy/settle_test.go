package proxy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

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
		awaitReady() // 3 is
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
	const lost = "the session with orders.abc.eu-west-1.rds.amazonaws.com ended before its first query, and the database refuses a new one: "
	for _, test := range []struct {
		name                  string
		said                  []string
		message, detail, hint string
		logged                string // of the database's words
	}{
		{
			"why is known", []string{"C28000", "Mno more", "Dit is closed", "Hcome tomorrow"},
			lost + "no more", "it is closed", "come tomorrow", "no more",
		},
		{
			"nothing is known", []string{"CXX000", "Mwork_mem is odd"},
			lost + "work_mem is odd", "", "reconnect in a moment; if it persists, see the database's log", "only the client got its message",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rr := newReadyRig(t, 4, nil)
				rr.leave(rr.login(plainStartup, 1))
				rr.wantReady(1)
				c := rr.login(plainStartup, 2)
				synctest.Wait()
				rr.mu.Lock()
				rr.refuse = func(c *databaseConn, _ uint32) bool {
					c.send(errorPacket(append([]string{"SFATAL", "VFATAL"}, test.said...)...))
					return true
				}
				rr.mu.Unlock()
				rr.conn(2).NetConn().Close()
				got := c.failed()
				if got['C'] != stateConnectionLost || got['S'] != "FATAL" || got['M'] != test.message || got['D'] != test.detail || got['H'] != test.hint {
					t.Errorf("client got %q, want a FATAL 08006, %q, %q, %q", got, test.message, test.detail, test.hint)
				}
				c.Close()
				synctest.Wait()
				rr.stopReady()
				if !rr.log.hasLine("session ended", reasonDatabaseLost, causes.ReadyLoginLost.Name, test.logged) {
					t.Errorf("log:\n%s", rr.log.bytes())
				}
				if test.logged != test.said[1][1:] && bytes.Contains(rr.log.bytes(), []byte(test.said[1][1:])) {
					t.Errorf("the log has the database's words:\n%s", rr.log.bytes())
				}
			})
		})
	}
}

func TestSettledClientIsLikeAnyOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rr := newReadyRig(t, 4, nil)
		rr.leave(rr.login(plainStartup, 1))
		rr.wantReady(1)
		c := rr.login(plainStartup, 2)
		time.Sleep(settleTime + 1)
		rr.seesTheEnd(c, 2)
		rr.stopReady()
	})
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
