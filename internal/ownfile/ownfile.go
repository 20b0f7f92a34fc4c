// Package ownfile keeps files of one user that several processes read and write:
// locked while they change, replaced in one step, and trusted only where nobody
// else can have touched them.
package ownfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace puts content at path in one step: who reads meanwhile finds the old file
// or the new one, whole. An error leaves the old one.
func Replace(path string, content []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // for this user alone
	if refused, ok := errors.AsType[*fs.PathError](err); ok {                 // its name says nothing to people
		return fmt.Errorf("%s: %w", filepath.Dir(path), refused.Err)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
