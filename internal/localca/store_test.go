package localca

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, at time.Time) *Authority {
	t.Helper()
	a, err := Open(dir, at)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func same(a, b *Authority) bool { return slices.Equal(a.Certificate.Raw, b.Certificate.Raw) }

func TestKeyIsForItsUserAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "pgkeyless")
	a := open(t, dir, now)
	if runtime.GOOS != "windows" {
		for path, want := range map[string]os.FileMode{filepath.Dir(dir): 0o700, dir: 0o700, filepath.Join(dir, keyFile): 0o600, File(dir): 0o644} {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode().Perm(); got != want {
				t.Errorf("%s has mode %v, want %v", path, got, want)
			}
		}
	}
	public, err := os.ReadFile(File(dir))
	if err != nil || strings.Contains(string(public), "PRIVATE") || !strings.HasPrefix(string(public), "-----BEGIN CERTIFICATE-----") {
		t.Errorf("the clients' file holds %q (%v), want a certificate alone", public, err)
	}
	if again := open(t, dir, now.Add(time.Hour)); !same(a, again) {
		t.Error("the second Open made another CA")
	}
}

func TestProcessesThatStartAtOnceShareOneCA(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pgkeyless")
	all := make([]*Authority, 20)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			a, err := Open(dir, now)
			if err != nil {
				t.Error(err)
			}
			all[i] = a
		})
	}
	wg.Wait()
	for i, a := range all {
		if a == nil || !same(a, all[0]) {
			t.Fatalf("Open %d made a CA of its own", i)
		}
	}
	if !published(dir, all[0]) {
		t.Error("the clients' file has another certificate")
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*.pem.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// A container may have the directory read-only.
func TestCAThatIsThereIsOpenedWithoutWriting(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	a := open(t, dir, now)
	lock := filepath.Join(dir, ".ca.lock")
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	if again := open(t, dir, now); !same(a, again) {
		t.Error("another CA")
	}
	if _, err := os.Stat(lock); !os.IsNotExist(err) {
		t.Errorf("Open has written %s (%v)", lock, err)
	}
}

func TestOldAndBrokenCAsAreReplaced(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, dir string)
		at     time.Time
		kept   bool // the CA
	}{
		{"nothing", func(*testing.T, string) {}, now.Add(9 * 365 * 24 * time.Hour), true},
		{"old", func(*testing.T, string) {}, now.Add(life - lastMonths + time.Hour), false},
		{"of the future", func(*testing.T, string) {}, now.Add(-backdated - time.Hour), false},
		{"empty", func(t *testing.T, dir string) { write(t, filepath.Join(dir, keyFile), "") }, now, false},
		{"garbled", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, keyFile), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
		}, now, false},
		{"another's certificate beside the key", func(t *testing.T, dir string) {
			content, err := os.ReadFile(filepath.Join(dir, keyFile))
			if err != nil {
				t.Fatal(err)
			}
			key, _, _ := strings.Cut(string(content), "-----BEGIN CERTIFICATE-----")
			write(t, filepath.Join(dir, keyFile), key+string(open(t, filepath.Join(t.TempDir(), "x"), now).certificatePEM()))
		}, now, false},
		{"no file for clients", func(t *testing.T, dir string) { os.Remove(File(dir)) }, now, true},
		{"another file for clients", func(t *testing.T, dir string) { write(t, File(dir), "x") }, now, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "pgkeyless")
			before := open(t, dir, now)
			tt.change(t, dir)
			after := open(t, dir, tt.at)
			if same(before, after) != tt.kept {
				t.Errorf("kept: %v, want %v", !tt.kept, tt.kept)
			}
			if !after.usable(tt.at) || !published(dir, after) {
				t.Errorf("usable: %v, published: %v", after.usable(tt.at), published(dir, after))
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFilesOfOthersAreRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("access rights are not modes here")
	}
	for _, tt := range []struct {
		name, path string
		mode       os.FileMode
		want       string
	}{
		{"a key that others read", keyFile, 0o640, "is open to other users"},
		{"a directory that others write to", ".", 0o770, "is open to other users"},
	} {
		dir := filepath.Join(t.TempDir(), "pgkeyless")
		open(t, dir, now)
		if err := os.Chmod(filepath.Join(dir, tt.path), tt.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, now); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	dir := filepath.Join(t.TempDir(), "pgkeyless")
	open(t, dir, now)
	key := filepath.Join(dir, keyFile)
	if err := errors.Join(os.Rename(key, key+"2"), os.Symlink(key+"2", key)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, now); err == nil || !strings.Contains(err.Error(), "is a symbolic link") {
		t.Errorf("a link for the key: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	if _, err := Open(filepath.Join(file, "pgkeyless"), now); err == nil {
		t.Error("a file for a directory: no error")
	}
}

func TestDirIsTheUsersPlaceForState(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("LocalAppData", home)
	t.Setenv("XDG_STATE_HOME", "")
	want := map[string]string{
		"windows": filepath.Join(home, "pgkeyless"),
		"darwin":  filepath.Join(home, "Library", "Application Support", "pgkeyless"),
	}[runtime.GOOS]
	if want == "" {
		want = filepath.Join(home, ".local", "state", "pgkeyless")
	}
	if got, err := Dir(); got != want || err != nil {
		t.Errorf("Dir() = %s, %v, want %s", got, err, want)
	}
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	if got, err := Dir(); got != filepath.Join(state, "pgkeyless") || err != nil {
		t.Errorf("with XDG_STATE_HOME: %s, %v", got, err)
	}
	t.Setenv("XDG_STATE_HOME", "relative")
	t.Setenv("HOME", filepath.Join(home, "none"))
	if got, err := Dir(); runtime.GOOS != "windows" && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a home directory: %s, %v; it is not to be made", got, err)
	}
}

func TestUsersHaveCAsOfTheirOwn(t *testing.T) {
	ada, bob := open(t, filepath.Join(t.TempDir(), "a"), now), open(t, filepath.Join(t.TempDir(), "b"), now)
	roots := x509.NewCertPool()
	roots.AddCert(bob.Certificate)
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	c, err := ada.leaf(now, key, []string{"localhost"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "localhost", CurrentTime: now}); err == nil {
		t.Error("one user's client takes another user's listener for its own")
	}
}
