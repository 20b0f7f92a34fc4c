package proxy

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A Route that knows why the database ends sessions at some age is asked for the words, in
// the log and for a client that stands between two messages.
func TestExpectedEnds(t *testing.T) {
	over := &statedError{"every connection ends after an hour", "57P01", "connected for an hour", "reconnect"}
	row := message('D', 1, 2, 3, 4)
	fatal := errorPacket("SFATAL", "C57P01", "Mtime is up")
	for _, test := range []struct {
		name  string
		age   time.Duration
		end   func(c *databaseConn)
		told  string // of the client, after the server's own words
		first []byte // those
		log   []string
	}{
		{"in good order", time.Hour, func(*databaseConn) {}, over.text, nil, []string{"INFO", reasonDatabaseClosed, over.text}},
		{"cut off", time.Hour, func(c *databaseConn) { c.NetConn().Close() }, over.text, nil, []string{"INFO", reasonDatabaseClosed, over.text}},
		{"with words of its own", time.Hour, func(c *databaseConn) { c.send(fatal) }, over.text, fatal, []string{"INFO", reasonDatabaseClosed, over.text}},
		{"in a row", time.Hour, func(c *databaseConn) { c.send(row[:7]) }, "", row[:7], []string{"INFO", reasonDatabaseClosed, over.text}},
		{"too young, in good order", 10 * time.Minute, func(*databaseConn) {}, "", nil, []string{"INFO", reasonDatabaseClosed}},
		{"too young, cut off", 10 * time.Minute, func(c *databaseConn) { c.NetConn().Close() }, "connection to " + host + " lost", nil, []string{"WARN", reasonDatabaseLost, "cause=database-lost"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *databaseConn) {
					c.logIn()
					time.Sleep(test.age) // the bubble's clock
					test.end(c)
				}, func(cfg *Config) {
					cfg.Routes[0].Ended = func(age time.Duration) error {
						if age < 59*time.Minute {
							return nil
						}
						return over
					}
				})
				c := r.established()
				c.expect(test.first)
				if test.told == "" {
					c.expectEnd()
				} else if got := c.failed(); !strings.HasPrefix(got['M'], test.told) || got['S'] != "FATAL" || test.told == over.text && (got['C'] != "57P01" || got['H'] != "reconnect" || got['D'] != over.detail) {
					t.Errorf("the client got %q, want %q", got, test.told)
				}
				c.Close()
				r.stop()
				if !r.log.hasLine(append([]string{"session ended"}, test.log...)...) {
					t.Errorf("the log lacks %q:\n%s", test.log, r.log.bytes())
				}
			})
		})
	}
}

// Neither a client that leaves nor a shutdown is the end of a connection's life.
func TestEndsOfTheClientAreItsOwn(t *testing.T) {
	for name, end := range map[string]func(*rig, *client){
		"client":   func(_ *rig, c *client) { c.send(terminate) },
		"shutdown": func(r *rig, _ *client) { r.cut() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *databaseConn) {
					c.logIn()
					c.untilTerminate()
				}, func(cfg *Config) {
					cfg.Routes[0].Ended = func(time.Duration) error { return &statedError{"over", "57P01", "", "reconnect"} }
				})
				c := r.established()
				time.Sleep(2 * time.Hour)
				end(r, c)
				synctest.Wait()
				c.Close()
				r.stop()
				if r.log.hasLine("session ended", "error=over") {
					t.Errorf("the log says so:\n%s", r.log.bytes())
				}
			})
		})
	}
}

// The age of a connection grows while the computer sleeps, in which the monotonic clock may
// stand still.
func TestAgeIsByTheWallClock(t *testing.T) {
	ca := newAuthority(t, "test CA")
	far, near := net.Pipe()
	db := &database{t: t, tls: ca.serverConfig(t, host, time.Hour), direct: true, session: func(*databaseConn) {}}
	db.tls.NextProtos = []string{alpnProtocol}
	var serving sync.WaitGroup
	serving.Go(func() { db.serve(newEager(far)) })
	r := Route{Name: host, Address: host + ":5432", TLS: ca.clientConfig, DirectTLS: true,
		Dialer: dialFunc(func(context.Context, string, string) (net.Conn, error) { return near, nil })}
	up, err := r.connect(t.Context(), r.Address, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	up.raw.Close()
	serving.Wait()
	if now := time.Now(); now == now.Round(0) {
		t.Fatal("this machine has no monotonic clock")
	}
	if up.since != up.since.Round(0) {
		t.Errorf("since %v has the monotonic clock, which differences are then taken by", up.since)
	}
}
