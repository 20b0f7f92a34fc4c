package tunnel

import (
	"errors"

	"github.com/pgkeyless/pgkeyless/tunnel/mux"
)

// stream is a mux stream whose errors know where it leads. Everything else is
// mux.Stream's.
type stream struct {
	*mux.Stream
	place place
}

// Read is mux.Stream's. Beside io.EOF, net.ErrClosed and
// os.ErrDeadlineExceeded its errors are *Error: the jump host could not connect
// to the address, or the session has ended.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.Stream.Read(p)
	if err != nil {
		err = s.word(err)
	}
	return n, err
}

// Write is mux.Stream's. Beside net.ErrClosed, os.ErrDeadlineExceeded and
// mux.ErrPeerClosed its errors are *Error, as those of Read.
func (s *stream) Write(p []byte) (int, error) {
	n, err := s.Stream.Write(p)
	if err != nil {
		err = s.word(err)
	}
	return n, err
}

func (s *stream) word(err error) error {
	switch {
	case errors.Is(err, mux.ErrConnect):
		return s.place.refusedDial(err)
	case errors.Is(err, mux.ErrStreamOverflow):
		return s.place.overflow(err)
	case errors.Is(err, mux.ErrClosed):
		return s.place.sessionError(err)
	}
	return err
}
