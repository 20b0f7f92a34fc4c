package supervisor

import (
	"os"
	"path/filepath"
)

// LogFile is a file that is begun anew when it has become large; the one before is kept
// beside it, as Path with ".old". It makes the file and its directory, for this user
// alone. It is for one goroutine at a time.
type LogFile struct {
	Path string
	Max  int64 // bytes

	file *os.File
	size int64
}

// Write writes p whole to one of the two. After an error the next Write tries again.
func (l *LogFile) Write(p []byte) (int, error) {
	if l.file != nil && l.size+int64(len(p)) > l.Max {
		l.file.Close()
		l.file = nil
		if err := os.Rename(l.Path, l.Path+".old"); err != nil {
			return 0, err
		}
	}
	if l.file == nil {
		if err := l.open(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err
}

func (l *LogFile) open() error {
	if err := os.MkdirAll(filepath.Dir(l.Path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(l.Path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	l.file, l.size = f, info.Size()
	return nil
}
