package tunnel

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/awserror"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
	"github.com/pgkeyless/pgkeyless/internal/partition"
)

// localDocument forwards a port of the agent's own host, and takes no host
// parameter.
const localDocument = "AWS-StartPortForwardingSession"

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
	case awserror.Throttled(err), code == "InternalServerError", code == "InternalFailure", code == "ServiceUnavailable",
		api.ErrorFault() == smithy.FaultServer, awserror.Status(err) >= 500:
		return faultTransient
	}
	return faultFinal
}

// ofCredentials says whether err explains itself by the credentials.
func ofCredentials(err error) bool { return causes.SQLState(err) == stateCredentials }

// apiError words the error of one API call. action is its IAM action, like
// "ssm:StartSession"; op says what it was called for.
func (p place) apiError(op, action string, err error) *causes.Error {
	facts := p.facts().With(causes.Facts{"doing": op, "action": action, "request": display.Line(awserror.RequestID(err))})
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
	case awserror.Denied(err):
		row = p.accessDenied(facts, action, text)
	case awserror.Throttled(err):
		row = causes.Throttled
	case code == "ValidationException" || code == "InvalidParameters" || code == "BadRequest":
		row = causes.ParametersRefused
	case faultOf(err) == faultTransient:
		row, facts["said"] = causes.SessionManagerFault, code
	}
	return p.row(row).New(facts, err)
}

// accessDenied puts the statement that is missing among facts: from AWS's own
// sentence, which knows identity and resource, or else from what was asked for.
// A session that was started cannot be named in a policy: the statements for
// those are the same for all.
func (p place) accessDenied(facts causes.Facts, action, text string) causes.Cause {
	row, resources := causes.AccessDenied, p.resources()
	if d, ok := iampolicy.ParseDenial(text); ok {
		facts["identity"], action, resources = d.Identity, d.Action, []string{d.Resource}
	}
	facts["missing"], facts["resource"] = action, strings.Join(resources, " and on ")
	facts["statement"] = iampolicy.Line(action, resources)
	if action == resumeAction || action == terminateAction {
		row = causes.SessionDenied
		facts["statements"] = iampolicy.Lines(iampolicy.UseOwnSessions(partition.Of(p.region))...)
	}
	if iampolicy.Explicit(text) {
		return causes.ExplicitDeny
	}
	return row
}

// denied reports whether err says that a policy does not allow the call.
func denied(err error) bool {
	return errors.Is(err, causes.AccessDenied) || errors.Is(err, causes.SessionDenied) || errors.Is(err, causes.ExplicitDeny)
}

// resources are the ARNs that StartSession is checked on, the account left open.
func (p place) resources() []string {
	at := iampolicy.Place{Partition: partition.Of(p.region), Region: p.region, Account: "*"}
	return []string{at.JumpHost(p.target), at.Document(p.document)}
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
