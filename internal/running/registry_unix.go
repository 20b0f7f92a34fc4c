//go:build unix

package running

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// lock holds f for as long as this process has it open.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// lock keeps others from removing and renaming records until unlock. Records are
// read without it.
func (r registry) lock() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(r.dir, ".lock"), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
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
		return nil, err
	}
	return func() { f.Close() }, nil
}

// publish gives the file its name.
func publish(a *announcement) error { return os.Rename(a.file.Name(), a.path) }

// living reports whether the process that wrote f still has it open.
func living(f *os.File, _ int) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == syscall.EWOULDBLOCK
}

// ownFile reports whether this user, and nobody else, can have written the file.
func ownFile(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid() && info.Mode().Perm()&0o022 == 0
}
