package prompt

import (
	"fmt"
	"io"
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

// Sized reports whether the system says how large the terminal is: some have no size yet,
// or never get one, and nothing can be drawn there.
func Sized(out *os.File) bool {
	width, height, err := term.GetSize(int(out.Fd()))
	return err == nil && width > 0 && height > 0
}

// Secret asks on the terminal for something that is not shown, and returns it without
// the end of its line.
func Secret(w io.Writer, question string) (string, error) {
	fmt.Fprint(w, question)
	answer, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(w)
	return string(answer), err
}
