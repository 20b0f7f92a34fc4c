package tunnel

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/tunnel/mux"
)

// stream is a mux stream whose errors know where it leads, and whose fate tells
// the pool about its session. Everything else is mux.Stream's.
type stream struct {
	*mux.Stream
	place    place
	session  *session
	dialer   *Dialer
	answered atomic.Bool // by the database
	load     *load
}

// SSMSession is the id of the SSM session that carries the stream.
func (s *stream) SSMSession() string { return s.session.id }

// Read is mux.Stream's. Beside io.EOF, net.ErrClosed and
// os.ErrDeadlineExceeded its errors have words as those of Dialer.DialContext: the
// jump host could not connect to the address, or the session has ended.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.Stream.Read(p)
	s.load.bytes.Add(int64(n))
	if n > 0 && !s.answered.Load() {
		s.answered.Store(true)
		s.session.reached.Store(true)
	}
	if err != nil {
		err = s.failed(err)
	}
	return n, err
}

// Write is mux.Stream's. Beside net.ErrClosed, os.ErrDeadlineExceeded and
// mux.ErrPeerClosed its errors are as those of Read.
func (s *stream) Write(p []byte) (int, error) {
	n, err := s.Stream.Write(p)
	s.load.bytes.Add(int64(n))
	if err != nil {
		err = s.failed(err)
	}
	return n, err
}

// Close is mux.Stream's. Closing a stream that waited in vain for its first byte
// tells the pool that the jump host is stuck dialling.
func (s *stream) Close() error {
	if s.Waiting() >= blockedAnswer && s.session.channel.Stats().Silent < silentAfter {
		s.dialer.suspect(s.session, "the jump host got no answer from the database")
	}
	s.load.closed.Store(true)
	return s.Stream.Close()
}

// Retire says that the database behind this stream is not, or no longer, the
// one to connect to: it is shutting down, has become read-only, or does not
// answer. New streams to the address get a new session, for which the jump host
// resolves the name anew; those that are open go on. A stream that never reached
// the database says so in vain where a new session would find the same address.
// reason is for the log.
func (s *stream) Retire(reason string) {
	reason = display.Line(reason)
	if !s.answered.Load() {
		s.dialer.suspect(s.session, reason)
		return
	}
	s.dialer.mu.Lock()
	defer s.dialer.mu.Unlock()
	s.dialer.stale(s.session, reason)
}

// Retired reports whether the session that carries the stream takes no new ones any more:
// the database behind it may not be the right one, or the session is old or has ended.
func (s *stream) Retired() bool {
	s.dialer.mu.Lock()
	defer s.dialer.mu.Unlock()
	return s.session.retired != ""
}

// Busy reports whether the session that carries the stream is one on which a new stream
// would not begin by choice: it carries much, or its agent does not answer.
func (s *stream) Busy() bool {
	s.dialer.mu.Lock()
	defer s.dialer.mu.Unlock()
	return s.session.view(time.Now()).health() != quiet
}

// failed words an error, and tells the pool of it.
func (s *stream) failed(err error) error {
	if errors.Is(err, mux.ErrConnect) {
		s.dialer.suspect(s.session, "the jump host could not connect to the database")
	}
	return s.word(err)
}

func (s *stream) word(err error) error {
	switch {
	case errors.Is(err, mux.ErrConnect):
		return causes.DatabaseRefuses.New(s.place.facts(), err)
	case errors.Is(err, mux.ErrStreamOverflow):
		return causes.StreamOverflow.New(s.place.facts(), err)
	case errors.Is(err, mux.ErrClosed):
		return s.place.sessionError(err)
	}
	return err
}
