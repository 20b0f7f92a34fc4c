//go:build unix

package config

import (
	"io/fs"
	"os"
	"syscall"
)

// ownFile says whether only this user and root can have written the file, as
// far as its own owner and mode tell; a group may be one of colleagues.
func ownFile(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && (s.Uid == 0 || int(s.Uid) == os.Geteuid()) && info.Mode().Perm()&0o002 == 0
}
