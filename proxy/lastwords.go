package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// followed notes where a client is in what the database says.
type followed struct {
	net.Conn
	boundary *boundary
}

func (f followed) Write(p []byte) (int, error) {
	n, err := f.Conn.Write(p)
	f.boundary.follow(p[:n])
	return n, err
}

// NetConn returns the conn beneath, as (*tls.Conn).NetConn does.
func (f followed) NetConn() net.Conn { return f.Conn }

// streamEnd is what carries the TLS of a database, and knows whether its end has
// been read. TLS that ends in good order does not read so far: a close_notify
// comes first.
type streamEnd struct {
	net.Conn
	reached bool // for who reads
}

func (s *streamEnd) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err == io.EOF {
		s.reached = true
	}
	return n, err
}

// NetConn returns the conn beneath, as (*tls.Conn).NetConn does.
func (s *streamEnd) NetConn() net.Conn { return s.Conn }

// errNoGoodbye stands in for the io.EOF of a stream that ended without TLS's
// close_notify, which PostgreSQL sends whenever it ends a session itself.
var errNoGoodbye = errors.New("cut off, as in a crash")

// explained returns why the database's words have ended with err, and whether that
// was not in good order: the tunnel's session was lost, or the database or the way
// to it, or the proxy ends.
func (r *relay) explained(err error) (why error, abrupt bool) {
	switch {
	case r.shut.Load() && !r.server.boundary.failed():
		if r.asked.Load() {
			return errDisconnected, true
		}
		return errShuttingDown, true
	case ownDoing(err):
		return err, false
	case causes.SQLState(err) != "":
		return err, true
	case r.server.boundary.failed() && r.server.boundary.between(): // it has said why
		return err, false
	case err == io.EOF && !r.server.end.reached:
		return err, false
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF): // in a record
		err = errNoGoodbye
	}
	return r.lost(err), true
}

// ownDoing says that err comes of closing the conn here, or of a deadline. What a
// tunnel has words for is neither, although such an error may be beneath.
func ownDoing(err error) bool {
	return causes.SQLState(err) == "" && (errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded))
}

// lost words an error of the conn to the database, unless it has words already.
func (r *relay) lost(err error) error {
	if causes.SQLState(err) != "" {
		return err
	}
	return causes.DatabaseLost.New(causes.Facts{"database": r.name}, err)
}

// tell tells the client why its session ends. It must stand between two messages
// of the database; in the middle of one it would take our words for the database's
// data.
//
// PostgreSQL itself says so when it has to end a session, at any time, so clients
// know what to do with it.
func (r *relay) tell(why error) {
	if r.said.Load() || !r.server.boundary.between() {
		return
	}
	words, err := response(&lostInSession{why}, "").Encode(nil)
	if err != nil {
		return
	}
	r.client.SetWriteDeadline(time.Now().Add(farewell))
	r.client.Write(words) // its own error changes nothing any more
}

// lostInSession is the end of a session in the words of what ended it, with an
// SQLSTATE that makes every client give up the connection. That overrides the one
// of those words, where a causes.Error leaves it to what is beneath.
type lostInSession struct{ error }

func (l *lostInSession) Unwrap() error { return l.error }

// SQLState is 57P01 for an end in good order, else 08006.
func (l *lostInSession) SQLState() string {
	if code := causes.SQLState(l.error); code == stateShuttingDown {
		return code
	}
	return stateConnectionLost
}
