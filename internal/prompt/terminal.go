package prompt

import (
	"os"

	"golang.org/x/term"
)

// IsTerminal reports whether in is a terminal: not /dev/null, which is a character
// device, too.
func IsTerminal(in any) bool {
	f, ok := in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
