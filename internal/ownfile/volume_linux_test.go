package ownfile

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A volume of a container is often for everybody to write to, which is for those who
// share it; a directory on it is not.
func TestVolumeForEverybodyIsNoDetour(t *testing.T) {
	volume := t.TempDir()
	if err := syscall.Mount("none", volume, "tmpfs", 0, "mode=0777"); err != nil {
		t.Logf("not tried: no right to mount: %v", err)
		return
	}
	t.Cleanup(func() { must(t, syscall.Unmount(volume, syscall.MNT_DETACH)) })
	must(t, PrivateDir(filepath.Join(volume, "state", "pgkeyless")))
	shared := filepath.Join(volume, "shared")
	must(t, os.Mkdir(shared, 0o700))
	must(t, os.Chmod(shared, 0o777))
	if err := PrivateDir(filepath.Join(shared, "pgkeyless")); err == nil || !strings.Contains(err.Error(), "can be written by everybody") {
		t.Errorf("in a directory on it that is for everybody: %v", err)
	}
}
