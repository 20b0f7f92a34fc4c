package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
)

// outcome is how transfers under a fault have to end.
type outcome int

const (
	exact        outcome = iota // every byte, both ways, and nobody notices
	refused                     // an ErrorResponse in place of a login
	lost                        // every client's connection ends with an error
	exactOrLost                 // each client's one or the other
	firstLost                   // the first client's connection ends, the others are exact
	refusedFirst                // the first login is refused, then all is exact
)

// rowWorkers run rows at once. They mostly wait, so more than -parallel has by
// default on a small machine.
const rowWorkers = 8

const (
	faultClients = 4
	faultSize    = 256 << 10 // each way, each client
	// errorLimit is the promise of the design: no byte lost or changed, or a
	// clear error within so long.
	errorLimit = 15 * time.Second
	// exactLimit is more than any repair takes.
	exactLimit = 90 * time.Second
)

// fault is one row of the matrix.
type fault struct {
	name     string
	emulator func(*awsemu.Config)
	before   func(w *world)            // before the first client
	spoil    awsemu.Intercept          // on from the start, and has to have acted
	during   func(w *world, times int) // a third through the first client's upload (0), and its download (1)
	want     outcome
	state    string         // SQLSTATE of a refusal
	rest     func(w *world) // between login and transfer
	size     int            // when not faultSize
	after    func(w *world) error
}

// TestFaultMatrix transfers random data both ways with several clients at once
// under each fault, and compares SHA-256.
func TestFaultMatrix(t *testing.T) {
	sideBySide(faultMatrix(), func(f fault) { t.Run(f.name, f.run) })
}

// sideBySide does f with each of rows, rowWorkers at once.
func sideBySide[T any](rows []T, f func(T)) {
	next := make(chan T)
	var workers sync.WaitGroup
	for range rowWorkers {
		workers.Go(func() {
			for row := range next {
				f(row)
			}
		})
	}
	for _, row := range rows {
		next <- row
	}
	close(next)
	workers.Wait()
}

func (f fault) run(t *testing.T) {
	w := start(t, setup{emulator: func(c *awsemu.Config) {
		c.Pace = 0 // the agent's own
		if f.emulator != nil {
			f.emulator(c)
		}
	}})
	if f.before != nil {
		f.before(w)
	}
	var spoilt atomic.Int64
	if f.spoil != nil {
		w.aws.SetIntercept(awsemu.Counted(&spoilt, f.spoil))
	}
	begin := time.Now()
	switch f.want {
	case refused, refusedFirst:
		got := w.refused("connect_timeout=80")
		if took := time.Since(begin); took > errorLimit {
			t.Errorf("refused after %v, limit %v", took, errorLimit)
		}
		if got.Code != f.state || got.Message == "" || got.Hint == "" {
			t.Errorf("refused with %s %q, hint %q; want SQLSTATE %s and a hint", got.Code, got.Message, got.Hint, f.state)
		}
		t.Logf("refused after %v: %s %s", time.Since(begin).Round(time.Millisecond), got.Code, got.Message)
		if f.want == refused {
			return
		}
	}
	size := f.size
	if size == 0 {
		size = faultSize
	}
	results, struck := w.transfer(f, size)
	exactly := 0
	for i, r := range results {
		if r.err == nil {
			exactly++
		}
		want := f.want
		if want == firstLost {
			want = map[bool]outcome{true: lost, false: exact}[i == 0]
		}
		if err := r.judge(want, struck); err != nil {
			t.Errorf("client %d: %v", i, err)
		}
	}
	if f.spoil != nil && spoilt.Load() == 0 {
		t.Error("no message was spoilt")
	}
	if f.after != nil {
		if err := f.after(w); err != nil {
			t.Error(err)
		}
	}
	resumes := 0
	for _, s := range w.aws.Sessions() {
		resumes += s.Resumes
	}
	t.Logf("%d of %d byte-exact after %v, %d SSM sessions, %d resumes", exactly, len(results), time.Since(begin).Round(time.Millisecond), len(w.aws.Sessions()), resumes)
	w.aws.SetIntercept(nil)
	w.aws.SetNetwork(awsemu.Network{})
	w.aws.SetDial(nil)
	if got := w.query("", whoAmI); got != itsMe {
		t.Errorf("a new client afterwards: %q, want %q", got, itsMe)
	}
}

