package audit

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/proxy"
)

func opened(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(Config{Path: path, Proof: func(proxy.SessionSnapshot) string { return "scram" }, AWS: func(target string) string { return "arn:of:" + target }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func event(user string) proxy.AuditEvent {
	return proxy.AuditEvent{Kind: proxy.AuditLogin, At: time.Unix(1000, 0), Took: 12500 * time.Microsecond, SSMSession: "ada-1",
		SessionSnapshot: proxy.SessionSnapshot{ID: 7, Route: "orders", Client: "127.0.0.1:5", User: user, Identity: "ada", PID: 99}}
}

func TestRecordIsOneLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := opened(t, path)
	for _, user := range []string{"app_user", "a\nb\x1b[2J\xff\u202e"} {
		if err := l.Write(event(user)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Count(text, []byte("\n")) != 2 || bytes.ContainsAny(text, "\x1b\u202e") {
		t.Fatalf("log %q, %v", text, err)
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	want := `{"time":"1970-01-01T00:16:40Z","event":"login","session":7,"identity":"ada","proof":"scram","from":"127.0.0.1:5","aws_identity":"arn:of:orders",` +
		`"target":"orders","user":"app_user","backend_pid":99,"ssm_session":"ada-1","tls":false,"ms":12.5,"bytes_up":0,"bytes_down":0}`
	if string(first) != want {
		t.Errorf("line\n%s\nwant\n%s", first, want)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A log that another program has moved away goes on under its name.
func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := opened(t, path)
	if err := l.Write(event("one")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(event("two")); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{path + ".1": "one", path: "two"} {
		var r struct{ User string }
		text, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(text, &r) != nil || r.User != want {
			t.Errorf("%s holds %q, %v; want %s", file, text, err, want)
		}
	}
}

func TestLogThatCannotBeOpened(t *testing.T) {
	_, err := Open(Config{Path: filepath.Join(t.TempDir(), "no", "such", "directory")})
	if !causes.Misused(err) || !strings.Contains(err.Error(), "audit-log: ") || causes.Hint(err) == "" {
		t.Errorf("got %v, hint %q", err, causes.Hint(err))
	}
}

func TestClosedLogIsAnError(t *testing.T) {
	l := opened(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	l.Close()
	if err := l.Write(event("x")); err == nil {
		t.Error("a record went nowhere without an error")
	}
}
