package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// Stdout as a path means the standard output.
const Stdout = "-"

// How long a record may wait: for its turn and to be written, and at the end.
const (
	patience = 5 * time.Second
	farewell = time.Second
)

// errStuck is a log that takes no records, such as a pipe that nobody reads.
var errStuck = fmt.Errorf("it has not accepted a record for %v", patience)

// Log is an audit log. Its methods are safe for concurrent use. One goroutine writes, so
// that a file that does not take records holds nobody up for longer than patience.
type Log struct {
	path  string
	proof func(proxy.SessionSnapshot) string
	aws   func(target string) string

	wanted chan job
	ended  chan struct{} // closed when the goroutine has ended
	end    context.CancelFunc

	out  io.WriteCloser // of the goroutine
	torn bool           // the last record was not written whole
}

// job is something for the goroutine to do. The answer is never waited for by it.
type job struct {
	do   func() error
	done chan error
}

// Config is what Open needs. Proof says how a client has proved who it is; AWS, whose
// the credentials are for a target, "" while that is not known.
type Config struct {
	Path  string // of a file, or Stdout
	Proof func(proxy.SessionSnapshot) string
	AWS   func(target string) string
}

// Open opens the log for appending; a new file has mode 0600. An error is a
// causes.Misuse.
func Open(c Config) (*Log, error) {
	var out io.WriteCloser = stdout{os.Stdout}
	if c.Path != Stdout {
		f, err := open(c.Path)
		if err != nil {
			return nil, causes.MisuseOf(fmt.Errorf("audit-log: %w", err), "name a file that pgkeyless can write to, or - for stdout")
		}
		out = f
	}
	return start(c, out), nil
}

// start makes a Log that writes to out, and its goroutine.
func start(c Config, out io.WriteCloser) *Log {
	ctx, end := context.WithCancel(context.Background())
	l := &Log{path: c.Path, proof: c.Proof, aws: c.AWS, wanted: make(chan job), ended: make(chan struct{}), end: end, out: out}
	go l.run(ctx)
	return l
}

// open opens a file, which must be no pipe: opening one may wait for ever.
func open(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket|fs.ModeDir) != 0 {
		return nil, fmt.Errorf("%s is no file", path)
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
}

// stdout is not closed.
type stdout struct{ io.Writer }

func (stdout) Close() error { return nil }

// run does one job after another until ctx ends, and closes the file.
func (l *Log) run(ctx context.Context) {
	defer close(l.ended)
	for {
		select {
		case j := <-l.wanted:
			j.done <- j.do()
		case <-ctx.Done():
			l.out.Close()
			return
		}
	}
}

// ask has the goroutine do something, and waits for it for patience at most.
func (l *Log) ask(do func() error) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	j := job{do, make(chan error, 1)}
	select {
	case l.wanted <- j:
	case <-l.ended:
		return os.ErrClosed
	case <-late.C:
		return errStuck
	}
	select {
	case err := <-j.done:
		return err
	case <-late.C:
		return errStuck
	}
}

// Reopen goes on with the file that now has the name, after another program has moved
// the one before away. Without one, the log goes on where it was.
func (l *Log) Reopen() error {
	if l.path == Stdout {
		return nil
	}
	return l.ask(func() error {
		f, err := open(l.path)
		if err != nil {
			return err
		}
		before := l.out
		l.out, l.torn = f, false
		return before.Close()
	})
}

// Close ends the log, and waits for a record that is being written, but not for long.
// Records that come later are errors.
func (l *Log) Close() error {
	l.end()
	select {
	case <-l.ended:
		return nil
	case <-time.After(farewell):
		return errStuck
	}
}

// line is one record. Its order is that of the members in a line.
type line struct {
	At          time.Time `json:"time"`
	Kind        string    `json:"event"`
	Session     uint64    `json:"session"`
	Identity    string    `json:"identity,omitempty"`
	Proof       string    `json:"proof"`
	Peer        string    `json:"peer,omitempty"`
	From        string    `json:"from"`
	Via         string    `json:"via,omitempty"`
	AWS         string    `json:"aws_identity,omitempty"`
	Target      string    `json:"target,omitempty"`
	Database    string    `json:"database,omitempty"`
	User        string    `json:"user,omitempty"`
	Application string    `json:"application_name,omitempty"`
	PID         uint32    `json:"backend_pid,omitempty"`
	SSMSession  string    `json:"ssm_session,omitempty"`
	TLS         bool      `json:"tls"`
	Method      string    `json:"password_method,omitempty"`
	Ready       time.Time `json:"ready_since,omitzero"`
	Took        float64   `json:"ms"`
	Up          int64     `json:"bytes_up"`
	Down        int64     `json:"bytes_down"`
	SQLState    string    `json:"sqlstate,omitempty"`
	Cause       string    `json:"cause,omitempty"`
	Reason      string    `json:"reason,omitempty"`
}

// Write writes a record as one line, in one write.
func (l *Log) Write(e proxy.AuditEvent) error {
	r := line{
		At: e.At.UTC(), Kind: e.Kind, Session: e.ID, Identity: clean(e.Identity), Proof: l.proof(e.SessionSnapshot), Peer: clean(e.Peer), From: clean(e.Client), Via: clean(e.Via),
		AWS: cmp.Or(e.As, l.aws(e.Route)), Target: e.Route, Database: clean(e.Database), User: clean(e.User), Application: clean(e.ApplicationName),
		PID: e.PID, SSMSession: clean(e.SSMSession), TLS: e.TLS, Method: e.Method, Ready: e.Ready.UTC(), Took: float64(e.Took.Microseconds()) / 1000,
		Up: e.BytesUp, Down: e.BytesDown, SQLState: e.SQLState, Cause: e.Cause, Reason: clean(e.Reason),
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	return l.ask(func() error { return l.append(text) })
}

// append writes a line. After one that was cut off it begins another.
func (l *Log) append(text []byte) error {
	if l.torn {
		text = append([]byte{'\n'}, text...)
	}
	n, err := l.out.Write(text)
	if err == nil || n > 0 {
		l.torn = err != nil
	}
	return err
}

// clean keeps what clients say from breaking out of a line, on a terminal too.
func clean(s string) string { return display.Line(strings.ToValidUTF8(s, "�")) }
