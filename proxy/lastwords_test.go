package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// lostConn is a conn as a tunnel's: its end is an error with words.
type lostConn struct {
	retirable
	why error
}

func (c lostConn) Read(p []byte) (int, error) {
	n, err := c.retirable.Read(p)
	if err != nil {
		err = c.why
	}
	return n, err
}

// causedError is a statedError with what is beneath it.
type causedError struct {
	*statedError
	beneath error
}

func (e *causedError) Unwrap() []error { return []error{e.statedError, e.beneath} }

func TestLostSessionIsExplained(t *testing.T) {
	lost := &statedError{"SSM session on i-0abc lost", "08006", "jump host i-0abc", "reconnect"}
	closed := &statedError{"SSM session on i-0abc ended", "57P01", "jump host i-0abc", "reconnect"}
	expired := &statedError{"no AWS credentials", "28000", "", "log in"}
	row := message('D', 1, 2, 3, 4)
	half := row[:7]
	large := message('D', make([]byte, maxHeld)...) // too long to be held back
	tests := []struct {
		name   string
		behind []byte // sent along with ReadyForQuery
		then   []byte
		why    error
		says   bool   // the client does, before the end
		held   int    // bytes at the end that the client does not get
		code   string // that it is told; "": none
	}{
		{"idle", nil, nil, lost, false, 0, "08006"},
		{"closed in good order", nil, nil, closed, false, 0, "57P01"},
		{"for a reason of the login's", nil, nil, expired, false, 0, "08006"},
		{"by a socket that was closed", nil, nil, &causedError{lost, net.ErrClosed}, false, 0, "08006"},
		{"by a deadline", nil, nil, &causedError{lost, os.ErrDeadlineExceeded}, false, 0, "08006"},
		{"between rows", nil, join(row, row), lost, false, 0, "08006"},
		{"in a row", nil, join(row, half), lost, false, 7, "08006"},
		{"in a head", nil, join(row, row[:3]), lost, false, 3, "08006"},
		{"in a large row", nil, join(row, large[:len(large)-1]), lost, false, 0, ""},
		{"behind a large row", nil, join(large, half), lost, false, 7, "08006"},
		{"in what came with the login", half, nil, lost, false, 7, "08006"},
		{"in what came with the login, in a head", half[:3], nil, lost, false, 3, "08006"},
		{"in what came after the login's", half[:3], row[3:6], lost, false, 6, "08006"},
		{"in a row after the client's Terminate", nil, join(row, half), lost, true, 0, ""},
		{"in a row, without words", nil, join(row, half), net.ErrClosed, false, 0, ""},
		{"at the end of what came with the login", half, row[7:], lost, false, 0, "08006"},
		{"without words", nil, nil, net.ErrClosed, false, 0, ""},
		{"after the client's Terminate", nil, nil, lost, true, 0, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *databaseConn) {
					c.startup()
					c.send(authRequest(3))
					c.expect(message('p', append([]byte(secretToken), 0)...))
					c.send(authRequest(0), keyData(7, []byte("key7")), readyForQuery, test.behind)
					c.send(test.then)
					if test.says {
						c.untilTerminate()
					}
					c.NetConn().Close() // no close_notify
				}, nil)
				r.dialled(func(_ int, c net.Conn) net.Conn { return lostConn{retirable{c, new(retirements)}, test.why} })
				c := r.established()
				if test.says {
					c.send(terminate)
				}
				said := join(test.behind, test.then)
				c.expect(said[:len(said)-test.held])
				want, _ := errors.AsType[*statedError](test.why)
				if test.code == "" {
					c.expectEnd()
				} else if got := c.failed(); got['C'] != test.code || got['S'] != "FATAL" || got['V'] != "FATAL" ||
					got['M'] != want.text || got['D'] != want.detail || got['H'] != want.hint {
					t.Errorf("client got %q, want %s FATAL and the words of %+v", got, test.code, want)
				}
				c.Close()
				r.stop()
			})
		})
	}
}

// TestLostSessionIsLoggedAsLost has clients that close as soon as they are told:
// that is not how the session ended.
func TestLostSessionIsLoggedAsLost(t *testing.T) {
	for range 20 { // which of the two ways ends first is the scheduler's choice
		synctest.Test(t, func(t *testing.T) {
			lost := &statedError{"SSM session on i-0abc lost", "08006", "jump host i-0abc", "reconnect"}
			r := newRig(t, func(c *databaseConn) {
				c.logIn()
				c.NetConn().Close()
			}, nil)
			r.dialled(func(_ int, c net.Conn) net.Conn { return lostConn{retirable{c, new(retirements)}, lost} })
			c := r.established()
			c.expect([]byte{'E'})
			c.Close()
			r.stop()
			if !r.log.hasLine("session ended", reasonDatabaseLost, lost.text) {
				t.Errorf("the log does not tell:\n%s", r.log.bytes())
			}
		})
	}
}

