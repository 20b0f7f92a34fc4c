package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A log that another program has moved away goes on under its name.
func TestReopen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows moves no file that is open")
	}
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

// stuckFile takes nothing until it is let go.
type stuckFile struct{ released chan struct{} }

func (f stuckFile) Write(p []byte) (int, error) { <-f.released; return len(p), nil }
func (f stuckFile) Close() error                { return nil }

// A pipe that nobody reads holds up a login for so long, and the end of the run.
func TestStuckLogHoldsNobodyUpForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := stuckFile{make(chan struct{})}
		l := start(Config{Proof: func(proxy.SessionSnapshot) string { return "" }, AWS: func(string) string { return "" }}, f)
		began := time.Now()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if err := l.Write(event("x")); !errors.Is(err, errStuck) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took != patience {
			t.Errorf("held up for %v, want %v", took, patience)
		}
		if err := l.Close(); !errors.Is(err, errStuck) {
			t.Errorf("Close: %v", err)
		}
		close(f.released)
		synctest.Wait()
	})
}

// tornFile takes half of the first record.
type tornFile struct {
	bytes.Buffer
	full bool
}

func (f *tornFile) Write(p []byte) (int, error) {
	if f.full {
		n, _ := f.Buffer.Write(p[:len(p)/2])
		return n, errors.New("no space left")
	}
	return f.Buffer.Write(p)
}
func (f *tornFile) Close() error { return nil }

func TestRecordAfterATornOneIsWhole(t *testing.T) {
	f := &tornFile{full: true}
	l := start(Config{Proof: func(proxy.SessionSnapshot) string { return "" }, AWS: func(string) string { return "" }}, f)
	if err := l.Write(event("lost")); err == nil {
		t.Error("half a record is no error")
	}
	f.full = false
	if err := l.Write(event("kept")); err != nil {
		t.Fatal(err)
	}
	l.Close()
	lines := strings.Split(strings.TrimSpace(f.String()), "\n")
	var r struct{ User string }
	if len(lines) != 2 || json.Unmarshal([]byte(lines[1]), &r) != nil || r.User != "kept" {
		t.Errorf("log %q", lines)
	}
}
