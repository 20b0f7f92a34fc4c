package proxy

import (
	"bytes"
	"math"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestLobbyShowsOutWhoCameFirst(t *testing.T) {
	var l lobby
	var out []int
	var leave []func()
	for i := range maxLobby {
		leave = append(leave, l.enter(uint64(i), func() { out = append(out, i) }))
	}
	leave[0]() // left by itself: is not shown out
	leave[0]()
	for range 3 {
		l.enter(maxLobby, func() { t.Error("the latest was shown out") })
	}
	if want := []int{1, 2}; !slices.Equal(out, want) {
		t.Errorf("shown out: %v, want %v", out, want)
	}
	leave[1]() // after it was shown out
	if n := l.waiting.Len(); n != maxLobby {
		t.Errorf("%d in the lobby, want %d", n, maxLobby)
	}
}

// Those accepted at one time may come in in any order. Who is new there and was accepted
// late stays, and who waits outside shows out nobody that was accepted later.
func TestLobbyGoesByTheOrderOfAccepting(t *testing.T) {
	l := lobby{room: 3}
	var out []int
	for _, i := range []int{9, 2, 4, 1, 3} {
		l.enter(uint64(i), func() { out = append(out, i) })
	}
	if want := []int{1, 2}; !slices.Equal(out, want) {
		t.Errorf("shown out: %v, want %v", out, want)
	}
	for _, test := range []struct {
		arrival uint64
		want    bool
	}{{2, false}, {5, true}, {5, true}, {5, false}, {10, true}, {10, false}} {
		if got := l.makeRoom(test.arrival); got != test.want {
			t.Errorf("room made for %d: %v, want %v", test.arrival, got, test.want)
		}
	}
	if want := []int{1, 2, 3, 4, 9}; !slices.Equal(out, want) {
		t.Errorf("shown out: %v, want %v", out, want)
	}
}

func TestLobbyIsBoundedByOpenFiles(t *testing.T) {
	for files, want := range map[uint64]int{0: maxLobby, 3: 1, 256: 64, 1024: 256, 1 << 20: maxLobby, 1<<64 - 1: maxLobby} {
		if got := roomFor(files); got != want {
			t.Errorf("%d open files: room for %d, want %d", files, got, want)
		}
	}
	l := lobby{room: 2}
	var out []int
	for i := range 4 {
		l.enter(uint64(i), func() { out = append(out, i) })
	}
	if want := []int{0, 1}; !slices.Equal(out, want) {
		t.Errorf("shown out: %v, want %v", out, want)
	}
	for _, want := range []bool{true, true, false} {
		if got := l.makeRoom(math.MaxUint64); got != want {
			t.Errorf("room made: %v, want %v", got, want)
		}
	}
	if want := []int{0, 1, 2, 3}; !slices.Equal(out, want) {
		t.Errorf("shown out for want of files: %v, want %v", out, want)
	}
}

// scarceListener has so many conns open at one time, as a process has files.
type scarceListener struct {
	*pipeListener
	limit int64
	open  atomic.Int64
	held  net.Conn // not accepted yet
}

func (l *scarceListener) Accept() (net.Conn, error) {
	if l.held == nil {
		c, err := l.pipeListener.Accept()
		if err != nil {
			return nil, err
		}
		l.held = c
	}
	if l.open.Load() >= l.limit {
		return nil, os.NewSyscallError("accept4", syscall.EMFILE)
	}
	c := &scarceConn{Conn: l.held, open: &l.open}
	l.held = nil
	l.open.Add(1)
	return c, nil
}

type scarceConn struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

func (c *scarceConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// Silent connections that use up the open files, though not the lobby, keep nobody
// out, and cannot fill the log either.
func TestSilentClientsLeaveWhenFilesRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &scarceListener{pipeListener: newPipeListener(), limit: 20}
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.untilTerminate()
		}, func(cfg *Config) { cfg.Routes[0].Listen = []net.Listener{l} })
		r.listener = l.pipeListener
		for range 50 {
			r.dial()
		}
		began := time.Now()
		r.established().Close()
		if took := time.Since(began); took > time.Second {
			t.Errorf("an honest client waited %v", took)
		}
		if lines := bytes.Count(r.log.bytes(), []byte("did not start a session")); lines != 1 {
			t.Errorf("%d lines for silent connections, want 1", lines)
		}
		if lines := bytes.Count(r.log.bytes(), []byte("accepting a client")); lines != 1 {
			t.Errorf("%d lines for what could not be accepted, want 1", lines)
		}
		time.Sleep(3 * time.Minute) // those that stayed are overdue
		if got := r.server.Snapshot().Unstarted; got[UnstartedCrowded] < 30 || got[UnstartedCrowded]+got[UnstartedOverdue] != 50 {
			t.Errorf("counted %v, want all 50, and 30 or more to make room", got)
		}
		if !r.log.hasLine("more clients did not start a session", "reason=crowded") || !r.log.hasLine("more clients did not start a session", "reason=overdue") {
			t.Errorf("no line that says how many there were:\n%s", r.log.bytes())
		}
		r.stop()
	})
}

func TestLinesAreSparedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sparing
		var sums []int64
		sum := func(more int64) { sums = append(sums, more) }
		line := func(kind string, most int) bool { return s.allows(kind, most, sum) }
		for i, want := range []bool{true, true, false, false} {
			if got := line("a", 2); got != want {
				t.Errorf("line %d: %v, want %v", i, got, want)
			}
		}
		if !line("b", 1) {
			t.Error("another kind is spared")
		}
		time.Sleep(sparingFor)
		synctest.Wait()
		if !slices.Equal(sums, []int64{2}) {
			t.Errorf("summed up as %v, want 2 and nothing for the other kind", sums)
		}
		if !line("a", 1) || line("a", 1) {
			t.Error("the next minute does not begin anew")
		}
		s.end()
		if !slices.Equal(sums, []int64{2, 1}) || !line("a", 1) || !line("a", 0) {
			t.Errorf("after the end: summed up as %v", sums)
		}
	})
}

// Many that come at once and say what they want are not silent: accepting waits for them,
// and not for those that stay silent.
func TestAcceptingWaitsForAFullLobby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lobby{room: 2}
		for _, step := range []struct {
			do   func()
			name string
			want bool
		}{
			{func() {}, "empty", false},
			{l.expect, "one on its way", false},
			{l.expect, "two on their way", true},
			{l.unexpect, "one was a probe", false},
			{func() { l.enter(1, func() {}) }, "one in", false},
			{l.expect, "one in, one on its way", true},
			{func() { l.enter(2, func() {})() }, "it has said what it wants", false},
			{func() { l.expect(); l.enter(3, func() {}) }, "two in", true},
			{func() { time.Sleep(guestTime) }, "two silent ones", false},
			{func() { l.expect(); l.enter(4, func() {}) }, "one had to go, the first is still silent", false},
		} {
			step.do()
			if got := l.crowded(time.Now()); got != step.want {
				t.Errorf("%s: crowded is %v, want %v", step.name, got, step.want)
			}
		}
	})
}
