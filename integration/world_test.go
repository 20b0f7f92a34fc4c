package integration

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// sqlMarker is part of statements and start-up parameters in the tests; it must
// never be printed.
const sqlMarker = "do_not_print_me"

// setup says how a test's world differs from the usual one.
type setup struct {
	database *pgserver.Server     // in place of the shared one
	emulator func(*awsemu.Config) // changes the emulator's configuration

	databases awsemu.Databases       // what RDS knows
	fleet     awsemu.Fleet           // what may be a jump host
	faults    func(*awsemu.Emulator) // sets faults before pgkeyless starts

	binary  string                  // in place of the shared one
	env     func([]string) []string // changes pgkeyless's environment
	args    []string                // in place of the usual target and options
	options []string                // further options of the usual target, "name=value"
	flags   []string                // further flags
	port    string                  // of the first listener; "" means a free one
	exits   int                     // code expected after SIGTERM; 0 means 143
	change  func(*exec.Cmd)         // changes how pgkeyless is run
}

// noSpare is a target's option, for who counts SSM sessions: a client that takes a
// second, on a busy machine, is one for which a spare session is started.
const noSpare = "keep-alive=off"

// world is one emulator and one pgkeyless.
type world struct {
	t        *testing.T
	aws      *awsemu.Emulator
	database *pgserver.Server
	proxy    *lab.Proxy
	home     string // pgkeyless's home directory, and that of its sockets
	stopped  bool
}

// start makes a world and, at the test's end, ends it and looks for what should
// not have been left or printed.
func start(t *testing.T, s setup) *world {
	t.Helper()
	w := &world{t: t, database: s.database}
	if w.database == nil {
		w.database = shared.database
	}
	var err error
	w.aws, err = lab.StartAWS(shared.keys, w.database.Address(), func(c *awsemu.Config) {
		// As fast as it goes; the pace is tested where it matters. The sockets between
		// then hold more than a second of messages.
		c.Pace, c.AckWithin = -1, 15*time.Second
		if s.emulator != nil {
			s.emulator(c)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.aws.Close() })
	w.aws.SetDatabases(s.databases)
	w.aws.SetFleet(s.fleet)
	if s.faults != nil {
		s.faults(w.aws)
	}

	sockets, err := os.MkdirTemp("", "pgk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	w.home = sockets
	args := s.args
	if args == nil {
		args = []string{lab.TargetArg(w.database.CAFile(), s.options...)}
	}
	args = append(append([]string{"serve"}, args...), "--port", cmp.Or(s.port, "0"), "--unix-socket", sockets, "--debug-logs")
	env := append(shared.keys.Env(w.aws.URL()), "HOME="+sockets, "GORACE=halt_on_error=0")
	if s.env != nil {
		env = s.env(env)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w.proxy, err = lab.StartProxy(ctx, lab.Command{Binary: cmp.Or(s.binary, shared.binary), Args: append(args, s.flags...), Env: env, Change: s.change})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.end(s.exits) })
	return w
}

// end stops pgkeyless, unless the test has, and checks what is left.
func (w *world) end(code int) {
	if code == 0 {
		code = 128 + int(syscall.SIGTERM)
	}
	if !w.stopped {
		if got := w.stop(syscall.SIGTERM); got != code {
			w.t.Errorf("exit code after SIGTERM = %d, want %d", got, code)
		}
	}
	w.awaitSessionsEnded()
	if broken := w.aws.Violations(); len(broken) > 0 {
		w.t.Errorf("protocol violations: %q", broken)
	}
	checkOutput(w.t, w.proxy.Output())
	if w.t.Failed() {
		w.t.Logf("pgkeyless printed:\n%s", w.proxy.Output())
	}
}

// stop signals pgkeyless and waits for its end; clients should have gone.
func (w *world) stop(sig os.Signal) int {
	w.t.Helper()
	if err := w.proxy.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		w.t.Error(err)
	}
	return w.awaitExit()
}

