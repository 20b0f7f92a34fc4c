package prompt

import (
	"io/fs"
	"os"
)

// IsTerminal reports whether in is a terminal or something like one.
func IsTerminal(in any) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}
