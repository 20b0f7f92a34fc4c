package setup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/ownfile"
)

// text is a file as it will be.
func (r *run) text(file string) ([]byte, error) {
	before, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, causes.MisuseOf(err, "name another file with --file")
	}
	t := config.NewTarget{Name: r.a.Name, Database: r.a.Database, Options: r.a.options()}
	if t.Database == t.Name {
		t.Database = ""
	}
	return config.AddTarget(r.Places, file, before, t)
}

// write writes it, whole or not at all.
func (r *run) write() error {
	text, err := r.text(r.a.File)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(r.a.File), 0o700); err != nil {
		return causes.MisuseOf(err, "name another file with --file")
	}
	at, mode := r.a.File, fs.FileMode(0o600)
	if info, err := os.Stat(at); err == nil {
		mode = info.Mode().Perm()
		if behind, err := filepath.EvalSymlinks(at); err == nil {
			at = behind
		}
	}
	if err := ownfile.Replace(at, text, mode); err != nil {
		return causes.MisuseOf(err, "name another file with --file")
	}
	return nil
}
