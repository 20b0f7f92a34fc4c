//go:build unix

package rig

import (
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"testing"
)

// RunAs has cmd run as another user of this machine, which takes root.
func RunAs(t *testing.T, name string, cmd *exec.Cmd) {
	t.Helper()
	who, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(who.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
}
