package datachannel

import (
	"errors"
	"fmt"
)

var (
	// ErrHandshakeTimeout: the agent did not finish the handshake in time. A
	// session started within seconds of the agent's own start may vanish so; a
	// new StartSession helps.
	ErrHandshakeTimeout = errors.New("the SSM agent did not finish the handshake in time")

	// ErrAgentAbsent is an ErrHandshakeTimeout of an agent that has given no sign of
	// life at all. It may be slow to start the process that every session has, or
	// the session have vanished.
	ErrAgentAbsent = fmt.Errorf("%w: it has not come", ErrHandshakeTimeout)

	// ErrPeerSilent: the oldest message stayed without acknowledge, although
	// sent again and again on a working transport; or transport after transport
	// broke before the agent had spoken, for Config.OutageTimeout.
	ErrPeerSilent = errors.New("the SSM agent has stopped answering")

	// ErrGap: messages of the agent are missing and will not come in a time
	// worth waiting for.
	ErrGap = errors.New("too many messages of the SSM agent are lost")

	// ErrTerminated is what Run returns after Terminate.
	ErrTerminated = errors.New("the SSM session was terminated")

	// ErrUnconfirmed is what Terminate returns when neither the agent nor the
	// service confirmed the end: the TerminateSession API is then the way.
	ErrUnconfirmed = errors.New("the end of the SSM session was not confirmed")
)

// ChannelClosedError is the end of the session as the service tells it: nothing
// can be resumed.
type ChannelClosedError struct {
	// Output is the reason in the words of the agent, often empty, and fit to be
	// shown to people.
	Output string
}

func (e *ChannelClosedError) Error() string {
	if e.Output == "" {
		return "the SSM session was closed by its other side"
	}
	return fmt.Sprintf("the SSM session was closed by its other side: %s", e.Output)
}

// HandshakeError says why this client and the agent cannot work together. The
// agent has been told, and ends the session.
type HandshakeError struct {
	AgentVersion string // "" when the request did not tell
	Reason       string
}

func (e *HandshakeError) Error() string {
	if e.AgentVersion == "" {
		return fmt.Sprintf("SSM handshake: %s", e.Reason)
	}
	return fmt.Sprintf("SSM handshake with agent %s: %s", e.AgentVersion, e.Reason)
}

// errDeaf: the transport brings the agent's messages and takes none of ours to
// it. It is why that transport is lost, not why the session ends.
var errDeaf = errors.New("the messages sent do not arrive")
