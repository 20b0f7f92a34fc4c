package credentials

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/sharedfiles"
)

// broken is a setting that cannot be followed: what is wrong, which key of which
// section of which file or which variable it is, and what to do.
type broken struct {
	what, where, fix string
	err              error // beneath; may be nil
}

func (e *broken) Error() string { return e.what }
func (e *broken) Unwrap() error { return e.err }

func (e *broken) facts() causes.Facts {
	return causes.Facts{"what": e.what, "where": e.where, "fix": e.fix}
}

// noProfileError is a profile that is in neither file.
type noProfileError struct {
	name  string
	files sharedfiles.Files
}

func (e *noProfileError) Error() string {
	said := []string{"read " + e.files.Config.State() + ", and " + e.files.Credentials.State()}
	if near := e.files.Near(e.name); near != "" {
		said = append(said, near)
	}
	if foreign := whoseHome(e.files); foreign != "" {
		said = append(said, foreign)
	}
	return strings.Join(said, "; ")
}

// whoseHome says whose files were looked for, when a file of the usual place does
// not exist: a service, a container or sudo has another home than the person who
// wrote them.
func whoseHome(files sharedfiles.Files) string {
	missing := func(f sharedfiles.File) bool { return f.From == "" && errors.Is(f.Err, os.ErrNotExist) }
	if !missing(files.Config) && !missing(files.Credentials) {
		return ""
	}
	text := "pgkeyless runs"
	u, err := user.Current()
	if err == nil {
		text += " as user " + u.Username
	}
	text += " with the home directory " + cmp.Or(sharedfiles.Home(), "(none)")
	if err == nil && u.HomeDir != "" && u.HomeDir != sharedfiles.Home() {
		text += fmt.Sprintf(" (HOME), while %s's own is %s", u.Username, u.HomeDir)
	}
	if by := os.Getenv("SUDO_USER"); by != "" {
		text += ", by sudo of " + by
	}
	return text
}
