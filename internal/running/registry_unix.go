//go:build unix

package running

import (
	"os"
	"path/filepath"
	"syscall"

	"github.com/pgkeyless/pgkeyless/internal/ownfile"
)

// lock holds f for as long as this process has it open.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// lock keeps others from removing and renaming records until unlock. Records are
// read without it.
func (r registry) lock() (unlock func(), err error) {
	return ownfile.Lock(filepath.Join(r.dir, ".lock"))
}

// publish gives the file its name.
func publish(a *announcement) error { return os.Rename(a.file.Name(), a.path) }

// living reports whether the process that wrote f still has it open.
func living(f *os.File, _ record) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == syscall.EWOULDBLOCK
}

// created is not asked for: the lock says all.
func created(int) int64 { return 0 }
