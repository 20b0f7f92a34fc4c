package servicefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/ownfile"
)

// maxFile bounds how much of a file is read: services are a few lines each.
const maxFile = 1 << 20

// Update merges sections into the file at path (see Merge) and reports whether
// that changed it. The file appears whole or not at all: it is written beside
// the old one and takes its place, keeping its permissions; a symbolic link stays
// one. A missing file is made for this user alone, its directory is not.
func Update(path string, sections []Section) (changed bool, err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	} else if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	old, mode, err := load(path)
	if err != nil {
		return false, err
	}
	merged, err := Merge(old, sections)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	if bytes.Equal(old, merged) {
		return false, nil
	}
	return true, ownfile.Replace(path, merged, mode)
}

// load reads a file that may be missing, and its permissions.
func load(path string) (content []byte, mode fs.FileMode, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0o600, nil
	}
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, causes.Misuse(path+" is no regular file", "name another one")
	}
	content, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = causes.Misuse(fmt.Sprintf("%s is longer than %d bytes", path, maxFile), "check that it is a service file")
	}
	return content, info.Mode().Perm(), err
}
