//go:build unix

package access

import (
	"os/user"
	"strconv"
	"syscall"
	"testing"
)

// as runs a program as another user.
func as(t *testing.T, u *user.User) *syscall.SysProcAttr {
	t.Helper()
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
}
