package running

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// registry is where the running proxies of a user say what they serve, so that
// connect and exec need not start another. Each has a file of its own in the
// private runtime directory, locked for as long as the process lives: what a
// killed one has left behind is told by that.
type registry struct{ dir string }

// maxRecord bounds what is read of a file: a target takes some 300 bytes.
const maxRecord = 1 << 20

// record is the content of a file.
type record struct {
	PID    int      `json:"pid"`
	Served []Served `json:"targets"`
}

// Served is one target and where its clients connect.
type Served struct {
	// Key is the target with all options that make a difference to its clients;
	// see targetKey.
	Key string `json:"key"`
	// AnyWay is the key without the way to the database.
	AnyWay   string `json:"any_way"`
	Name     string `json:"name"`
	Address  string `json:"address"`            // "host:port"
	Shared   bool   `json:"shared,omitempty"`   // other targets are behind the address, too
	Socket   string `json:"socket,omitempty"`   // path
	User     string `json:"user,omitempty"`     // that replaces the clients'
	Database string `json:"database,omitempty"` // for clients that name none
}

// announcement is a file in the registry.
type announcement struct {
	path string
	file *os.File
}

// Announce writes what this process serves, in place of what it wrote before.
func (r registry) announce(before *announcement, targets []Served) (*announcement, error) {
	f, err := os.CreateTemp(r.dir, ".proxy-*") // for this user alone
	if err != nil {
		return nil, err
	}
	a := &announcement{path: filepath.Join(r.dir, fmt.Sprintf("proxy-%d.json", os.Getpid())), file: f}
	err = lock(f)
	if err == nil {
		err = json.NewEncoder(f).Encode(record{os.Getpid(), targets})
	}
	if err == nil {
		err = publish(a)
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

// Close takes the file out of the registry.
func (a *announcement) close() {
	if a != nil {
		a.file.Close()
		os.Remove(a.path)
	}
}

// find returns a target that is wanted and that a living proxy of this user
// serves. It removes what dead ones have left.
func (r registry) find(wanted func(Served) bool) (Served, bool) {
	paths, _ := filepath.Glob(filepath.Join(r.dir, "proxy-*.json"))
	for _, path := range paths {
		rec, err := r.read(path)
		if errors.Is(err, errDead) {
			os.Remove(path)
		}
		if err != nil {
			continue
		}
		for _, s := range rec.Served {
			if wanted(s) {
				return s, true
			}
		}
	}
	return Served{}, false
}

// errDead is a record whose process has ended.
var errDead = errors.New("its process has ended")

func (r registry) read(path string) (record, error) {
	f, err := os.Open(path)
	if err != nil {
		return record{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return record{}, err
	}
	if !info.Mode().IsRegular() || !ownFile(info) {
		return record{}, errors.New("not a file of this user")
	}
	var rec record
	if err := json.NewDecoder(io.LimitReader(f, maxRecord)).Decode(&rec); err != nil {
		return record{}, err
	}
	if !living(f, rec.PID) {
		return record{}, errDead
	}
	return rec, nil
}
