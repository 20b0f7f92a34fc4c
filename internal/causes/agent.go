package causes

import "github.com/pgkeyless/pgkeyless/internal/agentversion"

const (
	agentSays   = "{doing}: the jump host says: "
	preferences = "; the account's Session Manager preferences set the idle timeout and the maximum duration"
)

// The agent ends a session and says why, in channel_closed. Says is matched
// loosely: the texts are for people and have changed between releases.
//
// Source: agent, agent/session/plugins/port/port.go and iohandler.go.
var (
	AddressForbidden = Cause{
		Name: "address-forbidden", SQLState: cannotConnect, Says: "forwarding to ip address",
		Message: "{doing}: the jump host must not forward to this address: {said}",
		Detail:  where,
		Hint:    "the agent refuses metadata, DNS and other reserved addresses of the VPC: check what the endpoint's name resolves to there",
		Means:   "the name resolves to a reserved address of the jump host's VPC",
	}
	NameUnknown = Cause{
		Name: "name-unknown-to-jump-host", SQLState: cannotConnect, Stale: true, Says: "no such host",
		Message: "{doing}: the jump host cannot resolve the endpoint's name: {said}",
		Detail:  where,
		Hint:    "check the name for typing errors and that the jump host uses the DNS of the database's VPC",
		Means:   "a typing error, or a private zone of another VPC",
	}
	LookupFailed = Cause{
		Name: "lookup-failed-on-jump-host", SQLState: cannotConnect, Says: "lookup ",
		Message: "{doing}: the jump host cannot resolve the endpoint's name: {said}",
		Detail:  where,
		Hint:    "check the DNS settings of the jump host and its VPC",
		Means:   "the jump host's resolver does not answer",
	}
	PortEmpty = Cause{
		Name: "document-without-port", SQLState: cannotConnect, Says: "port number is empty",
		Message: "{doing}: the session document does not pass portNumber to the agent: {said}",
		Detail:  where,
		Hint:    "check in Systems Manager that document {document}, in the jump host's region, passes portNumber to the agent",
		Means:   "the session document reaches the agent without a port",
	}
	PortUnreachable = Cause{
		Name: "port-unreachable", SQLState: cannotConnect, Stale: true, Says: "unable to connect to specified port",
		Message: "{doing}: the jump host cannot connect to the endpoint: {said}",
		Detail:  where,
		Hint:    "the database's security group must allow the jump host on this port (" + noGroup + "); also update the agent, which can carry one connection only",
		Means:   "an old agent, without support for several streams, could not reach the database",
	}
	AgentTooOld = Cause{
		Name: "agent-too-old", SQLState: cannotConnect, Says: "plugin with name port is not supported",
		Message: "{doing}: the SSM agent is too old to forward ports: {said}",
		Detail:  where,
		Hint:    "update the SSM agent on the jump host to " + agentversion.Supported + " or later",
		Means:   "the jump host's agent cannot forward ports",
	}
	AgentChannelFailed = Cause{
		Name: "agent-channel-failed", SQLState: cannotConnect, Says: "setting up data channel",
		Message: "{doing}: the SSM agent could not open its side: {said}",
		Detail:  where,
		Hint: "the jump host's instance role must allow ssmmessages:CreateDataChannel and ssmmessages:OpenDataChannel, " +
			"and it needs a route to ssmmessages",
		Means: "the jump host's role or network does not let it reach `ssmmessages`",
	}
	AgentHandshakeFailed = Cause{
		Name: "agent-handshake-failed", SQLState: cannotConnect, Says: "initiating handshake",
		Message: "{doing}: the handshake with the SSM agent was not completed: {said}",
		Detail:  where,
		Hint:    "reconnect; if it persists, update the SSM agent on the jump host",
		Means:   "the agent gave up the handshake",
	}
	AgentSays = Cause{
		Name:    "agent-says",
		Message: agentSays + "{said}",
		Detail:  where,
		Hint:    reconnect,
		Means:   "any other text of the agent or the service; 08001 before the session carries anything, else 57P01",
	}
)

// The session ends without such a text, or does not begin.
var (
	SessionClosed = Cause{
		Name:    "session-closed",
		Message: "{doing}: closed by the service or the jump host (idle timeout, maximum duration, or someone terminated it)",
		Detail:  where,
		Hint:    reconnect + preferences,
		Means:   "the account's idle timeout or maximum duration, or `TerminateSession`; 08001 before the session carries anything, else 57P01",
	}
	SessionOver = Cause{
		Name:    "session-over",
		Message: "{doing}: the service has ended it (idle timeout, maximum duration, or someone terminated it)",
		Detail:  where,
		Hint:    reconnect + preferences,
		Means:   "the same, detected when pgkeyless tried to resume a lost websocket",
	}
	SessionLost = Cause{
		Name:    "session-lost",
		Message: "{doing}: {said}",
		Detail:  where,
		Hint:    reconnect,
		Means:   "any other end of a session; 08001 before it carries anything, else 08006",
	}
	WrongDocument = Cause{
		Name:    "wrong-document",
		Message: "{doing}: {said}",
		Detail:  where,
		Hint:    "document {document} must be one for port forwarding, and the SSM agent at least " + agentversion.Supported,
		Means:   "the document starts another type of session, or asks for encryption that port sessions do not have",
	}
	AgentSilent = Cause{
		Name:    "agent-silent",
		Message: "{doing}: {said}",
		Detail:  where,
		Hint: "check the SSM agent on {jump host}: it is registered but opened no data channel; it needs a route to ssmmessages and " +
			"ssmmessages:CreateDataChannel and OpenDataChannel in its instance role",
		Means: "StartSession succeeded, but the agent did not answer within 50 s (14 s after a first failure), or did not finish the handshake within 14 s",
	}
	JumpHostGone = Cause{
		Name:    "jump-host-gone",
		Message: "{doing}: {said}",
		Detail:  where,
		Hint:    "check that the jump host is running and its network is up, then " + reconnect,
		Means:   "the jump host stopped answering while connections were open",
	}
	StillStarting = Cause{
		Name: "still-starting", SQLState: notReady,
		Message: "{doing}: not ready in time",
		Detail:  where,
		Hint:    "the start continues: reconnect, or allow logins more time with --login-timeout",
		Means:   "AWS or the jump host is slow; the next client may find the session ready",
	}
)

// AgentRefusals are the rows with a text of the agent's, in the order in which
// they are to be looked for.
func AgentRefusals() []Cause {
	return []Cause{
		AddressForbidden, NameUnknown, LookupFailed, PortEmpty, PortUnreachable, AgentTooOld, AgentChannelFailed, AgentHandshakeFailed,
	}
}

// JumpHost are the rows of this file.
func JumpHost() []Cause {
	return append(AgentRefusals(), AgentSays, SessionClosed, SessionOver, SessionLost, WrongDocument, AgentSilent, JumpHostGone, StillStarting)
}
