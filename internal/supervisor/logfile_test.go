package supervisor

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestLogFileBeginsAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "service.log")
	l := &LogFile{Path: path, Max: 10}
	for _, line := range []string{"first\n", "abc\n", "second\n"} {
		if n, err := l.Write([]byte(line)); err != nil || n != len(line) {
			t.Fatalf("Write(%q) = %d, %v", line, n, err)
		}
	}
	// A process that comes later goes on where this one ended.
	later := &LogFile{Path: path, Max: 10}
	if _, err := later.Write([]byte("no\n")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{path + ".old": "first\nabc\n", path: "second\nno\n"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
		if info, err := os.Stat(name); err == nil && runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	if _, err := later.Write([]byte("third\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path + ".old"); err != nil || string(got) != "second\nno\n" {
		t.Errorf("the old log is %q, %v", got, err)
	}
}
