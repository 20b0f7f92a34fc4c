package ownfile

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

func TestReplaceIsWholeOrNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, content := range []string{"first", "second"} {
		if err := Replace(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("got %q, %v; want %q", got, err, content)
		}
	}
	if err := os.Mkdir(path+".d", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path+".d", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path+".d", []byte("third"), 0o600); err == nil {
		t.Error("a directory is replaced")
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestLockIsForOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var holders, most int
	var mu sync.Mutex
	var all sync.WaitGroup
	count := func(by int) {
		mu.Lock()
		defer mu.Unlock()
		holders += by
		most = max(most, holders)
	}
	for range 8 {
		all.Go(func() {
			for range 50 {
				unlock, err := Lock(path)
				if err != nil {
					t.Error(err)
					return
				}
				count(1)
				runtime.Gosched()
				count(-1)
				unlock()
			}
		})
	}
	all.Wait()
	if most != 1 {
		t.Errorf("%d hold the lock at once", most)
	}
}

func TestIsTellsWhoElseMayTouchAFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no rights of their own on Windows")
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode][2]bool{0o600: {true, true}, 0o644: {true, false}, 0o620: {false, false}, 0o602: {false, false}} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{Is(info, 0o022), Is(info, 0o077)}; got != want {
			t.Errorf("%v: unwritten by others, unread by others: %v, want %v", mode, got, want)
		}
	}
}
