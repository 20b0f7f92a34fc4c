package tunnel

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
)

const reconnect = "connect again: a new session is started by itself"

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
	e := &Error{
		msg:    fmt.Sprintf("%s: %s", op, clean(err.Error())),
		state:  state,
		detail: p.String(),
		hint:   reconnect,
		err:    err,
	}
	if _, ok := errors.AsType[*datachannel.HandshakeError](err); ok {
		e.hint = fmt.Sprintf("document %s must be one for port forwarding, and the SSM agent at least 3.1.1374.0", p.document)
		return e
	}
	switch {
	case errors.Is(err, errSessionOver):
		e.msg = op + ": the service has ended it (idle timeout, maximum duration, or somebody terminated it)"
	case errors.Is(err, datachannel.ErrHandshakeTimeout):
		e.hint = fmt.Sprintf("check the SSM agent on %s: it is registered but opened no data channel; it needs a route to ssmmessages and "+
			"ssmmessages:CreateDataChannel and OpenDataChannel in its instance role", p.target)
	case errors.Is(err, datachannel.ErrPeerSilent):
		e.hint = "check that the jump host is running and its network is up, then " + reconnect
	}
	return e
}

// refusals are the agent's reasons to end a session, by a part of their text.
//
// Source: agent, agent/session/plugins/port/port.go and iohandler.go.
var refusals = []struct{ text, means, hint string }{
	{
		"forwarding to ip address",
		"the jump host must not forward to this address",
		"the agent refuses metadata, DNS and other reserved addresses of the VPC: check what the endpoint's name resolves to there; " +
			"for a service on the jump host itself use document " + localDocument,
	}, {
		"no such host",
		"the jump host cannot resolve the endpoint's name",
		"check the name for typing errors and that the jump host uses the DNS of the database's VPC",
	}, {
		"lookup ",
		"the jump host cannot resolve the endpoint's name",
		"check the DNS settings of the jump host and its VPC",
	}, {
		"port number is empty",
		"the document passes no port on",
		"use document " + remoteHostDocument + " or one with the same properties",
	}, {
		"unable to connect to specified port",
		"the jump host cannot connect to the endpoint",
		"the database's security group must allow the jump host on this port",
	}, {
		"plugin with name port is not supported",
		"the SSM agent is too old to forward ports",
		"update the SSM agent on the jump host to 3.1.1374.0 or later",
	}, {
		"setting up data channel",
		"the SSM agent could not open its side",
		"the jump host's instance role must allow ssmmessages:CreateDataChannel and ssmmessages:OpenDataChannel, " +
			"and it needs a route to ssmmessages",
	}, {
		"initiating handshake",
		"the handshake with the SSM agent was not completed",
		"connect again; if it lasts, update the SSM agent on the jump host",
	},
}

// closedByPeer words channel_closed. Its text is matched loosely: it is meant
// for people and has changed between releases.
func (p place) closedByPeer(op, state string, closed *datachannel.ChannelClosedError) *Error {
	text := clean(strings.ReplaceAll(closed.Output, "----------ERROR-------", ""))
	e := &Error{
		msg:    op + ": closed by the service or the jump host (idle timeout, maximum duration, or somebody terminated it)",
		state:  state,
		detail: p.String(),
		hint:   reconnect,
		err:    closed,
	}
	if text == "" {
		return e
	}
	e.msg = fmt.Sprintf("%s: the jump host says: %s", op, text)
	for _, r := range refusals {
		if strings.Contains(strings.ToLower(text), r.text) {
			e.msg = fmt.Sprintf("%s: %s: %s", op, r.means, text)
			e.state = stateUnreachable
			e.hint = r.hint
			break
		}
	}
	return e
}

// letGo words the end of a session that the pool ended. It has no streams, so
// this is for the log.
func (p place) letGo(why string) *Error {
	return &Error{
		msg:    why,
		state:  stateLost,
		detail: p.String(),
		hint:   reconnect,
		err:    datachannel.ErrTerminated,
	}
}

func (p place) closedError() *Error {
	return &Error{
		msg:    "tunnel through " + p.target + " closed",
		state:  stateShuttingDown,
		detail: p.String(),
		hint:   "the proxy is shutting down: start it again",
		err:    ErrClosed,
	}
}

// stillStarting is the error of a caller that did not wait for a start to end.
func (p place) stillStarting(cause error) *Error {
	return &Error{
		msg:    p.starting() + ": not ready when the wait ended",
		state:  stateNotReady,
		detail: p.String(),
		hint:   "the start goes on: connect again, with a longer timeout if the client has one",
		err:    cause,
	}
}

func (p place) tooManyWaiting(err error) *Error {
	return &Error{
		msg:    fmt.Sprintf("too many connections wait for jump host %s to connect to %s", p.target, p.address),
		state:  stateTooMany,
		detail: p.String(),
		hint: "the jump host gets no answer from the database: its security group must allow the jump host on this port; " +
			"also check host and port",
		err: err,
	}
}

// overflow words the end of a stream whose client does not read what it asked
// for. smux version 1 cannot hold the database back.
func (p place) overflow(err error) *Error {
	return &Error{
		msg:    "connection to " + p.address + " cut: the client does not read what the database sends",
		state:  stateLost,
		detail: p.String(),
		hint:   "fetch large results in parts (a cursor, or COPY to a file)",
		err:    err,
	}
}

// lost marks e as the end of a running session rather than a failed start. The
// code for credentials stays: it says more.
func (e *Error) lost() *Error {
	if e.state == stateUnreachable {
		e.state = stateLost
	}
	return e
}

// gaveUp adds how long it was tried.
func (e *Error) gaveUp(after time.Duration) *Error {
	e.msg = fmt.Sprintf("%s (given up after %s)", e.msg, after.Round(time.Second))
	return e
}
