package prompt

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

// Config says how a run asks.
type Config struct {
	MFACommand string // prints the code; empty asks on the terminal
	SSOLogin   bool   // shows the page of an SSO login, rather than none
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

const (
	maxAnswer      = 1024             // bytes of a line typed, or of what a command prints
	mfaCommandTime = 60 * time.Second // somebody may have to touch a key
)

// mfaFromTerminal asks on the terminal, unless a program reads it.
func (c Config) mfaFromTerminal(ctx context.Context, q credentials.MFAQuestion) (string, error) {
	if c.Taken != nil && c.Taken() != "" {
		return "", fmt.Errorf("%w: %s reads the terminal", credentials.ErrNobodyToAsk, c.Taken())
	}
	defer unstopped()()
	in, out, err := openTerminal()
	if err != nil {
		return "", fmt.Errorf("no terminal to ask on: %w", err)
	}
	defer in.Close()
	defer out.Close()
	// Where terminals know no deadline (macOS) the question waits for its answer.
	stop := context.AfterFunc(ctx, func() { in.SetReadDeadline(time.Now()) })
	defer stop()
	fmt.Fprintf(out, "MFA code for %s (profile %q): ", display.Line(q.Device), q.Profile)
	line, err := bufio.NewReader(io.LimitReader(in, maxAnswer)).ReadString('\n')
	switch {
	case err == nil:
		return strings.TrimSpace(line), nil
	case ctx.Err() != nil:
		fmt.Fprintln(out, "\npgkeyless: no code in time; the next client is asked for again")
		return "", errors.New("nobody typed a code in time")
	case errors.Is(err, io.EOF):
		return "", errors.New("the terminal was closed without a code")
	}
	return "", fmt.Errorf("reading the code: %w", err)
}

// mfaFromCommand runs command, split at spaces and without a shell, and returns
// what it prints. PGKEYLESS_MFA_SERIAL and PGKEYLESS_MFA_PROFILE tell it what is
// asked for; its stderr is ours, for a tool that wants its key touched. What it
// prints is in no error: it may be half a secret.
func mfaFromCommand(ctx context.Context, command string, q credentials.MFAQuestion, stderr io.Writer) (string, error) {
	words := strings.Fields(command)
	if len(words) == 0 {
		return "", errors.New("mfa-command is empty")
	}
	ctx, cancel := context.WithTimeout(ctx, mfaCommandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "PGKEYLESS_MFA_SERIAL="+q.Device, "PGKEYLESS_MFA_PROFILE="+q.Profile)
	cmd.WaitDelay = time.Second // for children of its that keep the pipe open
	said := &firstBytes{most: maxAnswer}
	cmd.Stdout, cmd.Stderr = said, stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("mfa-command %s was not done within %v", words[0], mfaCommandTime)
		}
		return "", fmt.Errorf("mfa-command %s: %w", words[0], err)
	}
	return strings.TrimSpace(said.String()), nil
}

// firstBytes keeps what is written to it, up to most.
type firstBytes struct {
	bytes.Buffer
	most int
}

func (f *firstBytes) Write(p []byte) (int, error) {
	f.Buffer.Write(p[:min(len(p), f.most-f.Len())])
	return len(p), nil
}

// showPage tells of the page and opens it in a browser, if there is one. Whatever
// --quiet says, somebody must act.
func (c Config) showPage(page credentials.SSOPage) {
	if c.Log != nil {
		c.Log.Error("SSO login needed: open the page and check that it shows the code",
			slog.String("profile", page.Profile), slog.String("url", page.URL), slog.String("code", page.Code))
	} else {
		fmt.Fprintf(c.Stderr, "pgkeyless: log in to AWS for profile %q: open %s\npgkeyless: and check that it shows the code %s\n",
			page.Profile, display.Line(page.URL), display.Line(page.Code))
	}
	openBrowser(page.URL)
}

// openBrowser starts the system's browser. It is a help that may fail: the page
// has been told.
func openBrowser(url string) {
	words := append(browserCommand(), url)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.SysProcAttr = apart() // Ctrl-C is for us
	if cmd.Start() == nil {
		go func() { _ = cmd.Wait() }() // a browser may live longer than the run
	}
}
