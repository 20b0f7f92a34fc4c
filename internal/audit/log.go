package audit

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// Stdout as a path means the standard output.
const Stdout = "-"

// Log is an audit log. It is safe for concurrent use.
type Log struct {
	path string
	// Proof says how a client has proved who it is; AWS, whose the credentials are for a
	// target, "" while that is not known.
	proof func(proxy.SessionSnapshot) string
	aws   func(target string) string

	mu  sync.Mutex
	out io.WriteCloser
}

// Config is what Open needs.
type Config struct {
	Path  string // of a file, or Stdout
	Proof func(proxy.SessionSnapshot) string
	AWS   func(target string) string
}

// Open opens the log for appending; a new file has mode 0600. An error is a
// causes.Misuse.
func Open(c Config) (*Log, error) {
	l := &Log{path: c.Path, proof: c.Proof, aws: c.AWS}
	if c.Path == Stdout {
		l.out = stdout{os.Stdout}
		return l, nil
	}
	f, err := open(c.Path)
	if err != nil {
		return nil, causes.MisuseOf(fmt.Errorf("audit-log: %w", err), "name a file that pgkeyless can write to, or - for stdout")
	}
	l.out = f
	return l, nil
}

func open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
}

// stdout is not closed.
type stdout struct{ io.Writer }

func (stdout) Close() error { return nil }

// Reopen goes on with the file that now has the name, after another program has moved
// the one before away. Without one, the log goes on where it was.
func (l *Log) Reopen() error {
	if l.path == Stdout {
		return nil
	}
	f, err := open(l.path)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.out
	l.out = f
	return before.Close()
}

// Close closes the file. Records that come later are errors.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Close()
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
	AWS         string    `json:"aws_identity,omitempty"`
	Target      string    `json:"target,omitempty"`
	Database    string    `json:"database,omitempty"`
	User        string    `json:"user,omitempty"`
	Application string    `json:"application_name,omitempty"`
	PID         uint32    `json:"backend_pid,omitempty"`
	SSMSession  string    `json:"ssm_session,omitempty"`
	TLS         bool      `json:"tls"`
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
		At: e.At.UTC(), Kind: e.Kind, Session: e.ID, Identity: clean(e.Identity), Proof: l.proof(e.SessionSnapshot), Peer: clean(e.Peer), From: clean(e.Client),
		AWS: l.aws(e.Route), Target: e.Route, Database: clean(e.Database), User: clean(e.User), Application: clean(e.ApplicationName),
		PID: e.PID, SSMSession: clean(e.SSMSession), TLS: e.TLS, Took: float64(e.Took.Microseconds()) / 1000,
		Up: e.BytesUp, Down: e.BytesDown, SQLState: e.SQLState, Cause: e.Cause, Reason: clean(e.Reason),
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err = l.out.Write(append(text, '\n'))
	return err
}

// clean keeps what clients say from breaking out of a line, on a terminal too.
func clean(s string) string { return display.Line(strings.ToValidUTF8(s, "�")) }
