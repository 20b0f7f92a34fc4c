package discover

import (
	"context"
	"errors"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/awserror"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
)

// What an error may be about. Final says which stay true until the name is
// changed; all else may pass.
var (
	ErrNotFound    = errors.New("not found")
	ErrAmbiguous   = errors.New("ambiguous")
	ErrUnsupported = errors.New("not supported")
)

// ErrDenied says that the credentials may not ask.
var ErrDenied = errors.New("access denied")

// about is err, which may be nil, and says by its kind, one of the above, what it
// is about.
type about struct{ kind, err error }

func (a about) Error() string {
	if a.err == nil {
		return a.kind.Error()
	}
	return a.err.Error()
}

func (a about) Unwrap() []error {
	if a.err == nil {
		return []error{a.kind}
	}
	return []error{a.kind, a.err}
}

// Final reports whether err is about the name: asking again gives the same answer.
// That no jump host is there now may pass.
func Final(err error) bool {
	for _, kind := range []error{ErrNotFound, ErrAmbiguous, ErrUnsupported} {
		if errors.Is(err, kind) {
			return !errors.Is(err, causes.NoJumpHost)
		}
	}
	return false
}

// isNotFound knows RDS's ways to say that nothing has this name. A name of a wrong
// form is nobody's name either.
func isNotFound(err error) bool {
	switch awserror.Code(err) {
	case "DBInstanceNotFound", "DBInstanceNotFoundFault",
		"DBClusterNotFoundFault", "DBClusterNotFound",
		"DBProxyNotFoundFault", "DBProxyEndpointNotFoundFault",
		"DBClusterEndpointNotFoundFault", "GlobalClusterNotFoundFault",
		"InvalidParameterValue":
		return true
	}
	return false
}

// worded puts the error of a call into words. action is the call's IAM action;
// doing says what it was made for.
func (f *Finder) worded(doing, action string, err error) *causes.Error {
	if done, ok := causes.Find(err, causes.Lookups()); ok {
		return done
	}
	err = f.explain(err)
	facts := causes.Facts{"doing": doing, "action": action, "where": f.where(), "said": display.Line(awserror.WithoutURL(err).Error())}
	if inner, ok := errors.AsType[*causes.Error](err); ok { // of the credentials, or an HTTP proxy
		return causes.Wrap(doing, causes.LookupError.Fill(facts).Detail, inner)
	}
	code := awserror.Code(err)
	if code != "" {
		facts["code"], facts["said"] = display.Line(code), display.Line(awserror.Message(err))
	}
	switch {
	case awserror.Denied(err):
		return denied(facts, err)
	case awserror.Throttled(err):
		return causes.LookupThrottled.New(facts, err)
	case code != "":
		return causes.LookupError.New(facts, err)
	case errors.Is(err, context.DeadlineExceeded):
		return causes.LookupUnanswered.New(facts, err)
	}
	return causes.LookupUnreachable.New(facts, err)
}

// denied names the permission that is missing, as AWS's own sentence has it.
func denied(facts causes.Facts, err error) *causes.Error {
	action := facts["action"]
	if d, ok := iampolicy.ParseDenial(facts["said"]); ok {
		facts["identity"], action = d.Identity, d.Action
	}
	facts["statement"] = iampolicy.SpacedLine(action)
	facts["instead"] = "one jump host, --via i-…"
	if strings.HasPrefix(action, "rds:") || strings.HasPrefix(action, "dsql:") {
		facts["instead"] = "the database by its endpoint, HOST[:PORT]"
	}
	return causes.LookupDenied.New(facts, about{ErrDenied, err})
}
