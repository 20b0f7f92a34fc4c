package causes

const (
	reconnect = "connect again: a new session is started by itself"
	where     = "jump host {jump host} in {region}, endpoint {endpoint}[, SSM session {session}]"
	called    = "{action}, " + where + "[, request id {request}][, identity {identity}]"
	websocket = "websocket to ssmmessages, " + where
)

// The Systems Manager API does not start or resume a session.
var (
	TargetNotConnected = Cause{
		Name: "target-not-connected", SQLState: cannotConnect,
		Message: "{doing}: the SSM agent there is not connected",
		Detail:  called,
		Hint: "check `aws ssm get-connection-status --target {jump host} --region {region}`; likely causes: the instance is stopped, " +
			"its agent is down or has no route to ssmmessages, it lacks an instance role, ECS Exec is off, or region or account are wrong",
		Means: "the jump host is stopped, its agent is down, or it is in another region or account",
	}
	InvalidDocument = Cause{
		Name: "invalid-document", SQLState: cannotConnect,
		Message: "{doing}: document {document} does not exist in {region} or is not shared with this account",
		Detail:  called,
		Hint:    "check `aws ssm describe-document --name {document} --region {region}`",
		Means:   "the session document is missing in this region",
	}
	AccessDenied = Cause{
		Name: "access-denied", SQLState: cannotConnect,
		Message: "{doing}: access denied: {said}",
		Detail:  called,
		Hint:    "allow {missing} on {resource} in an IAM policy of this identity; the statement: {statement}",
		Means:   "the IAM policy lacks the jump host or the document",
	}
	ExplicitDeny = Cause{
		Name: "explicit-deny", SQLState: cannotConnect,
		Message: "{doing}: access denied: {said}",
		Detail:  called,
		Hint:    "a policy denies {missing} on {resource} explicitly: find it among the identity's policies, boundaries and SCPs",
		Means:   "a Deny statement goes before every Allow",
	}
	Throttled = Cause{
		Name: "throttled", SQLState: cannotConnect,
		Message: "{doing}: too many Systems Manager calls in this account: {said}",
		Detail:  called,
		Hint:    "connect again in a minute",
		Means:   "the account's limit of API calls is used up, by anybody in it",
	}
	ParametersRefused = Cause{
		Name: "parameters-refused", SQLState: cannotConnect,
		Message: "{doing}: host, port, jump host or document parameters refused: {said}",
		Detail:  called,
		Hint:    "check the endpoint {endpoint}, the jump host {jump host} and the document {document}",
		Means:   "AWS does not take the endpoint, the jump host or the document's parameters",
	}
	SessionManagerFault = Cause{
		Name: "session-manager-fault", SQLState: cannotConnect,
		Message: "{doing}: Systems Manager has a fault of its own ({said})",
		Detail:  called,
		Hint:    "connect again; if it lasts, see the AWS health dashboard for {region}",
		Means:   "AWS answers with a server error",
	}
	SessionManagerOther = Cause{
		Name: "session-manager-error", SQLState: cannotConnect,
		Message: "{doing}: {code}: {said}",
		Detail:  called,
		Hint:    "look up this error of {action} in the Systems Manager API reference",
		Means:   "an error code that is not listed here",
	}
)

// The API or the websocket is not reached, or refuses.
var (
	Unreachable = Cause{
		Name: "aws-unreachable", SQLState: cannotConnect,
		Message: "{doing}: cannot reach {what}: {said}",
		Detail:  "[{through}, ]" + where + "[, request id {request}]",
		Hint:    "check this machine's network, HTTPS_PROXY and NO_PROXY, and AWS_CA_BUNDLE if a proxy opens TLS",
		Means:   "no network, or an HTTP proxy is needed",
	}
	NoAnswer = Cause{
		Name: "aws-no-answer", SQLState: cannotConnect,
		Message: "{doing}: no answer from {what} in time",
		Detail:  "[{through}, ]" + where + "[, request id {request}]",
		Hint:    "check this machine's network, HTTPS_PROXY and NO_PROXY, and AWS_CA_BUNDLE if a proxy opens TLS",
		Means:   "packets are swallowed on the way to AWS, or the jump host is very slow",
	}
	ProxyWantsLogin = Cause{
		Name: "http-proxy-login", SQLState: cannotConnect,
		Message: "HTTP proxy {proxy} wants a login before it leads to {host}",
		Hint:    "put user and password of the HTTP proxy into HTTPS_PROXY, as http://USER:PASSWORD@{proxy}",
		Means:   "the HTTP proxy on the way to AWS answers 407",
	}
	EndpointSetting = Cause{
		Name: "endpoint-setting", SQLState: cannotConnect,
		Message: "there is no AWS endpoint {host}, which {setting} leads to",
		Detail:  "{setting}, {where}, leads to {host}: {said}",
		Hint:    "remove {setting} ({where}) if the region has no such endpoint, or check this machine's network if it has",
		Means:   "`AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`, `AWS_ENDPOINT_URL…` or the setting of the same meaning in the shared files leads to a host that does not exist",
	}
	ChannelDenied = Cause{
		Name: "channel-denied", SQLState: cannotConnect,
		Message: "{doing}: the websocket was refused with {said}",
		Detail:  websocket,
		Hint: "[set this machine's clock, which is {clock} AWS's; otherwise ]allow ssmmessages:OpenDataChannel on {resource} in an IAM policy of this identity; " +
			"the statement: {statement}; if it is allowed, check this machine's clock",
		Means: "`ssmmessages:OpenDataChannel` is not allowed, or this machine's clock is wrong",
	}
	ChannelFault = Cause{
		Name: "channel-fault", SQLState: cannotConnect,
		Message: "{doing}: the websocket was refused with {said}",
		Detail:  websocket,
		Hint:    "connect again; if it lasts, see the AWS health dashboard for {region}",
		Means:   "AWS answers the upgrade with a server error",
	}
	ChannelRefused = Cause{
		Name: "channel-refused", SQLState: cannotConnect,
		Message: "{doing}: the websocket was refused with {said}",
		Detail:  websocket,
		Hint:    "connect again; if it lasts, something between here and AWS (HTTPS_PROXY?) may not let websockets pass",
		Means:   "something on the way does not let websockets pass",
	}
	StreamURLRefused = Cause{
		Name: "stream-url-refused", SQLState: cannotConnect,
		Message: "{doing}: {said}",
		Detail:  websocket,
		Hint:    "AWS returned a stream URL that is not to be trusted; if this is an endpoint of your own, set AWS_ENDPOINT_URL_SSM to it",
		Means:   "the session's URL leads to a host that is not Session Manager's",
	}
)

// Sessions are the rows of this file.
func Sessions() []Cause {
	return []Cause{
		TargetNotConnected, InvalidDocument, AccessDenied, ExplicitDeny, Throttled, ParametersRefused,
		SessionManagerFault, SessionManagerOther,
		Unreachable, NoAnswer, ProxyWantsLogin, EndpointSetting, ChannelDenied, ChannelFault, ChannelRefused, StreamURLRefused,
	}
}
