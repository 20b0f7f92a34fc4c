package ready

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

var madeReady = regexp.MustCompile(`login made ready.* pid=(\d+)`)

// made waits until n logins have been made ready since pgkeyless's start, and returns
// their backends' process ids.
func made(w *rig.World, n int) (pids []uint32) {
	w.T.Helper()
	await(w, func() (bool, string) {
		found := madeReady.FindAllStringSubmatch(w.Proxy.Output(), -1)
		pids = nil
		for _, line := range found {
			pid, _ := strconv.ParseUint(line[1], 10, 32)
			pids = append(pids, uint32(pid))
		}
		return len(pids) >= n, fmt.Sprintf("%d logins are ready, want %d", len(pids), n)
	})
	return pids
}

// await waits until done says so. Each look asks another process, which takes its time.
func await(w *rig.World, done func() (bool, string)) {
	w.T.Helper()
	deadline := time.Now().Add(rig.Limit)
	for {
		ok, what := done()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			w.T.Fatalf("%s\n%s", what, w.Proxy.Output())
		}
		count(w, "true")
	}
}

// says waits until pgkeyless has printed what matches.
func says(w *rig.World, pattern string) {
	w.T.Helper()
	line := regexp.MustCompile(pattern)
	await(w, func() (bool, string) { return line.MatchString(w.Proxy.Output()), "no line " + pattern })
}

// count is how many client backends there are of which condition is true.
func count(w *rig.World, condition string, of ...any) (n int) {
	w.T.Helper()
	admin(w, func(c *pgx.Conn) error {
		return c.QueryRow(w.T.Context(), "select count(*) from pg_stat_activity where backend_type = 'client backend' and "+condition, of...).Scan(&n)
	})
	return n
}

func admin(w *rig.World, do func(*pgx.Conn) error) {
	w.T.Helper()
	c, err := w.Database.AdminConn(w.T.Context())
	if err == nil {
		defer c.Close(context.Background())
		err = do(c)
	}
	if err != nil {
		w.T.Fatal(err)
	}
}

func execute(w *rig.World, sql string, args ...any) {
	w.T.Helper()
	admin(w, func(c *pgx.Conn) error {
		_, err := c.Exec(w.T.Context(), sql, args...)
		return err
	})
}

// kill ends a backend, and waits until it is gone.
func kill(w *rig.World, pid uint32) {
	w.T.Helper()
	execute(w, "select pg_terminate_backend(pid) from pg_stat_activity where pid = $1", int32(pid))
	gone(w, pid)
}

func gone(w *rig.World, pid uint32) {
	w.T.Helper()
	await(w, func() (bool, string) {
		return count(w, "pid = $1", int32(pid)) == 0, fmt.Sprintf("backend %d does not end", pid)
	})
}

// answers wants c to be able to ask something, and returns its backend.
func answers(t *testing.T, c *pgx.Conn) (pid uint32) {
	t.Helper()
	if err := c.QueryRow(t.Context(), "select pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatalf("the session does not work: %v", err)
	}
	return pid
}

// target is what status says of one.
type target struct {
	Open   int `json:"clients_open"`
	Logins struct {
		Total struct{ OK int }
		Ready struct{ Now, Made, Used, Dropped int }
	}
}

// status is what pgkeyless says of its only target.
func status(w *rig.World) target {
	w.T.Helper()
	stdout, stderr, code := rig.Run(w.T, []string{"HOME=" + w.Home}, "status", "--json")
	var documents []struct{ Targets []target }
	if err := json.Unmarshal([]byte(stdout), &documents); err != nil || code != 0 || len(documents) != 1 {
		w.T.Fatalf("status: %v, %d\n%s", err, code, stderr)
	}
	return documents[0].Targets[0]
}

// ways are a tunnel, and a database in reach.
func ways(t *testing.T, test func(t *testing.T, start func(s rig.Setup) *rig.World)) {
	t.Run("tunnel", func(t *testing.T) {
		test(t, func(s rig.Setup) *rig.World { return rig.Start(t, s) })
	})
	t.Run("direct", func(t *testing.T) {
		test(t, func(s rig.Setup) *rig.World { return rig.Start(t, direct(s)) })
	})
}

// direct is s without a tunnel.
func direct(s rig.Setup) rig.Setup {
	db := s.Database
	if db == nil {
		db = rig.Shared.Database
	}
	s.Args = []string{lab.Host + "?dial=" + db.Address() + "&ca-file=" + db.CAFile() + strings.Join(append([]string{""}, s.Options...), "&")}
	return s
}

