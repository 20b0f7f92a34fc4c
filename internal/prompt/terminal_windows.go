package prompt

import "os"

// HasTerminal is false: SIGHUP comes on Windows when the console is closed, and
// then only.
func HasTerminal() bool { return false }

// unstopped is for systems with job control.
func unstopped() (undo func()) { return func() {} }

// openTerminal opens the process's console.
func openTerminal() (in, out *os.File, err error) {
	if in, err = os.OpenFile("CONIN$", os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	if out, err = os.OpenFile("CONOUT$", os.O_RDWR, 0); err != nil {
		in.Close()
		return nil, nil, err
	}
	return in, out, nil
}
