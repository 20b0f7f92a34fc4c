package access

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/ownfile"
)

// watchedFile is what a file says, which is read again when it changes. One that has
// become unreadable, or wrong, leaves what it said before: it may be half written. It is
// safe for concurrent use.
type watchedFile[T any] struct {
	path  string
	most  int64
	parse func([]byte) (T, error)

	mu      sync.Mutex
	value   T
	changed time.Time
	size    int64
}

// newWatchedFile reads a file of at most most bytes. What is wrong is a causes.Misuse.
func newWatchedFile[T any](path string, most int64, parse func([]byte) (T, error)) (*watchedFile[T], error) {
	f := &watchedFile[T]{path: path, most: most, parse: parse}
	value, err := f.read()
	if err != nil {
		return nil, err
	}
	f.value = value
	return f, nil
}

// now is what the file says.
func (f *watchedFile[T]) now() (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil || info.ModTime().Equal(f.changed) && info.Size() == f.size {
		return f.value, nil
	}
	if value, err := f.read(); err == nil {
		f.value = value
	}
	return f.value, nil
}

// read reads the file, which nobody else may be able to write to.
func (f *watchedFile[T]) read() (value T, err error) {
	file, err := os.Open(f.path)
	if err != nil {
		return value, causes.MisuseOf(err, "name a file that pgkeyless can read")
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return value, err
	case !info.Mode().IsRegular():
		return value, causes.Misuse(f.path+" is no regular file", "name a file")
	case info.Size() > f.most:
		return value, causes.Misuse(fmt.Sprintf("%s is longer than %d bytes", f.path, f.most), "it is probably not the file that you mean")
	case !ownfile.IsOwnOrRoots(info, 0o022):
		return value, causes.Misuse("other users can write to "+f.path, "let it belong to you or root, and take the right to write from others: chmod go-w")
	}
	text, err := io.ReadAll(io.LimitReader(file, f.most))
	if err != nil {
		return value, err
	}
	if value, err = f.parse(text); err == nil {
		f.changed, f.size = info.ModTime(), info.Size()
	}
	return value, err
}
