package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
)

// API is the part of Systems Manager that a tunnel needs. *ssm.Client is one.
type API interface {
	StartSession(ctx context.Context, in *ssm.StartSessionInput, opts ...func(*ssm.Options)) (*ssm.StartSessionOutput, error)
	ResumeSession(ctx context.Context, in *ssm.ResumeSessionInput, opts ...func(*ssm.Options)) (*ssm.ResumeSessionOutput, error)
	TerminateSession(ctx context.Context, in *ssm.TerminateSessionInput, opts ...func(*ssm.Options)) (*ssm.TerminateSessionOutput, error)
}

// ssmToken is the TokenValue of StartSession and ResumeSession. Whoever holds
// it can open the session's data channel: it is written to the open message
// and nowhere else.
type ssmToken string

const redacted = "[redacted]"

func (ssmToken) String() string               { return redacted }
func (ssmToken) GoString() string             { return redacted }
func (ssmToken) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (ssmToken) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Documents that forward a port. With localDocument the agent dials its own
// host and takes no host parameter.
const (
	remoteHostDocument = "AWS-StartPortForwardingSessionToRemoteHost"
	localDocument      = "AWS-StartPortForwardingSession"
)

// documentParameters are the parameters for a document that forwards to
// host:port. The agent ignores localPortNumber; the document wants it.
func documentParameters(document, host, port string) map[string][]string {
	params := map[string][]string{"portNumber": {port}, "localPortNumber": {"0"}}
	name := document[strings.LastIndexByte(document, '/')+1:] // of an ARN too
	if name != localDocument {
		params["host"] = []string{host}
	}
	return params
}

// fault is what a failed API call means for the next step.
type fault int

const (
	faultFinal       fault = iota // asking again gives the same answer
	faultTransient                // worth asking again: throttled, AWS's own fault, network
	faultCredentials              // worth asking again once there are new credentials
	faultGone                     // the session is over
)

// faultOf sorts the errors of an API call. Connection errors are transient
// here: the SDK has already sorted out what it would not retry.
func faultOf(err error) fault {
	if inner, ok := errors.AsType[explained](err); ok && inner.SQLState() == stateCredentials {
		return faultCredentials
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return faultTransient
	}
	switch code := api.ErrorCode(); {
	case code == "DoesNotExistException":
		return faultGone
	case credentialCodes[code]:
		return faultCredentials
	case throttleCodes[code], code == "InternalServerError", code == "InternalFailure", code == "ServiceUnavailable",
		api.ErrorFault() == smithy.FaultServer, statusOf(err) >= 500:
		return faultTransient
	}
	return faultFinal
}

// credentialCodes are the answers to expired, unknown or wrongly signed
// credentials. Their messages can quote the signed request, session token
// included, and are not repeated.
var credentialCodes = map[string]bool{
	"ExpiredTokenException":        true,
	"ExpiredToken":                 true,
	"RequestExpired":               true,
	"UnrecognizedClientException":  true,
	"InvalidClientTokenId":         true,
	"InvalidSignatureException":    true,
	"SignatureDoesNotMatch":        true,
	"IncompleteSignature":          true,
	"IncompleteSignatureException": true,
	"MissingAuthenticationToken":   true,
	"AuthFailure":                  true,
}

var throttleCodes = map[string]bool{
	"ThrottlingException":      true,
	"Throttling":               true,
	"ThrottledException":       true,
	"TooManyRequestsException": true,
	"RequestLimitExceeded":     true,
}

func statusOf(err error) int {
	if r, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); ok {
		return r.HTTPStatusCode()
	}
	return 0
}

func requestID(err error) string {
	if r, ok := errors.AsType[interface {
		error
		ServiceRequestID() string
	}](err); ok {
		return r.ServiceRequestID()
	}
	return ""
}

