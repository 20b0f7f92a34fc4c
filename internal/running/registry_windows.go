package running

import (
	"os"

	"golang.org/x/sys/windows"
)

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

// living reports whether there is the process that wrote rec: one with its number that
// was created at the same time. Windows gives numbers to others soon.
func living(_ *os.File, rec record) bool {
	at := created(rec.PID)
	return at != 0 && at == rec.Created
}

// created is when the process with that number was, in nanoseconds since 1970, and 0
// where there is none any more, or none that this user may ask.
//
// Source: Windows API, GetProcessTimes. A process that has ended is there until nobody
// has it open any more; its handle is signalled.
func created(pid int) int64 {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION|windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return 0
	}
	defer windows.CloseHandle(process)
	if state, err := windows.WaitForSingleObject(process, 0); err != nil || state != uint32(windows.WAIT_TIMEOUT) {
		return 0
	}
	var at, exit, kernel, user windows.Filetime
	if windows.GetProcessTimes(process, &at, &exit, &kernel, &user) != nil {
		return 0
	}
	return at.Nanoseconds()
}