// result is how one client's transfer ended.
type result struct {
	err error
	at  time.Time
}

// transfer runs the clients; struck is when the fault came.
func (w *world) transfer(f fault, size int) (results []result, struck time.Time) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), exactLimit)
	defer cancel()
	conns := make([]*pgx.Conn, faultClients)
	for i := range conns {
		conns[i] = w.connect("")
	}
	if f.rest != nil {
		f.rest(w)
	}
	struck = time.Now()
	var mu sync.Mutex
	var times atomic.Int32
	during := func() {
		if f.during == nil {
			return
		}
		mu.Lock()
		struck = time.Now()
		mu.Unlock()
		f.during(w, int(times.Add(1))-1)
	}
	results = make([]result, len(conns))
	var clients sync.WaitGroup
	for i, conn := range conns {
		clients.Go(func() {
			strike := during
			if i > 0 {
				strike = nil
			}
			// The data differ by the length of the table's name.
			err := upAndDown(ctx, conn, "bulk"+strings.Repeat("x", i), size, strike)
			results[i] = result{err, time.Now()}
		})
	}
	clients.Wait()
	return results, struck
}

// judge compares a result with what was wanted of it.
func (r result) judge(want outcome, struck time.Time) error {
	switch {
	case r.err == nil && want == lost:
		return errors.New("byte-exact, want an error")
	case r.err == nil:
		return nil
	case want != lost && want != exactOrLost:
		return fmt.Errorf("%w, want every byte", r.err)
	}
	var pe *pgconn.PgError
	if !errors.As(r.err, &pe) && !closed(r.err) {
		return fmt.Errorf("%w (%T), want a closed connection or an ErrorResponse", r.err, r.err)
	}
	if took := r.at.Sub(struck); took > errorLimit {
		return fmt.Errorf("%w after %v, limit %v", r.err, took, errorLimit)
	}
	return nil
}

// closed says whether a client found its connection closed.
func closed(err error) bool {
	text := err.Error()
	for _, sign := range []string{"EOF", "connection reset", "broken pipe", "closed"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// TestStalledTargetDelaysNobodyElse lets one client upload to a database that
// has stopped reading, until nothing moves in its SSM session any more. Who
// comes then must not notice.
func TestStalledTargetDelaysNobodyElse(t *testing.T) {
	w := start(t, setup{emulator: func(c *awsemu.Config) { c.Pace = 0 }})
	w.aws.SetDial(awsemu.Targets(func(i int, conn net.Conn) net.Conn {
		if i > 0 {
			return nil
		}
		return awsemu.DeafTarget(conn, 100_000)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	conn := w.connect("")
	full, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		source := &midway{r: newRows(0, 64<<20), at: 5 << 20, do: func() { close(full) }}
		_, err := conn.Exec(ctx, "create temp table stalled(line text)")
		if err == nil {
			_, err = conn.PgConn().CopyFrom(ctx, source, "copy stalled from stdin")
		}
		ended <- err
	}()
	select {
	case <-full:
	case err := <-ended:
		t.Fatalf("the stalled client ended early: %v", err)
	}
	begin := time.Now()
	results, _ := w.transfer(fault{}, faultSize)
	for i, r := range results {
		if r.err != nil {
			t.Errorf("client %d: %v", i, r.err)
		}
	}
	t.Logf("%d transfers beside it in %v", len(results), time.Since(begin).Round(time.Millisecond))
	cancel()
	if err := <-ended; err == nil {
		t.Error("the upload to a database that does not read came to an end")
	}
	// What it had sent is still on its way: the signal at the test's end is the
	// second, which waits for nobody.
	if err := w.proxy.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}
