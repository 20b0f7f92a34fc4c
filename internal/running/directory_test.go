package running

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

func TestDefaultSocketDirIsMadePrivate(t *testing.T) {
	testenv.NeedsSockets(t)
	runtimeDir := testenv.Isolate(t)
	if err := os.Mkdir(filepath.Join(runtimeDir, "pgkeyless"), 0o755); err != nil {
		t.Fatal(err)
	}
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
