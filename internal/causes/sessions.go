package causes

const (
	reconnect = "reconnect: pgkeyless starts a new session"
	where     = "jump host {jump host} in {region}, endpoint {endpoint}[, SSM session {session}]"
	called    = "{action}, " + where + "[, request id {request}][, identity {identity}]"
	presents  = "{host}[, through HTTP proxy {proxy},] presents a certificate by {issuer}"
	websocket = "websocket to ssmmessages, " + where
)

// The Systems Manager API does not start or resume a session.
var (
	TargetNotConnected = Cause{
		Name: "target-not-connected", SQLState: cannotConnect,
		Message: "{doing}: the SSM agent there is not connected",
		Detail:  called,
		Hint: "check `aws ssm get-connection-status --target {jump host} --region {region}`; likely causes: the instance is stopped, " +
			"its agent is down or has no route to ssmmessages, it has no instance role, ECS Exec is off, or the region or account is wrong",
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
	SessionDenied = Cause{
		Name: "session-denied", SQLState: connectionLost,
		Message: "{doing}: access denied: {said}",
		Detail:  called,
		Hint: "reconnect: pgkeyless starts a new session; to let sessions survive a lost websocket, and to end them, " +
			"add these statements to an IAM policy of this identity: {statements}",
		Means: "the IAM policy lets this identity start sessions, but not resume its own",
	}
	ExplicitDeny = Cause{
		Name: "explicit-deny", SQLState: cannotConnect,
		Message: "{doing}: access denied: {said}",
		Detail:  called,
		Hint:    "a policy explicitly denies {missing} on {resource}: look for it in the identity's policies, permissions boundaries and SCPs",
		Means:   "a Deny statement overrides every Allow",
	}
	Throttled = Cause{
		Name: "throttled", SQLState: cannotConnect,
		Message: "{doing}: too many Systems Manager calls in this account: {said}",
		Detail:  called,
		Hint:    "reconnect in a minute",
		Means:   "the account has reached its limit of API calls",
	}
	ParametersRefused = Cause{
		Name: "parameters-refused", SQLState: cannotConnect,
		Message: "{doing}: AWS rejects the host, port, jump host or document parameters: {said}",
		Detail:  called,
		Hint:    "check the endpoint {endpoint}, the jump host {jump host} and the document {document}",
		Means:   "AWS does not accept the endpoint, the jump host or the document's parameters",
	}
	SessionManagerFault = Cause{
		Name: "session-manager-fault", SQLState: cannotConnect,
		Message: "{doing}: Systems Manager has an internal error ({said})",
		Detail:  called,
		Hint:    "reconnect; if it persists, see the AWS health dashboard for {region}",
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
		Hint:    "check this machine's network, HTTPS_PROXY and NO_PROXY, and AWS_CA_BUNDLE if a proxy inspects TLS",
		Means:   "no network, or an HTTP proxy is needed",
	}
	NoAnswer = Cause{
		Name: "aws-no-answer", SQLState: cannotConnect,
		Message: "{doing}: no answer from {what} in time",
		Detail:  "[{through}, ]" + where + "[, request id {request}]",
		Hint:    "check this machine's network, HTTPS_PROXY and NO_PROXY, and AWS_CA_BUNDLE if a proxy inspects TLS",
		Means:   "packets are dropped on the way to AWS, or the jump host is very slow",
	}
	ProxyWantsLogin = Cause{
		Name: "http-proxy-login", SQLState: cannotConnect,
		Message: "HTTP proxy {proxy} requires a login to reach {host}",
		Hint:    "put the HTTP proxy's user and password into HTTPS_PROXY: http://USER:PASSWORD@{proxy}",
		Means:   "the HTTP proxy on the way to AWS answers 407",
	}
	EndpointSetting = Cause{
		Name: "endpoint-setting", SQLState: cannotConnect,
		Message: "there is no AWS endpoint {host}, which {setting} leads to",
		Detail:  "{setting}, {where}, leads to {host}: {said}",
		Hint:    "remove {setting} ({where}) if the region has no such endpoint, or check this machine's network if it has",
		Means:   "`AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`, `AWS_ENDPOINT_URL…` or the setting of the same meaning in the shared files leads to a host that does not exist",
	}
	ProxyRefuses = Cause{
		Name: "http-proxy-refuses", SQLState: cannotConnect,
		Message: "HTTP proxy {proxy} does not connect to {host}: {said}",
		Hint:    "the proxy must allow {host}; if there is a way without the proxy, add the host to NO_PROXY",
		Means:   "the HTTP proxy on the way to AWS answers 403 or 502, for example, or closes the connection",
	}
	AWSCertificateUntrusted = Cause{
		Name: "aws-certificate-untrusted", SQLState: cannotConnect,
		Message: "the certificate that {host} presents is not trusted: {said}",
		Detail:  presents,
		Hint: "something on the way to AWS inspects TLS: put its CA certificate into a PEM file, with the public CAs if some hosts are not inspected, " +
			"set AWS_CA_BUNDLE to that file and restart pgkeyless[; AWS_CA_BUNDLE is {bundle} now, which does not contain it]",
		Means: "an HTTP proxy or a firewall inspects TLS, and AWS_CA_BUNDLE does not contain its CA",
	}
	AWSCertificateName = Cause{
		Name: "aws-certificate-name", SQLState: cannotConnect,
		Message: "the certificate that {host} presents is for another name: {said}",
		Detail:  presents,
		Hint:    "another server answers in its place: check HTTPS_PROXY and NO_PROXY, DNS, the endpoint settings (AWS_ENDPOINT_URL), and whether this network requires a login in the browser",
		Means:   "a wrong endpoint setting, or a network with a login page",
	}
	AWSCertificateExpired = Cause{
		Name: "aws-certificate-expired", SQLState: cannotConnect,
		Message: "the certificate that {host} presents is expired or not valid yet: {said}",
		Detail:  presents,
		Hint:    "check this machine's clock; otherwise the proxy that inspects TLS on the way to AWS needs a new certificate",
		Means:   "this machine's clock is wrong, or an inspecting HTTP proxy has an old certificate",
	}
	ChannelDenied = Cause{
		Name: "channel-denied", SQLState: cannotConnect,
		Message: "{doing}: the websocket was refused with {said}",
		Detail:  websocket,
		Hint: "[set this machine's clock, which is {clock} AWS's; otherwise ]allow ssmmessages:OpenDataChannel on * in an IAM policy of this identity; " +
			"the statement: {statement}; if it is allowed, check this machine's clock",
		Means: "`ssmmessages:OpenDataChannel` is not allowed, or this machine's clock is wrong",
	}
	ChannelFault = Cause{
		Name: "channel-fault", SQLState: cannotConnect,
		Message: "{doing}: the websocket was refused with {said}",
		Detail:  websocket,
		Hint:    "reconnect; if it persists, see the AWS health dashboard for {region}",
		Means:   "AWS answers the upgrade with a server error",
	}
	ChannelRefused = Cause{
		Name: "channel-refused", SQLState: cannotConnect,
		Message: "{doing}: the websocket was refused with {said}",
		Detail:  websocket,
		Hint:    "reconnect; if it persists, something between here and AWS (HTTPS_PROXY?) may block websockets",
		Means:   "something on the way blocks websockets",
	}
	StreamURLRefused = Cause{
		Name: "stream-url-refused", SQLState: cannotConnect,
		Message: "{doing}: {said}",
		Detail:  websocket,
		Hint:    "AWS returned a stream URL that pgkeyless does not trust; if this is your own endpoint, set AWS_ENDPOINT_URL_SSM to it, or --ssmmessages-endpoint to the host for websockets",
		Means:   "the session's URL leads to a host that is not Session Manager's",
	}
)

// Sessions are the rows of this file.
func Sessions() []Cause {
	return []Cause{
		TargetNotConnected, InvalidDocument, AccessDenied, SessionDenied, ExplicitDeny, Throttled, ParametersRefused,
		SessionManagerFault, SessionManagerOther,
		Unreachable, NoAnswer, ProxyWantsLogin, ProxyRefuses, EndpointSetting,
		AWSCertificateUntrusted, AWSCertificateName, AWSCertificateExpired, ChannelDenied, ChannelFault, ChannelRefused, StreamURLRefused,
	}
}