// apiError words the error of one API call. action is its IAM action, like
// "ssm:StartSession"; op says what it was called for.
func (p place) apiError(op, action string, err error) *Error {
	e := &Error{state: stateUnreachable, err: err, detail: action + ", " + p.String()}
	if id := requestID(err); id != "" {
		e.detail += ", request id " + clean(id)
	}
	if e.adopt(op, err) {
		return e
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		n := p.networkError(op, "the Systems Manager API in "+p.region, err)
		n.detail = e.detail
		return n
	}
	code, text := clean(api.ErrorCode()), clean(api.ErrorMessage())
	switch {
	case code == "TargetNotConnected":
		e.msg = fmt.Sprintf("%s: the SSM agent there is not connected", op)
		e.hint = fmt.Sprintf("check `aws ssm get-connection-status --target %s --region %s`; likely causes: the instance is stopped, "+
			"its agent is down or has no route to ssmmessages, it lacks an instance role, ECS Exec is off, or region or account are wrong",
			p.target, p.region)
	case code == "InvalidDocument":
		e.msg = fmt.Sprintf("%s: document %s does not exist in %s or is not shared with this account", op, p.document, p.region)
		e.hint = fmt.Sprintf("check `aws ssm describe-document --name %s --region %s`", p.document, p.region)
	case code == "DoesNotExistException":
		e.msg = op + ": the session does not exist any more"
		e.hint = reconnect
	case code == "AccessDeniedException" || code == "AccessDenied":
		e.msg = fmt.Sprintf("%s: access denied: %s", op, orCode(text, code))
		e.accessDenied(p, action, text)
	case throttleCodes[code]:
		e.msg = fmt.Sprintf("%s: too many Systems Manager calls in this account: %s", op, orCode(text, code))
		e.hint = "connect again in a minute"
	case code == "ValidationException" || code == "InvalidParameters" || code == "BadRequest":
		e.msg = fmt.Sprintf("%s: host, port, jump host or document parameters refused: %s", op, orCode(text, code))
		e.hint = fmt.Sprintf("check the endpoint %s, the jump host %s and the document %s", p.address, p.target, p.document)
	case credentialCodes[code]:
		e.state = stateCredentials
		e.msg = fmt.Sprintf("%s: AWS credentials expired or not valid (%s)", op, code)
		e.hint = fmt.Sprintf("renew the credentials (with SSO: run %s) and check this machine's clock, then reconnect; "+
			"the proxy may keep running", p.login())
	case faultOf(err) == faultTransient:
		e.msg = fmt.Sprintf("%s: Systems Manager has a fault of its own (%s)", op, code)
		e.hint = "connect again; if it lasts, see the AWS health dashboard for " + p.region
	default:
		e.msg = fmt.Sprintf("%s: %s: %s", op, code, orCode(text, "no message"))
		e.hint = fmt.Sprintf("look up this error of %s in the Systems Manager API reference", action)
	}
	return e
}

func orCode(text, code string) string {
	if text == "" {
		return code
	}
	return text
}

var notAuthorized = regexp.MustCompile(`User: (\S+) is not authorized to perform: (\S+) on resource: (\S+)`)

// accessDenied names the statement that is missing: from AWS's own sentence,
// which knows identity and resource, or else from what was asked for.
func (e *Error) accessDenied(p place, action, text string) {
	var resource string
	if m := notAuthorized.FindStringSubmatch(text); m != nil {
		e.detail += ", identity " + m[1]
		action, resource = m[2], m[3]
	} else {
		resource = p.resources(action)
	}
	e.hint = fmt.Sprintf("allow %s on %s in an IAM policy of this identity", action, resource)
	if strings.Contains(text, "explicit deny") {
		e.hint = fmt.Sprintf("a policy denies %s on %s explicitly: find it among the identity's policies, boundaries and SCPs", action, resource)
	}
}

// resources are the ARNs an action is checked on, the account left open.
func (p place) resources(action string) string {
	aws := partition(p.region)
	if action != "ssm:StartSession" {
		return fmt.Sprintf("arn:%s:ssm:*:*:session/${aws:userid}-*", aws)
	}
	document := p.document
	if !strings.HasPrefix(document, "arn:") {
		account := "*"
		if strings.HasPrefix(document, "AWS-") {
			account = ""
		}
		document = fmt.Sprintf("arn:%s:ssm:%s:%s:document/%s", aws, p.region, account, document)
	}
	target := fmt.Sprintf("arn:%s:ec2:%s:*:instance/%s", aws, p.region, p.target)
	switch {
	case strings.HasPrefix(p.target, "mi-"):
		target = fmt.Sprintf("arn:%s:ssm:%s:*:managed-instance/%s", aws, p.region, p.target)
	case strings.HasPrefix(p.target, "ecs:"):
		cluster, rest, _ := strings.Cut(strings.TrimPrefix(p.target, "ecs:"), "_")
		task, _, _ := strings.Cut(rest, "_")
		target = fmt.Sprintf("arn:%s:ecs:%s:*:task/%s/%s", aws, p.region, cluster, task)
	}
	return target + " and on " + document
}

// hostOf is the host name of an endpoint setting, "" for none.
func hostOf(endpoint string) (string, error) {
	if endpoint == "" {
		return "", nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Hostname() == "" {
		return "", fmt.Errorf("endpoint override %q is not a URL", endpoint)
	}
	return strings.ToLower(u.Hostname()), nil
}
