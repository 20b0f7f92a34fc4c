//go:build unix

package credentials

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// nobody is the user of that name where it has its usual number, and otherwise
// one that owns nothing.
const nobody = 65534

// asOrdinaryUser runs the test once more as nobody, when root runs it, who may
// write everywhere. The caller returns when it reports true.
func asOrdinaryUser(t *testing.T) (ran bool) {
	t.Helper()
	if os.Geteuid() != 0 {
		return false
	}
	dir, err := os.MkdirTemp("", "nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self) // its own directory is root's alone
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "test")
	if err := os.WriteFile(other, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(other, "-test.run", "^"+t.Name()+"$")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("no tests to run")) {
		t.Errorf("as user %d: %v\n%s", nobody, err, out)
	}
	return true
}
