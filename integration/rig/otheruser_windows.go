package rig

import (
	"os/exec"
	"testing"
)

// RunAs needs the other user's password here.
func RunAs(t *testing.T, name string, _ *exec.Cmd) {
	t.Helper()
	t.Fatalf("a program cannot run as %s here", name)
}
