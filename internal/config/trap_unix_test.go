//go:build unix

package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A FIFO that nobody writes to would hold up every start in its directory and below.
func TestFIFOForAConfigFileIsRefusedAtOnce(t *testing.T) {
	dir := t.TempDir()
	for name, places := range map[string]Places{
		filepath.Join("project", "pgkeyless.yaml"):       {Dir: filepath.Join(dir, "project")},
		filepath.Join("user", "pgkeyless", "config.yml"): {User: filepath.Join(dir, "user")},
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		read := make(chan error, 1)
		go func() { // without an end, should it wait for a writer
			_, err := LoadRun(Input{Places: places})
			read <- err
		}()
		select {
		case err := <-read:
			if err == nil || !strings.Contains(err.Error(), "config file "+path+": it is a FIFO") {
				t.Errorf("%s: %v, want it named", name, err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: still waiting for somebody to write", name)
		}
	}
}

// What somebody names may come from another program.
func TestNamedConfigFileMayBeAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(path, []byte("quiet: true\n"), 0) }()
	run, err := LoadRun(Input{Flags: map[string]string{"config-file": path}})
	if err != nil || !run.Quiet {
		t.Errorf("%+v, %v; want what was written", run, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// In a directory for everybody, another user's link may lead to a file of this user's
// that was never meant to be read from there.
func TestLinkOfAnotherUserIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	target := writeFile(t, dir, "mine", "quiet: true\n")
	link := filepath.Join(dir, "project", "pgkeyless.yaml")
	if err := os.Mkdir(filepath.Dir(link), 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	in := Input{Places: Places{Dir: filepath.Dir(link)}}
	if run, err := LoadRun(in); err != nil || !run.Quiet {
		t.Errorf("a link of one's own: %+v, %v", run, err)
	}
	if os.Geteuid() != 0 {
		t.Log("another user's is not tried: only root can make one")
		return
	}
	if err := os.Lchown(link, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadRun(in); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("another user's link: %v, want a refusal", err)
	}
}
