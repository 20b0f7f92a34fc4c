//go:build unix

package ownfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// What opening a file must not do.
const (
	noFollow = syscall.O_NOFOLLOW
	noWait   = syscall.O_NONBLOCK
)

// Lock waits until no other process has path locked, and keeps it so until unlock.
// It makes the file, which holds nothing else.
func Lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// Is reports whether a file or directory is this user's, and grants others none of
// rights, as 0o022: nobody else can have written it. It does not ask who may write
// to the directories above.
func Is(info fs.FileInfo, rights fs.FileMode) bool {
	return mine(info) && info.Mode().Perm()&rights == 0
}

// IsOwnOrRoots is Is, for what root may have put there too, such as the secrets of a
// container.
func IsOwnOrRoots(info fs.FileInfo, rights fs.FileMode) bool {
	return (mine(info) || owner(info) == 0) && info.Mode().Perm()&rights == 0
}

func mine(info fs.FileInfo) bool { return owner(info) == os.Geteuid() }

// rootsOwn reports whether the owner of a file can do as they like anyway: root, or
// whoever owns "/", which is how root looks from within some user namespaces.
func rootsOwn(info fs.FileInfo) bool {
	uid := owner(info)
	if uid == 0 {
		return true
	}
	root, err := os.Lstat("/")
	return err == nil && owner(root) == uid
}

// owner is a file's user id, -1 where the system does not say.
func owner(info fs.FileInfo) int {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1
	}
	return int(stat.Uid)
}

// device is the number of the file system on which a file is.
func device(info fs.FileInfo) uint64 {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return uint64(stat.Dev)
}

// modeFor has the rights of a file for its user, group and others.
func modeFor(info fs.FileInfo) fs.FileMode { return info.Mode().Perm() }
