package prompt

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

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
		fmt.Fprintln(out, "\npgkeyless: no code in time; the next client will ask again")
		return "", errors.New("no code was typed in time")
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
			return "", fmt.Errorf("mfa-command %s did not finish within %v", words[0], mfaCommandTime)
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
