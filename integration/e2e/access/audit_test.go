package access

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// record is a line of an audit log.
type record struct {
	Time                                             time.Time
	Event, Proof, Peer, From, Target, Database, User string
	Identity, SQLState, Cause, Reason                string
	AWS                                              string `json:"aws_identity"`
	SSM                                              string `json:"ssm_session"`
	Application                                      string `json:"application_name"`
	Session, PID                                     uint64
	BackendPID                                       uint32  `json:"backend_pid"`
	Took                                             float64 `json:"ms"`
	Up                                               int64   `json:"bytes_up"`
	Down                                             int64   `json:"bytes_down"`
}

// records reads an audit log whose lines must all be whole.
func records(t *testing.T, path string) (all []record) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}

// await reads the log until it has n records.
func await(t *testing.T, path string, n int) []record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Limit)
	defer cancel()
	for {
		all := records(t, path)
		if len(all) >= n {
			return all
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d records, want %d: %+v", len(all), n, all)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestAuditLog(t *testing.T) {
	path, began := filepath.Join(t.TempDir(), "audit.jsonl"), time.Now()
	w := rig.Start(t, rig.Setup{Flags: []string{"--audit-log", path}})
	conn := w.Connect("application_name=audited")
	if _, err := conn.Exec(t.Context(), "select '"+rig.SQLMarker+"'"); err != nil {
		t.Fatal(err)
	}
	pid := conn.PgConn().PID()
	done := w.Sleeping(conn)
	if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-done
	conn.Close(t.Context())
	w.Refused("dbname=no_such_database")

	all := await(t, path, 4)
	kinds := map[string]record{}
	for _, r := range all {
		kinds[r.Event] = r
		if r.Proof != "user" || r.Peer != "root" || r.Session == 0 || r.Time.Before(began) || r.Time.After(time.Now()) {
			t.Errorf("record %+v", r)
		}
	}
	login := kinds["login"]
	if login.User != pgserver.AppUser || login.Database != pgserver.Database || login.Application != "audited" || login.BackendPID != pid || login.Took <= 0 ||
		!strings.HasPrefix(login.SSM, "ada-") || login.SQLState != "" {
		t.Errorf("login %+v", login)
	}
	if end := kinds["end"]; end.Session != login.Session || end.Reason != "client closed" || end.Up == 0 || end.Down == 0 {
		t.Errorf("end %+v", end)
	}
	if refusal := kinds["refusal"]; refusal.SQLState != "3D000" || refusal.Database != "no_such_database" {
		t.Errorf("refusal %+v", refusal)
	}
	if cancel := kinds["cancel"]; cancel.Reason != "delivered" {
		t.Errorf("cancel %+v", cancel)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{rig.SQLMarker, "X-Amz-", rig.Shared.Keys.SecretAccessKey, rig.Shared.Keys.SessionToken} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("the audit log has %q", secret)
		}
	}
}

// A log that another program moves away goes on at the next reload.
func TestAuditLogIsReopened(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	file := write(t, dir, "pgkeyless.yaml", "targets:\n  orders:\n    database: "+lab.Host+"\n    dial: "+rig.Shared.Database.Address()+
		"\n    ca-file: "+rig.Shared.Database.CAFile()+"\naudit-log: "+path+"\n")
	w := rig.Start(t, rig.Setup{Args: []string{"--config-file", file}})
	w.Query("", "select 1")
	await(t, path, 2)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := w.Proxy.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	w.AwaitLine("configuration reloaded")
	w.Query("", "select 1")
	if all := await(t, path, 2); len(all) != 2 {
		t.Errorf("the new file has %+v", all)
	}
	if all := records(t, path+".1"); len(all) != 2 {
		t.Errorf("the old file has %+v", all)
	}
}
