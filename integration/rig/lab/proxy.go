package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// What pgkeyless prints, as the README promises it.
const (
	listeningPrefix = "Listening on "
	readyLine       = "pgkeyless is ready for new connections"
)

// QuickExit is a variable for the environment of a program with the race detector. One that
// ends well lets the goroutines that it leaves behind run on for a second, to see whether they
// race. In 50 ms they begin all that they have left to do.
const QuickExit = "GORACE=atexit_sleep_ms=50"

// Command says how to run the binary.
type Command struct {
	Binary string
	Args   []string
	Env    []string  // the whole environment, but for PATH, HOME and QuickExit
	Echo   io.Writer // gets stderr as it comes; may be nil
	// Change, when not nil, changes the command before it starts: its terminal, say.
	Change func(*exec.Cmd)
}

// Proxy is a running pgkeyless. Its methods are safe for concurrent use.
type Proxy struct {
	cmd    *exec.Cmd
	ready  chan struct{} // closed at the ready line
	exited chan struct{} // closed after Wait, when code is set
	code   int

	mu     sync.Mutex
	output bytes.Buffer
	listen []string
	more   chan struct{} // closed and replaced at each line
}

// StartProxy starts the binary and waits until it says that it is ready.
//
// When it ends first, or ctx does, the error carries what it printed, unless
// Echo has had that already. The caller owns the Proxy and must Kill it or Wait
// for it.
func StartProxy(ctx context.Context, c Command) (*Proxy, error) {
	p := &Proxy{ready: make(chan struct{}), exited: make(chan struct{}), more: make(chan struct{})}
	p.cmd = exec.Command(c.Binary, c.Args...)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir(), QuickExit}, c.Env...)
	p.cmd.WaitDelay = 5 * time.Second
	if c.Change != nil {
		c.Change(p.cmd)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout = p // stdout is for machine output: serve has none
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process
		defer close(p.exited)
		p.read(stderr, c.Echo)
		_ = p.cmd.Wait()
		p.code = p.cmd.ProcessState.ExitCode()
	}()
	select {
	case <-p.ready:
		return p, nil
	case <-p.exited:
		select {
		case <-p.ready: // and has ended since
			return p, nil
		default:
		}
		return nil, fmt.Errorf("pgkeyless ended with code %d before it was ready%s", p.code, p.printed(c))
	case <-ctx.Done():
		p.Kill()
		return nil, fmt.Errorf("pgkeyless was not ready in time: %w%s", ctx.Err(), p.printed(c))
	}
}

// printed is the output for the end of an error, empty when it has been echoed.
func (p *Proxy) printed(c Command) string {
	if c.Echo != nil {
		return ""
	}
	return ":\n" + p.Output()
}

func (p *Proxy) read(stderr io.Reader, echo io.Writer) {
	seen := false
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		line := lines.Text()
		p.mu.Lock()
		fmt.Fprintln(&p.output, line)
		if _, rest, ok := strings.Cut(line, listeningPrefix); ok {
			address, _, _ := strings.Cut(rest, " for ")
			p.listen = append(p.listen, address)
		}
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
		if echo != nil {
			fmt.Fprintln(echo, line)
		}
		if !seen && strings.Contains(line, readyLine) {
			seen = true
			close(p.ready)
		}
	}
}

// Write notes what the process writes to stdout.
func (p *Proxy) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

// Output is all that the process has printed so far.
func (p *Proxy) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// AwaitLine waits until a line of the output has text in it, and returns that
// line.
func (p *Proxy) AwaitLine(ctx context.Context, text string) (string, error) {
	return p.AwaitNth(ctx, text, 1)
}

// AwaitNth waits until n lines of the output have text in them, and returns the last of
// those.
func (p *Proxy) AwaitNth(ctx context.Context, text string, n int) (string, error) {
	for {
		ended := false
		select {
		case <-p.exited: // so this is the last look
			ended = true
		default:
		}
		p.mu.Lock()
		output, more := p.output.String(), p.more
		p.mu.Unlock()
		seen := 0
		for line := range strings.Lines(output) {
			if strings.Contains(line, text) {
				seen++
			}
			if seen == n {
				return strings.TrimSpace(line), nil
			}
		}
		if ended {
			return "", fmt.Errorf("pgkeyless ended without printing %q", text)
		}
		select {
		case <-more:
		case <-p.exited:
		case <-ctx.Done():
			return "", fmt.Errorf("pgkeyless does not print %q: %w", text, context.Cause(ctx))
		}
	}
}

// Addresses are the TCP listeners in the order they were announced, "host:port",
// without those on ::1 that are there beside one on 127.0.0.1.
func (p *Proxy) Addresses() []string {
	all := p.listeners(func(a string) bool { return !filepath.IsAbs(a) })
	var first []string
	for _, a := range all {
		port, six := strings.CutPrefix(a, "[::1]:")
		if !six || !slices.Contains(all, "127.0.0.1:"+port) {
			first = append(first, a)
		}
	}
	return first
}

// Sockets are the paths of the Unix listeners in the order they were announced.
func (p *Proxy) Sockets() []string { return p.listeners(filepath.IsAbs) }

func (p *Proxy) listeners(which func(string) bool) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []string
	for _, a := range p.listen {
		if which(a) {
			found = append(found, a)
		}
	}
	return found
}

// PID is the process's id.
func (p *Proxy) PID() int { return p.cmd.Process.Pid }

// Signal sends sig to the process.
func (p *Proxy) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Wait waits for the process to end and returns its exit code.
func (p *Proxy) Wait(ctx context.Context) (int, error) {
	select {
	case <-p.exited:
		return p.code, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("pgkeyless did not end: %w", context.Cause(ctx))
	}
}

// Exited is closed when the process has ended.
func (p *Proxy) Exited() <-chan struct{} { return p.exited }

// Kill ends the process at once and waits for it.
func (p *Proxy) Kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return
	}
	<-p.exited
}
