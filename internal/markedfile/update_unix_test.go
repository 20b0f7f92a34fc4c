//go:build unix

package markedfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// adding appends a line.
func adding(line string) func([]byte) ([]byte, error) {
	return func(old []byte) ([]byte, error) { return append(bytes.Clone(old), line...), nil }
}

func same(old []byte) ([]byte, error) { return old, nil }

func TestPrivateFilesAreForTheirUserAlone(t *testing.T) {
	for name, test := range map[string]struct {
		before, after os.FileMode
	}{"missing": {0, 0o600}, "private": {0o600, 0o600}, "readable for all": {0o644, 0o600}, "read-only": {0o400, 0o400}, "writable for the group": {0o660, 0o600}} {
		path := filepath.Join(t.TempDir(), "f")
		if test.before != 0 {
			must(t, os.WriteFile(path, []byte("a\r\n"), 0o600))
			must(t, os.Chmod(path, test.before))
		}
		changed, err := UpdatePrivate(path, adding("b"))
		info, statErr := os.Stat(path)
		if err != nil || statErr != nil || !changed || info.Mode().Perm() != test.after {
			t.Errorf("%s: changed %v, %v; %v, mode %v", name, changed, err, statErr, info.Mode())
		}
		if changed, err = UpdatePrivate(path, same); err != nil || changed {
			t.Errorf("%s: nothing new, and changed %v, %v", name, changed, err)
		}
	}
	// Nothing new, but open to others.
	path := filepath.Join(t.TempDir(), "f")
	must(t, os.WriteFile(path, []byte("a"), 0o600))
	must(t, os.Chmod(path, 0o644))
	if _, err := UpdatePrivate(path, same); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestPrivateFilesKeepTheirLink(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "dotfiles"), 0o700))
	real, link := filepath.Join(dir, "dotfiles", "pgpass"), filepath.Join(dir, ".pgpass")
	must(t, os.WriteFile(real, []byte("a"), 0o600))
	must(t, os.Symlink("dotfiles/pgpass", link))
	if _, err := UpdatePrivate(link, adding("b")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	text, readErr := os.ReadFile(real)
	if err != nil || info.Mode().Type() != os.ModeSymlink || readErr != nil || string(text) != "ab" {
		t.Errorf("%v, %v; %q, %v", info.Mode(), err, text, readErr)
	}
}

// A home directory may be a link. What it leads to counts, and who can change the link.
func TestPrivateFilesBehindALinkedDirectory(t *testing.T) {
	const nobody = 65534
	for name, test := range map[string]struct {
		change func(t *testing.T, around, link, real string)
		want   string // "" is no error
	}{
		"a link of one's own":  {func(*testing.T, string, string, string) {}, ""},
		"a file that is there": {func(t *testing.T, _, _, real string) { must(t, os.WriteFile(filepath.Join(real, "f"), nil, 0o600)) }, ""},
		"a file that is a link": {func(t *testing.T, _, _, real string) {
			must(t, errors.Join(os.WriteFile(filepath.Join(real, "g"), nil, 0o600), os.Symlink("g", filepath.Join(real, "f"))))
		}, ""},
		"to a directory for all":        {func(t *testing.T, _, _, real string) { must(t, os.Chmod(real, 0o777)) }, "open to other users"},
		"in a directory for all":        {func(t *testing.T, around, _, _ string) { must(t, os.Chmod(around, 0o777)) }, "can be written by everybody"},
		"to another's directory":        {func(t *testing.T, _, _, real string) { must(t, os.Chown(real, nobody, nobody)) }, "belongs to another user"},
		"another's link":                {func(t *testing.T, _, link, _ string) { must(t, os.Lchown(link, nobody, nobody)) }, "belongs to another user"},
		"a link in another's directory": {func(t *testing.T, around, _, _ string) { must(t, os.Chown(around, nobody, nobody)) }, "belongs to another user"},
	} {
		t.Run(name, func(t *testing.T) {
			if os.Geteuid() != 0 && strings.Contains(name, "another's") {
				t.Skip("only root can give a file to another user")
			}
			around, real := filepath.Join(t.TempDir(), "around"), filepath.Join(t.TempDir(), "real")
			link := filepath.Join(around, "home")
			must(t, errors.Join(os.Mkdir(around, 0o700), os.Mkdir(real, 0o700), os.Symlink(real, link)))
			test.change(t, around, link, real)
			_, err := UpdatePrivate(filepath.Join(link, "f"), adding("secret"))
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%v, want %q", err, test.want)
				}
				return
			}
			text, readErr := os.ReadFile(filepath.Join(real, "f"))
			if err != nil || readErr != nil || string(text) != "secret" {
				t.Errorf("%v; %q, %v", err, text, readErr)
			}
			if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
				t.Errorf("the link is %v, %v", info.Mode(), err)
			}
		})
	}
}

func TestPrivateFilesOfOthersAreLeftAlone(t *testing.T) {
	const nobody = 65534
	for name, test := range map[string]struct {
		change func(t *testing.T, dir, path string)
		want   string
	}{
		"another's file":               {func(t *testing.T, _, path string) { must(t, os.Chown(path, nobody, nobody)) }, "belongs to another user"},
		"another's directory":          {func(t *testing.T, dir, _ string) { must(t, os.Chown(dir, nobody, nobody)) }, "belongs to another user"},
		"a directory for all to write": {func(t *testing.T, dir, _ string) { must(t, os.Chmod(dir, 0o777)) }, "open to other users"},
		"a FIFO": {func(t *testing.T, _, path string) {
			must(t, errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)))
		}, "FIFO"},
		"a directory in its place": {func(t *testing.T, _, path string) { must(t, errors.Join(os.Remove(path), os.Mkdir(path, 0o700))) }, "is a directory"},
		"far too long":             {func(t *testing.T, _, path string) { must(t, os.Truncate(path, Most+1)) }, "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			if os.Geteuid() != 0 && strings.HasPrefix(name, "another's") {
				t.Skip("only root can give a file to another user")
			}
			dir := filepath.Join(t.TempDir(), "home")
			path := filepath.Join(dir, "f")
			must(t, errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(path, []byte("a"), 0o600)))
			test.change(t, dir, path)
			if _, err := UpdatePrivate(path, adding("secret")); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// Several processes change one file, and none loses what another has written.
func TestPrivateFilesAreChangedInTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, err := UpdatePrivate(path, adding(fmt.Sprintln(i))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if text, err := Read(path); err != nil || bytes.Count(text, []byte("\n")) != 20 {
		t.Errorf("%q, %v; want 20 lines", text, err)
	}
}
