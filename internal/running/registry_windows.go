package running

import "os"

// lock does nothing: an open file is not locked by its process's life here.
func lock(*os.File) error { return nil }

// lock does nothing: records are written in place here, and keep their name.
func (r registry) lock() (unlock func(), err error) { return func() {}, nil }

// publish writes the file under its name: an open file cannot be renamed here.
func publish(a *announcement) error {
	content, err := os.ReadFile(a.file.Name())
	if err != nil {
		return err
	}
	scratch := a.file.Name()
	a.file.Close()
	os.Remove(scratch)
	return os.WriteFile(a.path, content, 0o600)
}

// living reports whether there is a process with that number.
func living(_ *os.File, pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	p.Release()
	return true
}
