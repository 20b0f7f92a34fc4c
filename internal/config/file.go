package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/pgkeyless/pgkeyless/internal/ownfile"
)

// FileNone, in place of a config file's name, says that none is wanted.
const FileNone = "none"

// maxFile is room for a thousand targets, in bytes.
const maxFile = 256 << 10

// Places is where a config file is looked for when none is named. Empty ones
// are left out.
type Places struct {
	// Dir is the working directory. It and those above it are searched, up to
	// and with Home or, when Home is none of them, the file system's root.
	Dir, Home string
	// User is the user's own directory for configuration of all programs.
	User string
}

// Names of config files, in Dir and above, and under User.
var (
	projectNames = []string{"pgkeyless.yaml", "pgkeyless.yml", ".pgkeyless.yaml", ".pgkeyless.yml"}
	userNames    = []string{filepath.Join("pgkeyless", "config.yaml"), filepath.Join("pgkeyless", "config.yml")}
)

// find returns the path of the config file, or "" when there is none. found
// says that it was found by its place in the project alone.
func (p Places) find() (path string, found bool, err error) {
	for dir := p.Dir; dir != ""; {
		if path, err := only(dir, projectNames); path != "" || err != nil {
			return path, true, err
		}
		above := filepath.Dir(dir)
		if above == dir || dir == filepath.Clean(p.Home) {
			break
		}
		dir = above
	}
	if p.User == "" {
		return "", false, nil
	}
	path, err = only(p.User, userNames)
	return path, false, err
}

// finds reports whether a file at path would be found by its place in a project.
func (p Places) finds(path string) bool {
	dir, name := filepath.Split(path)
	if !slices.Contains(projectNames, name) || p.Dir == "" {
		return false
	}
	for above := p.Dir; ; {
		if above == filepath.Clean(dir) {
			return true
		}
		next := filepath.Dir(above)
		if next == above || above == filepath.Clean(p.Home) {
			return false
		}
		above = next
	}
}

// only returns the one of names that dir has.
func only(dir string, names []string) (path string, err error) {
	for _, name := range names {
		candidate := filepath.Join(dir, name)
		info, err := os.Stat(candidate)
		if err != nil || info.IsDir() {
			continue // most often it is not there; what cannot be seen cannot be read
		}
		if path != "" {
			return "", problem("two config files: %s and %s", path, candidate).hinted("remove one of them, or name one with --config-file")
		}
		path = candidate
	}
	return path, nil
}

// readFile reads the config file that name names or, when it is empty, the one
// in places. The result is empty, not nil, when there is none.
func readFile(name string, places Places) (*file, error) {
	if name == FileNone {
		return &file{}, nil
	}
	path, found := name, false
	if name == "" {
		var err error
		if path, found, err = places.find(); err != nil || path == "" {
			return &file{}, err
		}
	}
	text, err := readBounded(path, name != "", found)
	if err != nil {
		return nil, err
	}
	return parseFile(path, found, text)
}

// readBounded reads a config file. Only one that somebody has named may be something
// else than a file, as the output of another program; found is one of the project.
func readBounded(path string, named, found bool) ([]byte, error) {
	open := openFile
	if named {
		open = os.Open
	}
	f, err := open(path)
	if err != nil {
		e := problem("config file %s: %v", path, cause(err)).hinted("check the path and its permissions")
		if errors.Is(err, fs.ErrNotExist) {
			e = e.hinted("check the path, or leave it out, and pgkeyless looks for one; --config-file %s means none", FileNone)
		}
		return nil, e
	}
	defer f.Close()
	if found && !isOwn(path, f) {
		return nil, problem("config file %s belongs to another user, or others may write it", path).hinted(
			"if you trust it, name it with --config-file %s; --config-file %s reads none", path, FileNone)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, problem("config file %s: %v", path, cause(err)).hinted("check that it is a file")
	}
	if len(text) > maxFile {
		return nil, problem("config file %s is longer than %d KiB", path, maxFile>>10).hinted("check that it is the right file, or split it")
	}
	return text, nil
}

// openFile opens a file that may be a trap, as a FIFO that nobody writes to is.
func openFile(path string) (*os.File, error) {
	f, _, err := ownfile.OpenRegular(path)
	return f, err
}

// isOwn reports whether only this user and root can have written f, and put it, or the
// link that leads to it, at path, as far as owners and modes tell; a group may be one of
// colleagues.
func isOwn(path string, f *os.File) bool {
	for _, look := range []func() (fs.FileInfo, error){f.Stat, func() (fs.FileInfo, error) { return os.Lstat(path) }} {
		info, err := look()
		if err != nil {
			return false
		}
		rights := fs.FileMode(0o002)
		if info.Mode().Type() == fs.ModeSymlink {
			rights = 0 // which a link does not have
		}
		if !ownfile.IsOwnOrRoots(info, rights) {
			return false
		}
	}
	return true
}

// cause drops the path, which the error has already.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// file is a config file that has been checked in itself.
type file struct {
	path     string // "" for no file
	run      layer
	defaults layer
	targets  []section
	users    []User
}

// section is one target of the file.
type section struct {
	named  Target // with Endpoint or Ref, and Name; no options yet
	values layer
	line   int
}

// at is FILE:LINE, as errors and config print tell it.
func (f *file) at(line int) string { return fmt.Sprintf("%s:%d", f.path, line) }

func (f *file) names() []string {
	names := make([]string, len(f.targets))
	for i, s := range f.targets {
		names[i] = s.named.Name
	}
	return names
}

// target finds the section for a name, in any case.
func (f *file) target(name string) (section, bool) {
	i := slices.IndexFunc(f.targets, func(s section) bool { return sameName(s.named.Name, name) })
	if i < 0 {
		return section{}, false
	}
	return f.targets[i], true
}
