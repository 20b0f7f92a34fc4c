package running

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/ownfile"
)

// registry is where the running proxies of a user say what they serve, so that
// connect and exec need not start another. Each has a file of its own in the
// private runtime directory, locked for as long as the process lives: what a
// killed one has left behind is found by that.
type registry struct{ dir string }

// maxRecord bounds what is read of a file: a target takes some 300 bytes.
const maxRecord = 1 << 20

// record is the content of a file.
type record struct {
	PID    int      `json:"pid"`
	Served []Served `json:"targets"`         // none while it drains
	Admin  *Admin   `json:"admin,omitempty"` // nil where it has none
	// Created tells PID from a later process with the same number, where a lock does
	// not: see living.
	Created int64 `json:"created,omitempty"`
}

// announcement is a file in the registry.
type announcement struct {
	path string
	file *os.File
}

// announce writes what this process serves, in place of what it wrote before.
func (r registry) announce(before *announcement, targets []Served, admin *Admin) (*announcement, error) {
	f, err := os.CreateTemp(r.dir, ".proxy-*") // for this user alone
	if err != nil {
		return nil, err
	}
	a := &announcement{path: filepath.Join(r.dir, fmt.Sprintf("proxy-%d.json", os.Getpid())), file: f}
	err = lock(f)
	if err == nil {
		err = json.NewEncoder(f).Encode(record{os.Getpid(), targets, admin, created(os.Getpid())})
	}
	if err == nil {
		err = r.publish(a)
	}
	if err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil, err
	}
	if before != nil {
		before.file.Close()
	}
	return a, nil
}

// publish gives the file its name.
func (r registry) publish(a *announcement) error {
	unlock, err := r.lock()
	if err != nil {
		return err
	}
	defer unlock()
	return publish(a)
}

// close takes the file out of the registry.
func (a *announcement) close() {
	if a != nil {
		a.file.Close()
		os.Remove(a.path)
	}
}

// served is what the living proxies of this user serve. It removes what dead ones
// have left.
func (r registry) served() []Served {
	var all []Served
	for _, rec := range r.records() {
		all = append(all, rec.Served...)
	}
	return all
}

// records are those of the living proxies of this user.
func (r registry) records() []record {
	var all []record
	paths, _ := filepath.Glob(filepath.Join(r.dir, "proxy-*.json"))
	for _, path := range paths {
		if rec, err := r.read(path); err == nil {
			all = append(all, rec)
		}
	}
	return all
}

// read reads a record. One whose process has ended is an error, and removed. A
// record that is renewed meanwhile is read again: the old file's process has let
// go of it, and lives.
func (r registry) read(path string) (record, error) {
	for {
		f, err := os.Open(path)
		if err != nil {
			return record{}, err
		}
		rec, err := readRecord(f)
		dead := err == nil && !living(f, rec)
		if dead {
			var removed bool
			removed, err = r.removeIfStill(path, f)
			if err == nil && removed {
				r.removeSocket(rec.Admin)
				err = errors.New("its process has ended")
			}
		}
		f.Close()
		if !dead || err != nil {
			return rec, err
		}
	}
}

// removeSocket removes the private socket of a process that has ended.
func (r registry) removeSocket(of *Admin) {
	if of != nil && of.Network == "unix" && filepath.Dir(of.Address) == filepath.Clean(r.dir) && strings.HasPrefix(filepath.Base(of.Address), adminSocket) {
		os.Remove(of.Address)
	}
}

// removeIfStill removes the file at path if it still is f.
func (r registry) removeIfStill(path string, f *os.File) (removed bool, err error) {
	unlock, err := r.lock()
	if err != nil {
		return false, err
	}
	defer unlock()
	mine, err := f.Stat()
	if err != nil {
		return false, err
	}
	now, err := os.Lstat(path)
	if err != nil {
		return false, err
	}
	if !os.SameFile(mine, now) {
		return false, nil
	}
	return true, os.Remove(path)
}

// readRecord reads what is in f, which must be a file that this user alone can
// have written.
func readRecord(f *os.File) (record, error) {
	info, err := f.Stat()
	if err != nil {
		return record{}, err
	}
	if !info.Mode().IsRegular() || !ownfile.Is(info, 0o022) {
		return record{}, errors.New("not a file of this user")
	}
	var rec record
	err = json.NewDecoder(io.LimitReader(f, maxRecord)).Decode(&rec)
	return rec, err
}
