package tunnel

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/statement"
)

// API is the part of Systems Manager that a tunnel needs. *ssm.Client is one.
type API interface {
	StartSession(ctx context.Context, in *ssm.StartSessionInput, opts ...func(*ssm.Options)) (*ssm.StartSessionOutput, error)
	ResumeSession(ctx context.Context, in *ssm.ResumeSessionInput, opts ...func(*ssm.Options)) (*ssm.ResumeSessionOutput, error)
	TerminateSession(ctx context.Context, in *ssm.TerminateSessionInput, opts ...func(*ssm.Options)) (*ssm.TerminateSessionOutput, error)
}

// explainedAPI is API with its errors explained.
type explainedAPI struct {
	API
	explain func(error) error
}

func (a explainedAPI) StartSession(ctx context.Context, in *ssm.StartSessionInput, opts ...func(*ssm.Options)) (*ssm.StartSessionOutput, error) {
	out, err := a.API.StartSession(ctx, in, opts...)
	return out, a.explain(err)
}

func (a explainedAPI) ResumeSession(ctx context.Context, in *ssm.ResumeSessionInput, opts ...func(*ssm.Options)) (*ssm.ResumeSessionOutput, error) {
	out, err := a.API.ResumeSession(ctx, in, opts...)
	return out, a.explain(err)
}

func (a explainedAPI) TerminateSession(ctx context.Context, in *ssm.TerminateSessionInput, opts ...func(*ssm.Options)) (*ssm.TerminateSessionOutput, error) {
	out, err := a.API.TerminateSession(ctx, in, opts...)
	return out, a.explain(err)
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

// Actions that are checked on a session.
const (
	resumeAction    = "ssm:ResumeSession"
	terminateAction = "ssm:TerminateSession"
)

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
	if ofCredentials(err) {
		return faultCredentials
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return faultTransient
	}
	switch code := api.ErrorCode(); {
	case code == "DoesNotExistException":
		return faultGone
	case throttleCodes[code], code == "InternalServerError", code == "InternalFailure", code == "ServiceUnavailable",
		api.ErrorFault() == smithy.FaultServer, statusOf(err) >= 500:
		return faultTransient
	}
	return faultFinal
}

// ofCredentials says whether err explains itself by the credentials.
func ofCredentials(err error) bool { return causes.SQLState(err) == stateCredentials }

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
func (p place) apiError(op, action string, err error) *causes.Error {
	facts := p.facts().With(causes.Facts{"doing": op, "action": action, "request": display.Line(requestID(err))})
	if worded, ok := p.inOwnWords(op, causes.SessionManagerOther, facts, err); ok {
		return worded
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return p.networkError(op, "the Systems Manager API in "+p.region, action, err)
	}
	code, text := display.Line(api.ErrorCode()), display.Line(api.ErrorMessage())
	facts["code"], facts["said"] = code, cmp.Or(text, code)
	row := causes.SessionManagerOther
	switch {
	case code == "TargetNotConnected":
		row = causes.TargetNotConnected
	case code == "InvalidDocument":
		row = causes.InvalidDocument
	case code == "AccessDeniedException" || code == "AccessDenied":
		row = p.accessDenied(facts, action, text)
	case throttleCodes[code]:
		row = causes.Throttled
	case code == "ValidationException" || code == "InvalidParameters" || code == "BadRequest":
		row = causes.ParametersRefused
	case faultOf(err) == faultTransient:
		row, facts["said"] = causes.SessionManagerFault, code
	}
	return p.row(row).New(facts, err)
}

var notAuthorized = regexp.MustCompile(`User: (\S+) is not authorized to perform: (\S+) on resource: (\S+)`)

// accessDenied puts the statement that is missing among facts: from AWS's own
// sentence, which knows identity and resource, or else from what was asked for.
// A session that was started cannot be named in a policy: the statements for
// those are the same for all.
func (p place) accessDenied(facts causes.Facts, action, text string) causes.Cause {
	resources := p.resources()
	if m := notAuthorized.FindStringSubmatch(text); m != nil {
		facts["identity"], action, resources = m[1], m[2], []string{m[3]}
	}
	row := causes.AccessDenied
	facts["missing"], facts["resource"] = action, strings.Join(resources, " and on ")
	facts["statement"] = allowing(action, resources)
	if action == resumeAction || action == terminateAction {
		row = causes.SessionDenied
		facts["statements"] = statement.JSON(statement.OwnSessions(partition(p.region))...)
	}
	if strings.Contains(text, "explicit deny") {
		return causes.ExplicitDeny
	}
	return row
}

// denied reports whether err says that a policy does not allow the call.
func denied(err error) bool {
	return errors.Is(err, causes.AccessDenied) || errors.Is(err, causes.SessionDenied) || errors.Is(err, causes.ExplicitDeny)
}

// allowing is the part of an IAM policy that allows action on resources, as
// JSON.
func allowing(action string, resources []string) string {
	text, err := json.Marshal(struct{ Effect, Action, Resource any }{"Allow", action, resources})
	if err != nil { // strings always encode
		return ""
	}
	return string(text)
}

// resources are the ARNs that StartSession is checked on, the account left open.
func (p place) resources() []string {
	aws := partition(p.region)
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
	return []string{target, document}
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
