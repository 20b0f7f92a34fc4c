package prompt

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The Ctrl-C that ends pgkeyless must leave the browser alone, which a process of
// another session is by itself.
func TestBrowserIsApart(t *testing.T) {
	dir := t.TempDir()
	told := filepath.Join(dir, "told")
	if err := syscall.Mkfifo(told, 0o600); err != nil {
		t.Fatal(err)
	}
	// Behind the name in parentheses: state, parent, process group, session.
	script := "#!/bin/sh\nset -- $(sed 's/.*) //' /proc/$$/stat)\necho $3 $4 >" + told + "\n"
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	openBrowser("https://example.com/")
	got, err := os.ReadFile(told) // once the browser has opened it, too
	if err != nil {
		t.Fatal(err)
	}
	group, session, _ := strings.Cut(strings.TrimSpace(string(got)), " ")
	if group != session || group == "" {
		t.Errorf("process group %s in session %s, want a session of its own", group, session)
	}
}
