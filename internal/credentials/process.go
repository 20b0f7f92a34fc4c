package credentials

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

const (
	// maxProcessOutput is more than keys ever take.
	maxProcessOutput = 1 << 20

	// processEnd is how long the pipes of an ended process are waited for: a child
	// of its may keep them.
	processEnd = time.Second
)

// process runs a credential_process.
//
// It is not the SDK's provider, which passes the process's stderr on past our
// log, repeats its output in errors, ends it after a minute whatever a login may
// take, and leaves its children.
//
// Sources: AWS SDKs and Tools guide, feature-process-credentials.html; aws-cli,
// botocore/credentials.py (ProcessProvider).
type process struct {
	profile string // whose credential_process it is
	command string
	people  People
	wait    *patience
	running *processes
	open    *atomic.Pointer[question]
	warn    func(message string, facts ...any)
}

// processError is a credential_process that gave no credentials. It never holds
// what it printed on stdout.
type processError struct {
	profile string
	said    string // what happened
	stderr  string // the last line
	fix     string
}

func (e *processError) Error() string { return "credential_process: " + e.said }

func (e *processError) facts(used string) causes.Facts {
	f := causes.Facts{"said": e.Error(), "stderr": e.stderr, "fix": e.fix, "process": fmt.Sprintf("the credential_process of profile %q", e.profile)}
	if e.profile != used {
		f["owner"] = fmt.Sprintf("of profile %q", e.profile)
	}
	return f
}

// Retrieve implements aws.CredentialsProvider.
func (p *process) Retrieve(ctx context.Context) (aws.Credentials, error) {
	defer p.wait.pause()()
	defer p.open.Store(nil)
	p.open.Store(&question{causes.CredentialsSlow, causes.Facts{"said": fmt.Sprintf("the credential_process of profile %q has not finished", p.profile)}})
	ctx, cancel := context.WithTimeout(ctx, p.wait.most)
	defer cancel()
	out, last, err := p.run(ctx)
	said := ""
	switch exit, _ := errors.AsType[*exec.ExitError](err); {
	case ctx.Err() != nil:
		said = fmt.Sprintf("it did not finish within %v, and pgkeyless ended it", p.wait.most)
	case exit != nil:
		said = exit.ProcessState.String()
	case errors.Is(err, exec.ErrWaitDelay):
		err = nil // a child has kept its stdout
	case err != nil:
		said = err.Error()
	}
	if said != "" {
		return aws.Credentials{}, &processError{profile: p.profile, said: said, stderr: last}
	}
	keys, e := readKeys(out)
	if e != nil {
		e.profile, e.stderr = p.profile, last
		return aws.Credentials{}, e
	}
	keys.Source = "ProcessProvider"
	return keys, nil
}

// run returns what the process printed, and the last line of its stderr. When ctx
// ends, so does its process group.
func (p *process) run(ctx context.Context) (out []byte, last string, err error) {
	words := []string{"sh", "-c", strings.ReplaceAll(p.command, "\n", " ")}
	if runtime.GOOS == "windows" {
		words = []string{"cmd.exe", "/C", words[2]}
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	printed := &limited{most: maxProcessOutput}
	said := &lines{each: func(line string) { p.warn("credential_process says", "profile", p.profile, "line", line) }}
	cmd.Stdout, cmd.Stderr = printed, said
	cmd.WaitDelay = processEnd
	cmd.Cancel = func() error { return endGroup(cmd.Process) }
	restore := ownGroup(cmd, p.people.Terminal != nil && p.people.Terminal())
	defer restore()
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	defer p.running.add(cmd.Process)()
	err = cmd.Wait()
	said.end()
	if err == nil && printed.over {
		err = errors.New("it prints too much")
	}
	return printed.Bytes(), said.last, err
}

// limited keeps what is written to it, up to most.
type limited struct {
	bytes.Buffer
	most int
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	room := l.most - l.Len()
	l.over = l.over || len(p) > room
	l.Buffer.Write(p[:min(len(p), room)])
	return len(p), nil
}

// lines gives what is written to it to each, cleaned and line by line.
type lines struct {
	each func(line string)
	last string
	rest []byte
}

// maxLine is what of a line is kept before it ends.
const maxLine = 4096

func (l *lines) Write(p []byte) (int, error) {
	for _, b := range p {
		if b == '\n' || b == '\r' {
			l.end()
		} else if len(l.rest) < maxLine {
			l.rest = append(l.rest, b)
		}
	}
	return len(p), nil
}

// end is the end of a line, also of one without a newline.
func (l *lines) end() {
	line := display.Line(string(l.rest))
	l.rest = l.rest[:0]
	if line != "" {
		l.last = line
		l.each(line)
	}
}

// processes are those that run now. The zero value is ready.
type processes struct {
	mu    sync.Mutex
	ended bool
	all   map[*os.Process]bool
}

// add notes p; the function that it returns forgets it.
func (r *processes) add(p *os.Process) (forget func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		_ = endGroup(p)
	}
	if r.all == nil {
		r.all = map[*os.Process]bool{}
	}
	r.all[p] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.all, p)
	}
}

// end ends all that run, and what starts from now on.
func (r *processes) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for p := range r.all {
		_ = endGroup(p) // may have ended by itself
	}
}