func TestSecondClientGetsASessionThatIsReady(t *testing.T) {
	ways(t, func(t *testing.T, start func(rig.Setup) *rig.World) {
		audit := filepath.Join(t.TempDir(), "audit")
		w := start(rig.Setup{Flags: []string{"--audit-log", audit}})
		before := len(w.Database.Logins())
		first := w.Connect("application_name=second")
		ready := made(w, 1)[0]
		if n := count(w, "pid = $1 and state = 'idle' and application_name = 'second'", int32(ready)); n != 1 {
			t.Errorf("%d idle backends are %d, want one", n, ready)
		}
		came := time.Now()
		second := w.Connect("application_name=second")
		if told, is := second.PgConn().PID(), answers(t, second); told != ready || is != ready {
			t.Errorf("the client was told of backend %d and has %d, want %d", told, is, ready)
		}
		var began time.Time
		if err := second.QueryRow(t.Context(), "select backend_start from pg_stat_activity where pid = pg_backend_pid()").Scan(&began); err != nil || began.After(came) {
			t.Errorf("the session began %v (%v), want before its client came, %v", began, err, came)
		}
		answers(t, first)
		made(w, 2)
		if n := len(w.Database.Logins()) - before; n < 3 {
			t.Errorf("%d tokens verified, want one for each login: two clients and what is ready", n)
		}

		if got := status(w); got.Open != 2 || got.Logins.Total.OK != 2 || got.Logins.Ready.Used != 1 || got.Logins.Ready.Now < 1 {
			t.Errorf("status says %+v", got)
		}
		text, err := os.ReadFile(audit)
		if err != nil {
			t.Fatal(err)
		}
		var events []map[string]any
		for line := range strings.Lines(string(text)) {
			var e map[string]any
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
		if len(events) != 2 || events[0]["ready_since"] != nil || events[1]["ready_since"] == nil || events[1]["backend_pid"] != float64(ready) {
			t.Errorf("audit log has\n%s", text)
		}
	})
}

// TestReadyLoginThatWasKilled connects at once: nobody has read yet what the socket holds.
func TestReadyLoginThatWasKilled(t *testing.T) {
	w := rig.Start(t, direct(rig.Setup{}))
	w.Connect("")
	for n := 1; n <= 5; n++ {
		pids := made(w, n)
		for _, pid := range pids { // also those that are gone
			kill(w, pid)
		}
		if pid := answers(t, w.Connect("")); slices.Contains(pids, pid) {
			t.Fatalf("backend %d was killed", pid)
		}
	}
}

// Through a tunnel, the news takes a while.
func TestReadyLoginThatWasKilledBeyondATunnel(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	w.Connect("")
	ready := made(w, 1)[0]
	kill(w, ready)
	says(w, fmt.Sprintf("ready login given up.* pid=%d ", ready))
	if pid := answers(t, w.Connect("")); pid == ready {
		t.Fatalf("backend %d was killed", pid)
	}
}

func TestDatabaseThatWasRestarted(t *testing.T) {
	ways(t, func(t *testing.T, start func(rig.Setup) *rig.World) {
		db := rig.StartDatabase(t, rig.Shared.Keys, nil)
		w := start(rig.Setup{Database: db})
		c := w.Connect("")
		ready := made(w, 1)[0]
		if err := db.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Close(context.Background())
		if pid := answers(t, w.Connect("")); pid == ready {
			t.Errorf("backend %d is from before the restart", pid)
		}
	})
}

func TestFullDatabaseGetsItsRoomBack(t *testing.T) {
	ways(t, func(t *testing.T, start func(rig.Setup) *rig.World) {
		db := rig.StartDatabase(t, rig.Shared.Keys, func(c *pgserver.Config) {
			c.ExtraConf = "max_connections = 6\nsuperuser_reserved_connections = 3"
		})
		room(t, start(rig.Setup{Database: db}), 3)
	})
}

func TestRoleAtItsConnectionLimit(t *testing.T) {
	ways(t, func(t *testing.T, start func(rig.Setup) *rig.World) {
		db := rig.StartDatabase(t, rig.Shared.Keys, nil)
		w := start(rig.Setup{Database: db})
		execute(w, "alter role "+pgserver.AppUser+" connection limit 3")
		room(t, w, 3)
	})
}

// room wants n clients of different StartupMessages to find room, although what is ready
// takes some.
func room(t *testing.T, w *rig.World, n int) {
	t.Helper()
	for i := range n {
		c := w.Connect(fmt.Sprint("application_name=client", i))
		answers(t, c)
		if i == 0 { // no look at the database, which would take a place of its own
			w.AwaitLine("login made ready")
		}
	}
	ready := made(w, 1)
	for _, pid := range ready {
		gone(w, pid)
	}
	if got := w.Refused("application_name=last"); got.Code != "53300" {
		t.Errorf("one client too many got %s %q, want 53300", got.Code, got.Message)
	}
}

// TestRoleThatWasAltered shows a difference that docs/ready-logins.md tells of.
func TestRoleThatWasAltered(t *testing.T) {
	db := rig.StartDatabase(t, rig.Shared.Keys, nil)
	w := rig.Start(t, rig.Setup{Database: db, Options: []string{"ready-logins=1"}})
	w.Connect("")
	made(w, 1)
	execute(w, "alter role "+pgserver.AppUser+" set work_mem = '7MB'")
	if got := w.Connect("").QueryRow(t.Context(), "show work_mem"); scan(t, got) == "7MB" {
		t.Error("a login that was ready has what was set later")
	}
	made(w, 2)
	if got := w.Connect("").QueryRow(t.Context(), "show work_mem"); scan(t, got) != "7MB" {
		t.Error("a login that was made later does not have what was set")
	}
}

func scan(t *testing.T, row pgx.Row) (text string) {
	t.Helper()
	if err := row.Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// TestNextClientFindsNothing: no session serves two clients.
func TestNextClientFindsNothing(t *testing.T) {
	ways(t, func(t *testing.T, start func(rig.Setup) *rig.World) {
		w := start(rig.Setup{Options: []string{"ready-logins=1"}})
		w.Connect("")
		for n := 1; n <= 3; n++ {
			made(w, n)
			c := w.Connect("")
			if _, err := c.Exec(t.Context(), "create temp table mine (i int); listen here; set search_path = mine; prepare p as select 1; notify here, 'x'"); err != nil {
				t.Fatal(err)
			}
			c.Close(context.Background())
			made(w, n+1)
			next := w.Connect("")
			got := scan(t, next.QueryRow(t.Context(), `select current_setting('search_path') || (select count(*) from pg_listening_channels())
				|| (select count(*) from pg_prepared_statements where statement like '%select 1') || coalesce(to_regclass('pg_temp.mine')::text, '-')`))
			if want := `"$user", public00-`; got != want {
				t.Fatalf("the next client finds %q, want %q", got, want)
			}
			next.Close(context.Background())
		}
	})
}

func TestCancelOfAReadyLogin(t *testing.T) {
	ways(t, func(t *testing.T, start func(rig.Setup) *rig.World) {
		w := start(rig.Setup{})
		bystander := w.Connect("")
		ready := made(w, 1)[0]
		c := w.Connect("")
		if got := c.PgConn().PID(); got != ready {
			t.Fatalf("the client has backend %d, want %d", got, ready)
		}
		done, other := w.Sleeping(c), w.Sleeping(bystander)
		if err := c.PgConn().CancelRequest(t.Context()); err != nil {
			t.Fatal(err)
		}
		rig.AwaitCanceled(t, done)
		select {
		case err := <-other:
			t.Errorf("the other session's query ended too: %v", err)
		default:
		}
		if err := bystander.PgConn().CancelRequest(t.Context()); err != nil {
			t.Fatal(err)
		}
		rig.AwaitCanceled(t, other)
	})
}

// TestProtocolVersions: each has ready logins of its own, with what is negotiated.
func TestProtocolVersions(t *testing.T) {
	for _, minor := range []uint32{0, 2, 9999} {
		t.Run(fmt.Sprint("3.", minor), func(t *testing.T) {
			w := rig.Start(t, rig.Setup{})
			w.Connect("") // of a version of its own, unless it is the same
			n := len(made(w, 1))
			first, _ := greeting(w, minor, "first")
			ready := made(w, n+1)[n]
			second, pid := greeting(w, minor, "first")
			if pid != ready {
				t.Errorf("backend %d, want %d, which was ready", pid, ready)
			}
			if first != second {
				t.Errorf("the database says %q, and %q of what was ready", first, second)
			}
		})
	}
}

// greeting logs in with a version of the protocol, and returns the kinds of what the
// database says, but for settings, and the backend.
func greeting(w *rig.World, minor uint32, name string) (kinds string, pid uint32) {
	w.T.Helper()
	c, err := net.Dial("tcp", w.Proxy.Addresses()[0])
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(rig.Limit))
	body := binary.BigEndian.AppendUint32(nil, 3<<16|minor)
	body = append(body, "user\x00"+pgserver.AppUser+"\x00database\x00"+pgserver.Database+"\x00application_name\x00"+name+"\x00\x00"...)
	if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(4+len(body))), body...)); err != nil {
		w.T.Fatal(err)
	}
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(c, head); err != nil {
			w.T.Fatalf("after %q: %v", kinds, err)
		}
		length := binary.BigEndian.Uint32(head[1:])
		if length < 4 || length > 1<<20 {
			w.T.Fatalf("after %q: %q is no head of a message", kinds, head)
		}
		body := make([]byte, length-4)
		if _, err := io.ReadFull(c, body); err != nil {
			w.T.Fatal(err)
		}
		switch head[0] {
		case 'S':
			continue
		case 'K':
			pid = binary.BigEndian.Uint32(body)
		case 'E':
			w.T.Fatalf("%q", body)
		}
		kinds += string(head[0])
		if head[0] == 'Z' {
			return kinds, pid
		}
	}
}

