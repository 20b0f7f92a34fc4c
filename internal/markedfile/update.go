package markedfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/ownfile"
)

// Most bounds how much of a file is read, and how long one becomes: it has a few lines
// for each database.
const Most = 1 << 20

// Update has change make new text of the file at path, and reports whether that
// differs. The new file is written beside the old one and takes its place, with its
// permissions; a symbolic link stays one. A missing file is made for this user alone, its
// directory is not. What keeps it from being written is a causes.Misuse, or the system's
// error.
func Update(path string, change func(old []byte) ([]byte, error)) (changed bool, err error) {
	return update(path, false, change)
}

// UpdatePrivate is Update for a file with secrets. It takes none that belongs to another
// user, or in whose place somebody else can put another one. Of its permissions it leaves
// those of this user. Of several processes that update it, one does at a time.
func UpdatePrivate(path string, change func(old []byte) ([]byte, error)) (changed bool, err error) {
	return update(path, true, change)
}

func update(path string, private bool, change func([]byte) ([]byte, error)) (changed bool, err error) {
	named, dir := filepath.Dir(path), ""
	if private { // a home directory may be a link, too, and what counts is where it leads
		if dir, err = filepath.EvalSymlinks(named); err != nil {
			return false, err
		}
		path = filepath.Join(dir, filepath.Base(path))
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	} else if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if private {
		if err := cmp.Or(ownfile.CheckDir(dir), ownfile.CheckWay(named), ownfile.CheckDir(filepath.Dir(path))); err != nil {
			return false, err
		}
		unlock, err := ownfile.Lock(path + ".lock")
		if err != nil {
			return false, err
		}
		defer unlock()
	}
	old, info, err := load(path)
	if err != nil {
		return false, err
	}
	mode := fs.FileMode(0o600)
	if info != nil {
		mode = info.Mode().Perm()
	}
	open := false
	if private {
		if info != nil && !ownfile.Is(info, 0) {
			return false, fmt.Errorf("%s belongs to another user", path)
		}
		open, mode = runtime.GOOS != "windows" && mode&0o077 != 0, mode&0o700
	}
	updated, err := change(old)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	if bytes.Equal(old, updated) && !open {
		return false, nil
	}
	if len(updated) > Most && len(updated) > len(old) {
		return false, causes.Misuse(fmt.Sprintf("%s would become longer than %d bytes", path, Most), "remove lines of what runs no more from between pgkeyless's marks")
	}
	return true, ownfile.Replace(path, updated, mode)
}

// Read returns the text of the file at path, an fs.ErrNotExist where there is none.
func Read(path string) ([]byte, error) {
	text, info, err := load(path)
	if err == nil && info == nil {
		err = fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return text, err
}

// load reads a file. Of a missing one it returns nothing.
func load(path string) (content []byte, info fs.FileInfo, err error) {
	f, info, err := ownfile.OpenRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	content, err = io.ReadAll(io.LimitReader(f, Most+1))
	if err == nil && len(content) > Most {
		err = causes.Misuse(fmt.Sprintf("%s is longer than %d bytes", path, Most), "is it the file that you mean?")
	}
	return content, info, err
}
