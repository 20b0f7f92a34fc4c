package prompt

import (
	"context"
	"io"
	"log/slog"

	"github.com/pgkeyless/pgkeyless/internal/credentials"
)

// Config says how a run asks. Stderr must be set.
type Config struct {
	// MFACommand prints the code of an MFA device, as words at spaces; empty asks on
	// the terminal, if there is one.
	MFACommand string
	// SSOLogin shows the page of an SSO login; otherwise nobody is asked to log in.
	SSOLogin bool
	// Stderr takes the words for people, and what MFACommand says beside the code.
	Stderr io.Writer
	// Log takes them instead of Stderr where it is not nil.
	Log *slog.Logger
	// Taken says who reads the terminal now, so that nobody can be asked on it; nil
	// and "" say that nobody does.
	Taken func() string
}

// OnTerminal reports whether an MFA code would be asked for on the terminal.
func (c Config) OnTerminal() bool { return c.MFACommand == "" && canAsk() }

// People says how a run asks the person who started it. The terminal is that
// of the process, wherever stdin and stderr lead.
func People(c Config) credentials.People {
	var p credentials.People
	switch {
	case c.MFACommand != "":
		p.MFACode = func(ctx context.Context, q credentials.MFAQuestion) (string, error) {
			return mfaFromCommand(ctx, c.MFACommand, q, c.Stderr)
		}
	case c.OnTerminal():
		p.MFACode = c.mfaFromTerminal
	}
	if c.SSOLogin {
		p.SSOPage = c.showPage
	}
	p.Terminal = func() bool { return c.Taken == nil || c.Taken() == "" }
	return p
}

// canAsk says whether the process has a terminal to ask on.
func canAsk() bool {
	in, out, err := openTerminal()
	if err != nil {
		return false
	}
	out.Close()
	in.Close()
	return true
}
