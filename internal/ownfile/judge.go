package ownfile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Open opens the regular file at path for reading, if nobody but this user can have
// touched it: no symbolic link, this user's, and open to others by none of rights, as
// 0o022 (write) or 0o077 (read, too). Its directory must pass CheckDir. It never waits,
// for a FIFO say. The error is an fs.ErrNotExist where there is no such file.
func Open(path string, rights fs.FileMode) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSymlink {
		return nil, fmt.Errorf("%s is a symbolic link", path)
	}
	f, info, err := open(path, noFollow)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(check(path, info, rights), CheckDir(filepath.Dir(path))); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// OpenRegular opens a regular file for reading, also through a symbolic link. It never
// waits for the other end of a FIFO. Whose file it is remains for the caller to ask.
func OpenRegular(path string) (*os.File, fs.FileInfo, error) { return open(path, 0) }

func open(path string, flags int) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|noWait|flags, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errors.New("it is " + kind(info.Mode()))}
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// kind names what is no regular file.
func kind(mode fs.FileMode) string {
	switch mode.Type() {
	case fs.ModeDir:
		return "a directory"
	case fs.ModeNamedPipe:
		return "a FIFO"
	case fs.ModeSocket:
		return "a socket"
	}
	return "no regular file"
}

// CheckDir refuses a directory in which others can put something in place of this
// user's files: it must be this user's, no symbolic link, not writable for others, and
// the way to it must be for nobody else to change.
func CheckDir(dir string) error { return checkDir(dir, 0o022) }

// CheckWay refuses a path on which another user than root can put something else in place
// of a directory or link. It follows links, and judges the way to where they lead.
func CheckWay(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	return way(path, maxLinks)
}

// PrivateDir makes dir, with mode 0700, unless it is there. One that is there is never
// changed: it must be this user's alone to read and write, no symbolic link, and the way
// to it must be for nobody else to change.
func PrivateDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return checkDir(dir, 0o077)
}

func checkDir(dir string, rights fs.FileMode) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	return cmp.Or(checkAlone(dir, rights), way(filepath.Dir(dir), maxLinks))
}

// CheckDirAlone is CheckDir without the way to dir, for one that somebody chose a place
// for.
func CheckDirAlone(dir string) error { return checkAlone(dir, 0o022) }

func checkAlone(dir string, rights fs.FileMode) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case info.Mode().Type() == fs.ModeSymlink:
		return fmt.Errorf("%s is a symbolic link", dir)
	case !info.IsDir():
		return fmt.Errorf("%s is no directory", dir)
	}
	return check(dir, info, rights)
}

// check refuses what is not this user's, or grants others any of rights.
func check(path string, info fs.FileInfo, rights fs.FileMode) error {
	if !mine(info) {
		return fmt.Errorf("%s belongs to another user", path)
	}
	if open := modeFor(info) & rights; open != 0 {
		return fmt.Errorf("%s is open to other users (mode %04o); `chmod go-%s %[1]s` closes it", path, info.Mode().Perm(), letters(rights))
	}
	return nil
}

func letters(rights fs.FileMode) string {
	if rights&0o055 != 0 {
		return "rwx"
	}
	return "w"
}

// maxLinks is how many symbolic links a way may have, as on Linux.
const maxLinks = 40

// way refuses a path, absolute and clean, on which another user than root can put
// something else in place of a directory or link. A group may: it is one of colleagues,
// or of this user alone. So may whoever shares a volume that root has mounted with such
// rights: Kubernetes gives all of them to an emptyDir.
func way(path string, links int) error {
	at := filepath.VolumeName(path) + string(filepath.Separator)
	rest := strings.Split(strings.TrimPrefix(path, at), string(filepath.Separator))
	var above fs.FileInfo
	for i, name := range append([]string{""}, rest...) {
		at = filepath.Join(at, name)
		info, err := os.Lstat(at)
		if err != nil {
			return err
		}
		if !mine(info) && !rootsOwn(info) {
			return fmt.Errorf("%s, on the way to it, belongs to another user", at)
		}
		if info.Mode().Type() == fs.ModeSymlink {
			return behind(at, rest[i:], links)
		}
		volume := above != nil && rootsOwn(info) && device(info) != device(above)
		if modeFor(info)&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 && !volume {
			return fmt.Errorf("%s, on the way to it, can be written by everybody", at)
		}
		above = info
	}
	return nil
}

// behind judges the way through the link at path to rest.
func behind(path string, rest []string, links int) error {
	if links == 0 {
		return fmt.Errorf("%s: too many symbolic links", path)
	}
	target, err := os.Readlink(path)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(path), target)
	}
	return way(filepath.Join(append([]string{target}, rest...)...), links-1)
}
