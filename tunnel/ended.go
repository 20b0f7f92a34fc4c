package tunnel

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
)

// startError words the end of a session that never carried a stream.
func (p place) startError(err error) *Error {
	return p.ended(p.starting(), stateUnreachable, err)
}

// sessionError words the end of a session that carried streams.
func (p place) sessionError(err error) *Error {
	return p.ended("SSM session on "+p.target+" lost", stateLost, err)
}

// ended words an error of the data channel or the mux. One that has its words
// already keeps them.
func (p place) ended(op, state string, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if closed, ok := errors.AsType[*datachannel.ChannelClosedError](err); ok {
		return p.closedByPeer(op, state, closed)
	}
	cause := causes.SessionLost
	if _, ok := errors.AsType[*datachannel.HandshakeError](err); ok {
		cause = causes.WrongDocument
	}
	switch {
	case errors.Is(err, errSessionOver):
		cause, state = causes.SessionOver, inOrder(state)
	case errors.Is(err, datachannel.ErrHandshakeTimeout):
		cause = causes.AgentSilent
	case errors.Is(err, datachannel.ErrPeerSilent):
		cause = causes.JumpHostGone
	}
	e := p.because(cause, causes.Facts{"doing": op, "said": clean(err.Error())}, err)
	e.state = state
	return e
}

// closedByPeer words channel_closed.
func (p place) closedByPeer(op, state string, closed *datachannel.ChannelClosedError) *Error {
	text := clean(strings.ReplaceAll(closed.Output, "----------ERROR-------", ""))
	cause, known := causes.Spoken(causes.AgentRefusals(), text)
	switch {
	case text == "":
		cause = causes.SessionClosed
	case !known:
		cause = causes.AgentSays
	}
	e := p.because(cause, causes.Facts{"doing": op, "said": text}, closed)
	if e.state == "" {
		e.state = inOrder(state)
	}
	return e
}

// letGo words the end of a session that the pool ended. It has no streams, so
// this is for the log.
func (p place) letGo(why string) *Error {
	e := p.because(causes.SessionLost, nil, datachannel.ErrTerminated)
	e.msg, e.state = why, stateLost
	return e
}

// closedError is for the log: clients are told that the proxy is shutting down,
// before the tunnel does.
func (p place) closedError() *Error {
	e := p.because(causes.SessionLost, nil, ErrClosed)
	e.msg, e.state = "tunnel through "+p.target+" closed", stateShuttingDown
	return e
}

// stillStarting is the error of a caller that did not wait for a start to end.
func (p place) stillStarting(cause error) *Error {
	return p.because(causes.StillStarting, causes.Facts{"doing": p.starting()}, cause)
}

func (p place) tooManyWaiting(err error) *Error { return p.because(causes.TooManyWaiting, nil, err) }

// overflow words the end of a stream whose client does not read what it asked
// for. smux version 1 cannot hold the database back.
func (p place) overflow(err error) *Error { return p.because(causes.StreamOverflow, nil, err) }

// lost marks e as the end of a running session rather than a failed start. The
// code for credentials stays: it says more.
func (e *Error) lost() *Error {
	if e.state == stateUnreachable {
		e.state = stateLost
	}
	return e
}

// inOrder is the SQLSTATE of an end that somebody wanted, where state is that of
// a loss: a running session's.
func inOrder(state string) string {
	if state == stateLost {
		return stateShuttingDown
	}
	return state
}

// gaveUp adds how long it was tried.
func (e *Error) gaveUp(after time.Duration) *Error {
	e.msg = fmt.Sprintf("%s (given up after %s)", e.msg, after.Round(time.Second))
	return e
}
