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

// defaultWidth is that of a terminal of which the system does not say it, and of what
// is none.
const defaultWidth = 80

// Width is how many characters a line of out has.
func Width(out any) int {
	f, ok := out.(*os.File)
	if !ok {
		return defaultWidth
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return defaultWidth
	}
	return width
}
