package access

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/ownfile"
)

// watchedFile is what a file says, which is read again when it changes. One that has
// become unreadable, or wrong, leaves what it said before, since it may be half written;
// the log says so. It is safe for concurrent use.
type watchedFile[T any] struct {
	path  string
	most  int64
	parse func([]byte) (T, error)
	log   *slog.Logger

	mu    sync.Mutex
	value T
	seen  fileState // when it was last read, with or without success
}

// fileState changes with a file. The zero value is one that is not there.
type fileState struct {
	changed time.Time
	size    int64
}

func stateOf(info os.FileInfo) fileState { return fileState{info.ModTime(), info.Size()} }

// newWatchedFile reads a file of at most most bytes. What is wrong is a causes.Misuse.
func newWatchedFile[T any](path string, most int64, log *slog.Logger, parse func([]byte) (T, error)) (*watchedFile[T], error) {
	f := &watchedFile[T]{path: path, most: most, parse: parse, log: log}
	info, err := os.Stat(path)
	if err != nil {
		return nil, causes.MisuseOf(err, "name a file that pgkeyless can read")
	}
	f.seen = stateOf(info)
	value, err := f.read()
	if err != nil {
		return nil, err
	}
	f.value = value
	return f, nil
}

// now is what the file says.
func (f *watchedFile[T]) now() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	var state fileState
	info, err := os.Stat(f.path)
	if err == nil {
		state = stateOf(info)
	}
	if state == f.seen {
		return f.value
	}
	f.seen = state
	var value T
	if err == nil {
		value, err = f.read()
	}
	if err != nil {
		f.log.Error("a changed file cannot be used, its previous content still applies", "path", f.path, "error", display.Line(err.Error()), "hint", causes.Hint(err))
		return f.value
	}
	f.value = value
	return value
}

// read reads the file, which nobody else may be able to write to.
func (f *watchedFile[T]) read() (value T, err error) {
	file, info, err := ownfile.OpenRegular(f.path) // a FIFO would hold up logins
	if err != nil {
		return value, causes.MisuseOf(err, "name a file that pgkeyless can read")
	}
	defer file.Close()
	switch {
	case info.Size() > f.most:
		return value, causes.Misuse(fmt.Sprintf("%s is longer than %d bytes", f.path, f.most), "it is probably not the file that you mean")
	case !ownfile.IsOwnOrRoots(info, 0o022):
		return value, causes.Misuse("other users can write to "+f.path, "make yourself or root its owner, and remove write access for others: chmod go-w")
	}
	text, err := io.ReadAll(io.LimitReader(file, f.most))
	if err != nil {
		return value, err
	}
	return f.parse(text)
}