// TestDatabaseThatTakesNoMore has the client find out first, by writing, that its
// database is gone. What the database says then is how the session ended.
func TestDatabaseThatTakesNoMore(t *testing.T) {
	fatal := errorPacket("SFATAL", "C57P01", "Mterminating connection due to administrator command")
	tests := []struct {
		name string
		says []byte              // by the client
		end  func(*databaseConn) // after the write has failed
		want []string            // in the log
	}{
		{"in good order", []byte("more"), func(c *databaseConn) { c.send(fatal) }, []string{"INFO", reasonDatabaseClosed}},
		{"vanished", []byte("more"), func(c *databaseConn) { c.NetConn().Close() }, []string{"WARN", reasonDatabaseLost, "cut off", "cause=database-lost"}},
		{"silent", []byte("more"), func(c *databaseConn) { c.Read(make([]byte, 1)) }, []string{"WARN", reasonDatabaseLost, "broken pipe", "cause=database-lost"}},
		{"vanished after Terminate", terminate, func(c *databaseConn) { c.NetConn().Close() }, []string{"INFO", reasonClientClosed}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := &closingConn{closed: make(chan struct{})}
				r := newRig(t, func(c *databaseConn) {
					c.logIn()
					<-conn.closed
					synctest.Wait() // the relay has heard it
					test.end(c)
				}, nil)
				r.dialled(func(_ int, c net.Conn) net.Conn {
					conn.Conn = c
					return conn
				})
				c := r.established()
				conn.closing.Store(true)
				c.send(test.says)
				go io.Copy(io.Discard, c)
				time.Sleep(20 * time.Second)
				c.Close()
				r.stop()
				if !r.log.hasLine(append(test.want, "session ended")...) {
					t.Errorf("want %q in\n%s", test.want, r.log.bytes())
				}
			})
		})
	}
}

// closingConn takes nothing any more once it is closing.
type closingConn struct {
	net.Conn
	closing atomic.Bool
	closed  chan struct{} // when that has been met
	once    sync.Once
}

func (c *closingConn) Write(p []byte) (int, error) {
	if c.closing.Load() {
		c.once.Do(func() { close(c.closed) })
		return 0, os.NewSyscallError("write", syscall.EPIPE)
	}
	return c.Conn.Write(p)
}

// PostgreSQL says close_notify when it is told Terminate; others need not.
func TestTerminateIsNoLoss(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(c *databaseConn) {
				c.logIn()
				c.untilTerminate()
				c.NetConn().Close()
			}, nil)
			r.db.tls.MaxVersion = version
			c := r.established()
			c.send(terminate)
			c.expectEnd()
			c.Close()
			r.stop()
			if !r.log.hasLine("session ended", "INFO", reasonClientClosed) {
				t.Errorf("%s: want %q in\n%s", tls.VersionName(version), reasonClientClosed, r.log.bytes())
			}
		})
	}
}

// Data that ends like a Terminate is none: more comes.
func TestTerminateIsTheLastMessage(t *testing.T) {
	eitherRelay(t, func(t *testing.T, looped bool) {
		_, dial := loopback(t, looped, func(c *databaseConn) {
			c.expect(join([]byte("data"), terminate))
			c.send(readyForQuery)
			c.expect([]byte("more"))
			c.NetConn().Close()
		})
		c := dial()
		c.send([]byte("data"), terminate)
		c.expect(readyForQuery)
		c.send([]byte("more"))
		if told := c.failed(); told['C'] != "08006" {
			t.Errorf("client got %q, want 08006", told)
		}
	})
}

// TestLostDatabaseIsExplained ends a database's socket, in good order and not.
func TestLostDatabaseIsExplained(t *testing.T) {
	row := message('D', 1, 2, 3, 4)
	fatal := errorPacket("SFATAL", "C57P01", "Mterminating connection due to administrator command")
	goodbye := func(c *databaseConn) { c.Close() }
	vanish := func(c *databaseConn) { c.NetConn().Close() }
	inRecord := func(c *databaseConn) {
		c.NetConn().Write([]byte{23, 3, 3, 0, 100, 1, 2, 3})
		c.NetConn().Close()
	}
	reset := func(c *databaseConn) {
		socket := c.NetConn().(*net.TCPConn)
		socket.SetLinger(0)
		socket.Close()
	}
	tests := []struct {
		name  string
		then  []byte // sent before the end
		leave bool   // the client says Terminate
		end   func(*databaseConn)
		words string // in the message that the client gets; "" is none
	}{
		{"close_notify", row, false, goodbye, ""},
		{"close_notify in a row", row[:7], false, goodbye, ""},
		{"nothing said", nil, false, vanish, "cut off"},
		{"nothing said, between rows", join(row, row), false, vanish, "cut off"},
		{"nothing said, in a record of TLS", row, false, inRecord, "cut off"},
		{"nothing said, in a row", join(row, row[:7]), false, vanish, ""},
		{"nothing said after Terminate", nil, true, vanish, ""},
		{"nothing said behind the reason", fatal, false, vanish, ""},
		{"reset", nil, false, reset, "reset by peer"},
		{"reset after Terminate", nil, true, reset, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			eitherRelay(t, func(t *testing.T, looped bool) {
				_, dial := loopback(t, looped, func(c *databaseConn) {
					c.send(test.then)
					if test.leave {
						c.untilTerminate()
					} else {
						c.expect([]byte("seen")) // a reset loses what the proxy has not read yet
					}
					test.end(c)
				})
				c := dial()
				c.expect(test.then)
				if test.leave {
					c.send(terminate)
				} else {
					c.send([]byte("seen"))
				}
				if test.words == "" {
					c.expectEnd()
					return
				}
				told := c.failed()
				if told['S'] != "FATAL" || told['C'] != "08006" || !strings.Contains(told['M'], test.words) || !strings.Contains(told['H'], "reconnect") {
					t.Errorf("client got %q, want FATAL 08006 with %q and a HINT", told, test.words)
				}
			})
		})
	}
}

// Words that are written while nobody reads them hold up nothing.
func TestLostSessionOfAClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.NetConn().Close()
		}, nil)
		why := &statedError{"SSM session on i-0abc lost", "08006", "", ""}
		r.dialled(func(_ int, c net.Conn) net.Conn { return lostConn{retirable{c, new(retirements)}, why} })
		c := r.established()
		time.Sleep(20 * time.Second)
		if !r.log.hasLine("session ended", `reason="database connection lost"`, "SSM session on i-0abc lost") {
			t.Errorf("want the reason in\n%s", r.log.bytes())
		}
		c.Close()
		r.stop()
	})
}
