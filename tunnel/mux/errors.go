package mux

import (
	"errors"
	"fmt"
	"syscall"
)

// Errors that callers can test for with errors.Is. Beside them a Stream gives
// net.ErrClosed after its Close and os.ErrDeadlineExceeded past a deadline.
var (
	// ErrClosed is given by every stream, and by OpenStream, once the Mux has
	// failed. The error also wraps the reason given to Fail.
	ErrClosed = errors.New("tunnel closed")

	// ErrProtocol is the reason when the agent's bytes are not smux version 1.
	ErrProtocol = errors.New("the agent broke the smux protocol")

	// ErrTooMany is given by OpenStream while Config.MaxWaiting streams wait for
	// the agent's first sign of life.
	ErrTooMany = errors.New("too many streams wait for the agent to connect")

	// ErrIDsExhausted is given by OpenStream when every stream id has been used.
	// Open streams go on; new ones need a new session.
	ErrIDsExhausted = errors.New("stream ids are used up")

	// ErrConnect is given by Read and Write of a stream for which the agent could
	// not connect to its target.
	ErrConnect = errors.New("the agent could not connect to its target")

	// ErrStreamOverflow is given by a stream whose reader fell more than
	// Config.MaxStreamBuffer bytes behind.
	ErrStreamOverflow = errors.New("the reader of the stream fell too far behind")

	// ErrPeerClosed is given by Write after the agent has ended the stream. It is
	// a syscall.EPIPE, as on a socket.
	ErrPeerClosed = fmt.Errorf("stream closed by the agent: %w", syscall.EPIPE)
)
