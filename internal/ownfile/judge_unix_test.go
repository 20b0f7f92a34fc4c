//go:build unix

package ownfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is another user than the one who runs the tests, root.
const nobody = 65534

// must fails the test after an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// made is a file in a directory for this user alone.
func made(t *testing.T) (dir, path string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "own")
	path = filepath.Join(dir, "file")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.WriteFile(path, []byte("content"), 0o600))
	return dir, path
}

func TestOpenTakesOwnFilesAlone(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, dir, path string)
		want   string // of the error; "" for none
		root   bool   // takes root to set up
	}{
		{name: "own", change: func(*testing.T, string, string) {}},
		{name: "readable", change: func(t *testing.T, _, path string) { must(t, os.Chmod(path, 0o644)) }},
		{name: "writable for the group", change: func(t *testing.T, _, path string) { must(t, os.Chmod(path, 0o620)) }, want: "open to other users"},
		{name: "writable for all", change: func(t *testing.T, _, path string) { must(t, os.Chmod(path, 0o602)) }, want: "open to other users"},
		{name: "another's", root: true, change: func(t *testing.T, _, path string) { must(t, os.Chown(path, nobody, nobody)) }, want: "belongs to another user"},
		{name: "another's directory", root: true, change: func(t *testing.T, dir, _ string) { must(t, os.Chown(dir, nobody, nobody)) }, want: "belongs to another user"},
		{name: "another's directory above", root: true, change: func(t *testing.T, dir, _ string) { must(t, os.Chown(filepath.Dir(dir), nobody, nobody)) }, want: "on the way to it, belongs to another user"},
		{name: "a directory that all write to", change: func(t *testing.T, dir, _ string) { must(t, os.Chmod(dir, 0o777)) }, want: "open to other users"},
		{name: "a directory above that all write to", change: func(t *testing.T, dir, _ string) { must(t, os.Chmod(filepath.Dir(dir), 0o777)) }, want: "can be written by everybody"},
		{name: "a sticky one above", change: func(t *testing.T, dir, _ string) { must(t, os.Chmod(filepath.Dir(dir), 0o777|fs.ModeSticky)) }},
		{name: "a link", change: func(t *testing.T, dir, path string) {
			must(t, os.Rename(path, path+"2"))
			must(t, os.Symlink("file2", path))
		}, want: "is a symbolic link"},
		{name: "a linked directory", change: func(t *testing.T, dir, _ string) {
			must(t, os.Rename(dir, dir+"2"))
			must(t, os.Symlink(dir+"2", dir))
		}, want: "is a symbolic link"},
		{name: "a FIFO", change: func(t *testing.T, _, path string) {
			must(t, os.Remove(path))
			must(t, syscall.Mkfifo(path, 0o600))
		}, want: "it is a FIFO"},
		{name: "a directory in its place", change: func(t *testing.T, _, path string) {
			must(t, os.Remove(path))
			must(t, os.Mkdir(path, 0o700))
		}, want: "it is a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.root && os.Geteuid() != 0 {
				t.Log("not tried: only root can give a file to another user")
				return
			}
			dir, path := made(t)
			tt.change(t, dir, path)
			f, err := Open(path, 0o022)
			if err == nil {
				f.Close()
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("opened with %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), 0o022); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// Systems have links on the way to a home directory.
func TestLinksOnTheWay(t *testing.T) {
	dir, path := made(t)
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(filepath.Dir(dir), link))
	through := filepath.Join(link, filepath.Base(dir), filepath.Base(path))
	f, err := Open(through, 0o022)
	if err != nil {
		t.Fatalf("through a link of one's own: %v", err)
	}
	f.Close()
	if os.Geteuid() == 0 {
		must(t, os.Lchown(link, nobody, nobody))
		if _, err := Open(through, 0o022); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
			t.Errorf("through another user's link: %v", err)
		}
	}
	loop := filepath.Join(t.TempDir(), "loop")
	must(t, os.Symlink(loop, loop))
	if err := way(filepath.Join(loop, "x"), maxLinks); err == nil || !strings.Contains(err.Error(), "too many symbolic links") {
		t.Errorf("a link to itself: %v", err)
	}
}

func TestPrivateDirIsMadeAndNeverChanged(t *testing.T) {
	base := t.TempDir()
	fresh := filepath.Join(base, "a", "b")
	must(t, PrivateDir(fresh))
	must(t, PrivateDir(fresh))
	info, err := os.Stat(fresh)
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("made with mode %v", info.Mode())
	}

	open, link := filepath.Join(base, "open"), filepath.Join(base, "link")
	must(t, os.Mkdir(open, 0o755))
	must(t, os.Symlink(open, link))
	file := filepath.Join(base, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for path, want := range map[string]string{open: "open to other users (mode 0755)", link: "is a symbolic link", file: "is no directory"} {
		if err := PrivateDir(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if info, err = os.Stat(open); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("mode %v afterwards, %v; want it unchanged", info.Mode(), err)
	}
}

// A client of another user that connects before the socket has its mode stays connected.
func TestSocketIsNeverOpenToOthers(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := filepath.Join(t.TempDir(), "s")
	l, err := bind(path)
	must(t, err)
	defer l.Close()
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode %v as soon as it is there, want nothing for others", info.Mode())
	}
	if now := syscall.Umask(0); now != 0 {
		t.Errorf("the umask is %o afterwards, want 0", now)
	}
	l2, err := Listen(path + "2")
	must(t, err)
	defer l2.Close()
	if info, err := os.Stat(path + "2"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}