// awaitExit waits for pgkeyless's end, and returns its exit code.
func (w *world) awaitExit() int {
	w.t.Helper()
	w.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	code, err := w.proxy.Wait(ctx)
	if err != nil {
		w.proxy.Signal(syscall.SIGQUIT) // a goroutine dump into the output
		w.t.Errorf("%v\n%s", err, w.proxy.Output())
		w.proxy.Kill()
	}
	return code
}

// awaitSessionsEnded gives the agent the 2 s it may take to drain after the
// client's flag, and as much again.
func (w *world) awaitSessionsEnded() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	if err := w.aws.Await(ctx, awsemu.AllEnded); err != nil {
		w.t.Errorf("SSM session(s) left open: %+v", w.aws.Sessions())
	}
}

// checkOutput looks for a data race and for anything secret.
func checkOutput(t *testing.T, output string) {
	t.Helper()
	leaks := shared.keys.Leaks(output)
	if strings.Contains(output, sqlMarker) {
		leaks = append(leaks, "SQL or a parameter printed")
	}
	if len(leaks) > 0 {
		t.Errorf("%q:\n%s", leaks, output)
	}
}

// conninfo is a libpq connection string for the first TCP listener.
func (w *world) conninfo(extra string) string {
	w.t.Helper()
	host, port, err := net.SplitHostPort(w.proxy.Addresses()[0])
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprintf("host=%s port=%s user=%s dbname=%s connect_timeout=30 %s", host, port, pgserver.AppUser, pgserver.Database, extra)
}

// connect opens a pgx connection that the test's end closes.
func (w *world) connect(extra string) *pgx.Conn {
	w.t.Helper()
	conn, err := w.tryConnect(extra)
	if err != nil {
		w.t.Fatalf("connecting: %v\n%s", err, w.proxy.Output())
	}
	w.t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func (w *world) tryConnect(extra string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 90*time.Second)
	defer cancel()
	if !strings.Contains(extra, "sslmode") {
		extra += " sslmode=disable"
	}
	return pgx.Connect(ctx, w.conninfo(extra))
}

// refused connects, which must fail with an error from the server's side.
func (w *world) refused(extra string) *pgconn.PgError {
	w.t.Helper()
	conn, err := w.tryConnect(extra)
	if err == nil {
		conn.Close(context.Background())
		w.t.Fatal("connected, want a refusal")
	}
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		w.t.Fatalf("connecting: %v (%T), want an ErrorResponse\n%s", err, err, w.proxy.Output())
	}
	return pe
}

// mustRefuse connects, and wants an error with these words, and the cause in the
// log.
func (w *world) mustRefuse(cause, state, message, detail, hint string) {
	w.t.Helper()
	got := w.refused("")
	if got.Code != state || !strings.Contains(got.Message, message) || !strings.Contains(got.Detail, detail) || !strings.Contains(got.Hint, hint) {
		w.t.Errorf("got %s %q, DETAIL %q, HINT %q; want %s, %q, %q, %q", got.Code, got.Message, got.Detail, got.Hint, state, message, detail, hint)
	}
	w.awaitCause(cause)
}

// psql runs the real psql, which has no password to give.
func psql(t *testing.T, conninfo string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := psqlCommand(ctx, conninfo, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return strings.TrimSpace(out.String()), errs.String(), err
}

func psqlCommand(ctx context.Context, conninfo string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "psql", slices.Concat([]string{"-XAtw", "-v", "ON_ERROR_STOP=1", "-d", conninfo}, args)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PGPASSFILE=/nonexistent", "HOME=" + filepath.Join(os.TempDir(), "nobody"), "LC_ALL=C"}
	return cmd
}

// query runs one statement by psql and returns its answer.
func (w *world) query(extra, sql string) string {
	w.t.Helper()
	out, errs, err := psql(w.t, w.conninfo(extra), "-c", sql)
	if err != nil {
		w.t.Fatalf("psql: %v\n%s\npgkeyless printed:\n%s", err, errs, w.proxy.Output())
	}
	return out
}
