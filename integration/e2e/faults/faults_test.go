package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
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

const (
	faultClients = 4
	faultSize    = 256 << 10 // each way, each client
)

// fault is one row of the matrix.
type fault struct {
	name     string
	emulator func(*awsemu.Config)
	before   func(w *rig.World)            // before the first client
	spoil    gateway.Intercept             // on from the start, and has to have acted
	during   func(w *rig.World, times int) // a third through the first client's upload (0), and its download (1)
	want     outcome
	state    string             // SQLSTATE of a refusal
	rest     func(w *rig.World) // between login and transfer
	size     int                // when not faultSize
	limit    time.Duration      // of an error, after the fault; when not rig.ErrorLimit
	after    func(w *rig.World) error
	keys     bool // in a file, where they may be renewed, and not exported
}

// keysInFile makes an environment in which a profile has the keys.
func keysInFile(t *testing.T) func([]string) []string {
	file := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf("[profile temporary]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\nregion = %s\n",
		rig.Shared.Keys.AccessKeyID, rig.Shared.Keys.SecretAccessKey, rig.Shared.Keys.SessionToken, lab.Region)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(env []string) []string {
		env = rig.Without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_PROFILE")(env)
		return append(env, "AWS_CONFIG_FILE="+file, "AWS_PROFILE=temporary")
	}
}

// TestFaultMatrix transfers random data both ways with several clients at once
// under each fault, and compares SHA-256.
func TestFaultMatrix(t *testing.T) {
	rig.SideBySide(faultMatrix(), func(f fault) { t.Run(f.name, f.run) })
}

func (f fault) run(t *testing.T) {
	setup := rig.Setup{Emulator: func(c *awsemu.Config) {
		c.Pace = 0                     // the agent's own
		c.AckWithin = 30 * time.Second // one may rest for 10 s on purpose, and a busy machine is late
		if f.emulator != nil {
			f.emulator(c)
		}
	}}
	if f.keys {
		setup.Env = keysInFile(t)
	}
	w := rig.Start(t, setup)
	if f.before != nil {
		f.before(w)
	}
	var spoilt atomic.Int64
	if f.spoil != nil {
		w.AWS.SetIntercept(gateway.Counted(&spoilt, f.spoil))
	}
	begin := time.Now()
	switch f.want {
	case refused, refusedFirst:
		got := w.Refused("connect_timeout=80")
		if took := time.Since(begin); took > rig.ErrorLimit {
			t.Errorf("refused after %v, limit %v", took, rig.ErrorLimit)
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
	results, struck := transfer(w, f, size)
	exactly := 0
	for i, r := range results {
		if r.err == nil {
			exactly++
		}
		want := f.want
		if want == firstLost {
			want = map[bool]outcome{true: lost, false: exact}[i == 0]
		}
		if err := r.judge(want, struck, cmp.Or(f.limit, rig.ErrorLimit)); err != nil {
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
	for _, s := range w.AWS.Sessions() {
		resumes += s.Resumes
	}
	t.Logf("%d of %d byte-exact after %v, %d SSM sessions, %d resumes", exactly, len(results), time.Since(begin).Round(time.Millisecond), len(w.AWS.Sessions()), resumes)
	w.AWS.SetIntercept(nil)
	w.AWS.SetNetwork(gateway.Network{})
	w.AWS.SetDial(nil)
	if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
		t.Errorf("a new client afterwards: %q, want %q", got, rig.ItsMe)
	}
}

// result is how one client's transfer ended.
type result struct {
	err error
	at  time.Time
}

// transfer runs the clients; struck is when the fault came, zero if that is not known.
func transfer(w *rig.World, f fault, size int) (results []result, struck time.Time) {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(w.T.Context(), rig.ExactLimit)
	defer cancel()
	conns := make([]*pgx.Conn, faultClients)
	for i := range conns {
		conns[i] = w.Connect("")
	}
	if f.rest != nil {
		f.rest(w)
		struck = time.Now()
	}
	var mu sync.Mutex
	var times atomic.Int32
	came := make(chan struct{}) // closed when the fault has come, or will not
	end := sync.OnceFunc(func() { close(came) })
	during := func() {
		if f.during == nil {
			return
		}
		mu.Lock()
		struck = time.Now()
		mu.Unlock()
		f.during(w, int(times.Add(1))-1)
		end()
	}
	// Who is to be lost must not be done before the fault, however slow the first client is.
	await := func() {
		if f.want == lost && f.during != nil {
			<-came
		}
	}
	results = make([]result, len(conns))
	var clients sync.WaitGroup
	for i, conn := range conns {
		clients.Go(func() {
			strike := await
			if i == 0 {
				strike = during
				defer end()
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
func (r result) judge(want outcome, struck time.Time, limit time.Duration) error {
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
	if took := r.at.Sub(struck); !struck.IsZero() && took > limit {
		return fmt.Errorf("%w after %v, limit %v", r.err, took, limit)
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
	w := rig.Start(t, rig.Setup{Emulator: func(c *awsemu.Config) { c.Pace = 0 }})
	w.AWS.SetDial(gateway.Targets(func(i int, conn net.Conn) net.Conn {
		if i > 0 {
			return nil
		}
		return gateway.DeafTarget(conn, 100_000)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	conn := w.Connect("")
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
	results, _ := transfer(w, fault{}, faultSize)
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
	if err := w.Proxy.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}
