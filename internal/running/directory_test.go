package running

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

func TestDefaultSocketDirIsMadePrivate(t *testing.T) {
	testenv.NeedsSockets(t)
	runtimeDir := testenv.Isolate(t)
	dir, err := defaultSocketDir()
	if err != nil || dir != filepath.Join(runtimeDir, "pgkeyless") {
		t.Fatalf("got %s, %v; want it in XDG_RUNTIME_DIR", dir, err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v; want 0700", info.Mode(), err)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("XDG_CACHE_HOME", "")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if dir, err := defaultSocketDir(); err != nil || dir != filepath.Join(cache, "pgkeyless") {
		t.Errorf("got %s, %v; want it in %s", dir, err, cache)
	}
}

// Another user who can write to the directory, or owns it, may put a socket of theirs
// in place of the proxy's. A link may lead to any directory of the user's.
func TestDirectoryOfOthersIsRefusedAndLeftAlone(t *testing.T) {
	testenv.NeedsSockets(t)
	for name, make := range map[string]func(dir string) error{
		"is open to other users": func(dir string) error { return os.Mkdir(dir, 0o755) },
		"is a symbolic link": func(dir string) error {
			return errors.Join(os.Mkdir(dir+"-else", 0o755), os.Symlink(dir+"-else", dir))
		},
		"belongs to another user": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, 65534, 65534))
		},
	} {
		if name == "belongs to another user" && os.Geteuid() != 0 {
			t.Log("not tried: only root can give a directory to another user")
			continue
		}
		dir := filepath.Join(testenv.Isolate(t), "pgkeyless")
		if err := make(dir); err != nil {
			t.Fatal(err)
		}
		before, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := defaultSocketDir(); err == nil || !strings.Contains(err.Error(), dir+" "+name) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		after, err := os.Stat(dir)
		if err != nil || after.Mode() != before.Mode() {
			t.Errorf("%s: mode %v became %v, %v", name, before.Mode(), after.Mode(), err)
		}
	}
}