func TestTurnedOff(t *testing.T) {
	w := rig.Start(t, rig.Setup{Options: []string{"ready-logins=0"}})
	before := len(w.Database.Logins())
	for range 3 {
		answers(t, w.Connect(""))
	}
	if n := len(w.Database.Logins()) - before; n != 3 {
		t.Errorf("%d logins for 3 clients", n)
	}
	if got := madeReady.FindString(w.Proxy.Output()); got != "" {
		t.Errorf("the log says %q", got)
	}
}

func TestReplicationHasNone(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	for range 2 { // refused: no walsender is allowed here
		c, err := w.TryConnect("replication=database")
		if err == nil {
			c.Close(context.Background())
		}
	}
	if got := madeReady.FindString(w.Proxy.Output()); got != "" {
		t.Errorf("the log says %q", got)
	}
}

func TestReloadDropsWhatIsReady(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pgkeyless.yaml")
	config := fmt.Sprintf("targets:\n  orders:\n    database: %s\n    via: %s\n    ca-file: %s\n", lab.Endpoint, lab.Target, rig.Shared.Database.CAFile())
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	w := rig.Start(t, rig.Setup{Args: []string{"--config-file", file}})
	c := w.Connect("")
	ready := made(w, 1)[0]
	if err := os.WriteFile(file, []byte(config+"    statement-timeout: 77s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, code := rig.Run(t, []string{"HOME=" + w.Home}, "reload"); code != 0 {
		t.Fatalf("reload: %d\n%s%s", code, stdout, stderr)
	}
	gone(w, ready)
	answers(t, c)
	if got := scan(t, w.Connect("").QueryRow(t.Context(), "show statement_timeout")); got != "77s" {
		t.Errorf("statement_timeout is %s after the reload, want 77s", got)
	}
}

func TestOtherKeysDropWhatIsReady(t *testing.T) {
	other := lab.NewCredentials()
	key := func(c lab.Credentials) pgserver.Key {
		return pgserver.Key{Secret: c.SecretAccessKey, SessionToken: c.SessionToken}
	}
	db := rig.StartDatabase(t, rig.Shared.Keys, func(c *pgserver.Config) { c.Keys[other.AccessKeyID] = key(other) })
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(c lab.Credentials) {
		text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n", c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(rig.Shared.Keys)
	w := rig.Start(t, direct(rig.Setup{Database: db, Env: func(env []string) []string {
		kept := slices.DeleteFunc(env, func(v string) bool {
			return strings.HasPrefix(v, "AWS_ACCESS_KEY_ID=") || strings.HasPrefix(v, "AWS_SECRET_ACCESS_KEY=") ||
				strings.HasPrefix(v, "AWS_SESSION_TOKEN=") || strings.HasPrefix(v, "AWS_SHARED_CREDENTIALS_FILE=")
		})
		return append(kept, "AWS_SHARED_CREDENTIALS_FILE="+file)
	}}))
	w.Connect("")
	ready := made(w, 1)[0]
	write(other)
	if pid := answers(t, w.Connect("")); pid == ready {
		t.Error("a login that another identity had made was handed out")
	}
	gone(w, ready)
	used := db.Logins()
	if last := used[len(used)-1]; !last.OK {
		t.Errorf("the last login was refused: %+v", last)
	}
}

// TestSeveralAtOnce: as many are ready as came together.
func TestSeveralAtOnce(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	type outcome struct {
		conn *pgx.Conn
		err  error
	}
	come := func(n int) (pids []uint32) {
		done := make(chan outcome, n)
		for range n {
			go func() {
				c, err := w.TryConnect("")
				done <- outcome{c, err}
			}()
		}
		for range n {
			o := <-done
			if o.err != nil {
				t.Fatal(o.err)
			}
			pids = append(pids, o.conn.PgConn().PID())
			o.conn.Close(context.Background())
		}
		return pids
	}
	var ready []uint32 // and those that were
	await(w, func() (bool, string) {
		come(6) // of whom a busy machine may serve too few within two seconds
		var now target
		for range 5 { // they are made after the clients
			if now = status(w); now.Logins.Ready.Now == 4 {
				ready = made(w, now.Logins.Ready.Made) // all that the log has by now
				return true, ""
			}
		}
		return false, fmt.Sprintf("%d logins are ready, want 4", now.Logins.Ready.Now)
	})
	n := 0
	for _, pid := range come(4) {
		if slices.Contains(ready, pid) {
			n++
		}
	}
	if n < 3 { // another may have taken the place of one
		t.Errorf("%d of four clients got what was ready", n)
	}
}
