package rig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// SQLMarker is part of statements and start-up parameters in the tests; it must
// never be printed.
const SQLMarker = "do_not_print_me"

// Setup says how a test's world differs from the usual one.
type Setup struct {
	Database *pgserver.Server     // in place of the shared one
	Emulator func(*awsemu.Config) // changes the emulator's configuration

	Databases awsemu.Databases       // what RDS knows
	Fleet     awsemu.Fleet           // what may be a jump host
	Faults    func(*awsemu.Emulator) // sets faults before pgkeyless starts

	Binary  string                  // in place of the shared one
	Env     func([]string) []string // changes pgkeyless's environment
	Args    []string                // in place of the usual target and options
	Options []string                // further options of the usual target, "name=value"
	Flags   []string                // further flags
	Port    string                  // of the first listener; "" means a free one
	Change  func(*exec.Cmd)         // changes how pgkeyless is run
}

// NoSpare is a target's option, for who counts SSM sessions: a client that takes a
// second, on a busy machine, is one for which a spare session is started.
const NoSpare = "keep-alive=off"

// besideSlow is part of the line that pgkeyless prints before it starts a second SSM
// session beside one that has taken five seconds.
const besideSlow = "slow to start, starting a second one"

// World is one emulator and one pgkeyless.
type World struct {
	T        *testing.T
	AWS      *awsemu.Emulator
	Database *pgserver.Server
	Proxy    *lab.Proxy
	Home     string // pgkeyless's home directory, and that of its sockets
	stopped  bool
}

// Start makes a world and, at the test's end, ends it and looks for what should
// not have been left or printed.
func Start(t *testing.T, s Setup) *World {
	t.Helper()
	w := &World{T: t, Database: s.Database}
	if w.Database == nil {
		w.Database = Shared.Database
	}
	var err error
	w.AWS, err = lab.StartAWS(Shared.Keys, w.Database.Address(), func(c *awsemu.Config) {
		// As fast as it goes; the pace is tested where it matters. The sockets between
		// then hold more than a second of messages.
		c.Pace, c.AckWithin = -1, 15*time.Second
		if s.Emulator != nil {
			s.Emulator(c)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.AWS.Close() })
	w.AWS.SetDatabases(s.Databases)
	w.AWS.SetFleet(s.Fleet)
	if s.Faults != nil {
		s.Faults(w.AWS)
	}

	sockets, err := os.MkdirTemp("", "pgk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	w.Home = sockets
	args := s.Args
	if args == nil {
		args = []string{lab.TargetArg(w.Database.CAFile(), s.Options...)}
	}
	args = append(append([]string{"serve"}, args...), "--port", cmp.Or(s.Port, "0"), "--unix-socket", sockets, "--debug-logs")
	env := append(Shared.Keys.Env(w.AWS.URL()), "HOME="+sockets)
	if s.Env != nil {
		env = s.Env(env)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*Limit)
	defer cancel()
	w.Proxy, err = lab.StartProxy(ctx, lab.Command{Binary: cmp.Or(s.Binary, Shared.Binary), Args: append(args, s.Flags...), Env: env, Change: s.Change})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.End)
	return w
}

// End stops pgkeyless, unless the test has, and checks what is left.
func (w *World) End() {
	if !w.stopped {
		if got, want := w.Stop(syscall.SIGTERM), 128+int(syscall.SIGTERM); got != want {
			w.T.Errorf("exit code after SIGTERM = %d, want %d", got, want)
		}
	}
	w.AwaitSessionsEnded()
	if broken := w.AWS.Violations(); len(broken) > 0 {
		w.T.Errorf("protocol violations: %q", broken)
	}
	CheckOutput(w.T, w.Proxy.Output())
	if w.T.Failed() {
		w.T.Logf("pgkeyless printed:\n%s", w.Proxy.Output())
	}
}

// Stop signals pgkeyless and waits for its end; clients should have gone.
func (w *World) Stop(sig os.Signal) int {
	w.T.Helper()
	if err := w.Proxy.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		w.T.Error(err)
	}
	return w.AwaitExit()
}

// AwaitExit waits for pgkeyless's end, and returns its exit code.
func (w *World) AwaitExit() int {
	w.T.Helper()
	w.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), Limit)
	defer cancel()
	code, err := w.Proxy.Wait(ctx)
	if err != nil {
		w.Proxy.Signal(syscall.SIGQUIT) // a goroutine dump into the output
		w.T.Errorf("%v\n%s", err, w.Proxy.Output())
		w.Proxy.Kill()
	}
	return code
}

// AwaitSessionsEnded gives the agent the 2 s it may take to drain after the
// client's flag, and a busy machine some more.
func (w *World) AwaitSessionsEnded() {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Limit)
	defer cancel()
	if err := w.AWS.Await(ctx, gateway.AllEnded); err != nil {
		w.T.Errorf("SSM session(s) left open: %+v", w.AWS.Sessions())
	}
}

