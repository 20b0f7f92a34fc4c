package tunnel

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
)

// startError words the end of a session that never carried a stream.
func (p place) startError(err error) *causes.Error {
	p.carried = false
	return p.ended(p.starting(), err)
}

// sessionError words the end of a session that carried streams.
func (p place) sessionError(err error) *causes.Error {
	p.carried = true
	return p.ended("SSM session on "+p.target+" lost", err)
}

// ended words an error of the data channel or the mux. One that has its words
// already keeps them.
func (p place) ended(op string, err error) *causes.Error {
	if worded, ok := errors.AsType[*causes.Error](err); ok {
		return worded
	}
	if closed, ok := errors.AsType[*datachannel.ChannelClosedError](err); ok {
		return p.closedByPeer(op, closed)
	}
	row, state := causes.SessionLost, p.state(stateUnreachable)
	if _, ok := errors.AsType[*datachannel.HandshakeError](err); ok {
		row = causes.WrongDocument
	}
	switch {
	case errors.Is(err, errSessionOver):
		row, state = causes.SessionOver, p.inOrder()
	case errors.Is(err, datachannel.ErrHandshakeTimeout):
		row = causes.AgentSilent
	case errors.Is(err, datachannel.ErrPeerSilent):
		row = causes.JumpHostGone
	}
	row.SQLState = state
	return row.New(p.facts().With(causes.Facts{"doing": op}), err)
}

// closedByPeer words channel_closed.
func (p place) closedByPeer(op string, closed *datachannel.ChannelClosedError) *causes.Error {
	text := display.Line(strings.ReplaceAll(closed.Output, "----------ERROR-------", ""))
	row, known := causes.Spoken(causes.AgentRefusals(), text)
	switch {
	case text == "":
		row = causes.SessionClosed
	case !known:
		row = causes.AgentSays
	}
	row.SQLState = cmp.Or(row.SQLState, p.inOrder())
	return row.New(p.facts().With(causes.Facts{"doing": op, "said": text}), closed)
}

// inOrder is the SQLSTATE of an end that somebody wanted.
func (p place) inOrder() string {
	if p.carried {
		return stateShuttingDown
	}
	return stateUnreachable
}

// letGo words the end of a session that the pool ended. It has no streams, so
// this is for the log.
func (p place) letGo(why string) *causes.Error {
	row := causes.SessionLost
	row.Message, row.SQLState = "{why}", stateLost
	return row.New(p.facts().With(causes.Facts{"why": why}), datachannel.ErrTerminated)
}

// closedError is for the log: clients hear that the proxy is shutting down,
// before the tunnel does.
func (p place) closedError() *causes.Error {
	row := causes.SessionLost
	row.Message, row.SQLState = "tunnel through {jump host} closed", stateShuttingDown
	return row.New(p.facts(), ErrClosed)
}

// stillStarting is the error of a caller that did not wait for a start to end. The
// cause of ctx is not in it: it may have words of its own, of another wait.
func (p place) stillStarting(ctx context.Context) *causes.Error {
	return causes.StillStarting.New(p.facts().With(causes.Facts{"doing": p.starting()}), ctx.Err())
}

// gaveUp adds to err how long it was tried.
func gaveUp(after time.Duration, err error) *causes.Error {
	rest := causes.Cause{Message: "{said} (given up after {time})"} // all but the message is err's
	return rest.New(causes.Facts{"said": err.Error(), "time": after.Round(time.Second).String()}, err)
}
