//go:build unix

package access

import (
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A FIFO would hold up the start, and later each login.
func TestFIFOForAnAuthFileIsRefusedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() { // without an end, should it wait for a writer
		_, err := NewPasswords(path, slog.New(slog.DiscardHandler))
		read <- err
	}()
	select {
	case err := <-read:
		if err == nil || !strings.Contains(err.Error(), "it is a FIFO") {
			t.Errorf("got %v, want it named", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("still waiting for somebody to write")
	}
}