// MustHaveStarted wants n SSM sessions to have been started so far. Second ones, beside
// one that was slow to start, do not count: the machine may be busy.
func (w *World) MustHaveStarted(n int) {
	w.T.Helper()
	all, second := w.AWS.Sessions(), strings.Count(w.Proxy.Output(), besideSlow)
	if len(all) < n || len(all) > n+second {
		w.T.Errorf("%d SSM sessions, want %d, and %d second ones at most: %+v", len(all), n, second, all)
	}
}

// Carrying are the SSM sessions that carry streams, at least one. On a busy machine the first
// that was started may not be among them.
func (w *World) Carrying() []gateway.Session {
	w.T.Helper()
	all := w.AWS.Sessions()
	carrying := slices.DeleteFunc(slices.Clone(all), func(s gateway.Session) bool { return s.OpenStreams == 0 })
	if len(carrying) == 0 {
		w.T.Fatalf("no SSM session carries a stream: %+v", all)
	}
	return carrying
}

// CheckOutput looks for a data race and for anything secret.
func CheckOutput(t *testing.T, output string) {
	t.Helper()
	leaks := Shared.Keys.Leaks(output)
	if strings.Contains(output, SQLMarker) {
		leaks = append(leaks, "SQL or a parameter printed")
	}
	if len(leaks) > 0 {
		t.Errorf("%q:\n%s", leaks, output)
	}
}

// Conninfo is a libpq connection string for the first TCP listener.
func (w *World) Conninfo(extra string) string {
	w.T.Helper()
	host, port, err := net.SplitHostPort(w.Proxy.Addresses()[0])
	if err != nil {
		w.T.Fatal(err)
	}
	return fmt.Sprintf("host=%s port=%s user=%s dbname=%s connect_timeout=60 %s", host, port, pgserver.AppUser, pgserver.Database, extra)
}

// Connect opens a pgx connection that the test's end closes.
func (w *World) Connect(extra string) *pgx.Conn {
	w.T.Helper()
	conn, err := w.TryConnect(extra)
	if err != nil {
		w.T.Fatalf("connecting: %v\n%s", err, w.Proxy.Output())
	}
	w.T.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// TryConnect is Connect for a test that looks at the error, and closes what it got.
func (w *World) TryConnect(extra string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(w.T.Context(), 90*time.Second)
	defer cancel()
	if !strings.Contains(extra, "sslmode") {
		extra += " sslmode=disable"
	}
	return pgx.Connect(ctx, w.Conninfo(extra))
}

// Refused connects, which must fail with an error from the server's side.
func (w *World) Refused(extra string) *pgconn.PgError {
	w.T.Helper()
	conn, err := w.TryConnect(extra)
	if err == nil {
		conn.Close(context.Background())
		w.T.Fatal("connected, want a refusal")
	}
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		w.T.Fatalf("connecting: %v (%T), want an ErrorResponse\n%s", err, err, w.Proxy.Output())
	}
	return pe
}

// MustRefuse connects, and wants an error with these words, and the cause in the
// log.
func (w *World) MustRefuse(cause, state, message, detail, hint string) {
	w.T.Helper()
	got := w.Refused("")
	if got.Code != state || !strings.Contains(got.Message, message) || !strings.Contains(got.Detail, detail) || !strings.Contains(got.Hint, hint) {
		w.T.Errorf("got %s %q, DETAIL %q, HINT %q; want %s, %q, %q, %q", got.Code, got.Message, got.Detail, got.Hint, state, message, detail, hint)
	}
	w.AwaitCause(cause)
}

// AwaitLine waits until pgkeyless has printed a line with text in it, and returns that line.
func (w *World) AwaitLine(text string) string {
	w.T.Helper()
	return w.AwaitNth(text, 1)
}

// AwaitNth waits until pgkeyless has printed n lines with text in them, and returns the last of
// those.
func (w *World) AwaitNth(text string, n int) string {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(w.T.Context(), Limit)
	defer cancel()
	line, err := w.Proxy.AwaitNth(ctx, text, n)
	if err != nil {
		w.T.Fatal(err)
	}
	return line
}

// AwaitCause waits for the log line that names the cause: the client hears of it
// first.
func (w *World) AwaitCause(name string) {
	w.T.Helper()
	w.AwaitLine("cause=" + name + " ")
}

// AwaitClosed dials until nobody listens any more.
func AwaitClosed(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(Limit); time.Now().Before(deadline); {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		// An accepted socket is closed by the listener's end: wait for that.
		conn.SetReadDeadline(time.Now().Add(time.Second))
		conn.Read(make([]byte, 1))
		conn.Close()
	}
	t.Fatalf("%s still accepts", address)
}

// StartDatabase starts a database of the test's own.
func StartDatabase(t *testing.T, keys lab.Credentials, tweak func(*pgserver.Config)) *pgserver.Server {
	t.Helper()
	db, err := lab.StartDatabase(t.Context(), keys, tweak)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
