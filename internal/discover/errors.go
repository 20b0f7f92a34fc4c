package discover

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"unicode"

	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
)

// What an *Error may be about. These stay true until the name is changed, all
// else may pass.
var (
	ErrNotFound    = errors.New("not found")
	ErrAmbiguous   = errors.New("ambiguous")
	ErrUnsupported = errors.New("not supported")
)

// ErrDenied says that the credentials may not ask.
var ErrDenied = errors.New("access denied")

// Error is a failure worded for people: Error says what happened, Detail what
// was asked, Hint what to do next.
type Error struct {
	kind                     error  // one of the above, or nil
	cause                    string // the row of the table that the words are from
	msg, state, detail, hint string
	err                      error // beneath; may be nil
}

// because words cause.
func because(cause causes.Cause, kind error, facts causes.Facts, err error) *Error {
	told := cause.Fill(facts)
	return &Error{kind: kind, cause: cause.Name, msg: told.Message, state: told.SQLState, detail: told.Detail, hint: told.Hint, err: err}
}

func (e *Error) Error() string    { return e.msg }
func (e *Error) SQLState() string { return e.state }
func (e *Error) Detail() string   { return e.detail }
func (e *Error) Hint() string     { return e.hint }

// Cause names the row of the causes table that e's words are from.
func (e *Error) Cause() string { return e.cause }

// Unwrap gives what the error is about, and its cause.
func (e *Error) Unwrap() []error {
	var all []error
	for _, err := range []error{e.kind, e.err} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// Final says whether asking again gives the same answer: the name is wrong.
func (e *Error) Final() bool {
	return e.kind != nil && e.kind != ErrDenied
}

// notFoundCodes are RDS's ways to say that nothing has this name. A name of a
// wrong form is nobody's name either.
var notFoundCodes = map[string]bool{
	"DBInstanceNotFound": true, "DBInstanceNotFoundFault": true,
	"DBClusterNotFoundFault": true, "DBClusterNotFound": true,
	"DBProxyNotFoundFault": true, "DBProxyEndpointNotFoundFault": true,
	"DBClusterEndpointNotFoundFault": true, "GlobalClusterNotFoundFault": true,
	"InvalidParameterValue": true,
}

func isNotFound(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && notFoundCodes[api.ErrorCode()]
}

func isDenied(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && strings.HasPrefix(api.ErrorCode(), "AccessDenied") || errors.Is(err, ErrDenied)
}

// explained is what an error of another layer may say about itself; that of the
// credentials provider does.
type explained interface {
	error
	SQLState() string
}

// worded puts the error of a call into words. action is the call's IAM action;
// doing says what it was made for.
func (f *Finder) worded(doing, action string, err error) error {
	if done, ok := errors.AsType[*Error](err); ok {
		return done
	}
	err = f.explain(err)
	facts := causes.Facts{"doing": doing, "action": action, "where": f.where(), "said": clean(err.Error())}
	if inner, ok := errors.AsType[explained](err); ok {
		e := because(causes.LookupError, nil, facts, err)
		e.adopt(doing, inner)
		return e
	}
	api, isAPI := errors.AsType[smithy.APIError](err)
	if isAPI {
		facts["code"], facts["said"] = clean(api.ErrorCode()), clean(api.ErrorMessage())
	}
	switch {
	case isDenied(err):
		return denied(facts, err)
	case isAPI && (strings.HasPrefix(api.ErrorCode(), "Throttl") || api.ErrorCode() == "RequestLimitExceeded"):
		return because(causes.LookupThrottled, nil, facts, err)
	case isAPI:
		return because(causes.LookupError, nil, facts, err)
	case errors.Is(err, context.DeadlineExceeded):
		return because(causes.LookupUnanswered, nil, facts, err)
	}
	if sent, ok := errors.AsType[*url.Error](err); ok { // what the SDK says around it helps nobody
		facts["said"] = clean(sent.Err.Error())
	}
	return because(causes.LookupUnreachable, nil, facts, err)
}

// adopt takes over what inner says about itself, which errors.As would not reach
// behind e's own methods.
func (e *Error) adopt(doing string, inner explained) {
	e.msg, e.state = doing+": "+inner.Error(), inner.SQLState()
	if d, ok := inner.(interface{ Detail() string }); ok && d.Detail() != "" {
		e.detail = d.Detail() + "; " + e.detail
	}
	if h, ok := inner.(interface{ Hint() string }); ok && h.Hint() != "" {
		e.hint = h.Hint()
	}
	if c, ok := inner.(interface{ Cause() string }); ok && c.Cause() != "" {
		e.cause = c.Cause()
	}
}

// denied names the permission that is missing, as AWS's own sentence has it.
func denied(facts causes.Facts, err error) *Error {
	action := facts["action"]
	if d, ok := iampolicy.ParseDenial(facts["said"]); ok {
		facts["identity"], action = d.Identity, d.Action
	}
	facts["statement"] = iampolicy.SpacedLine(action)
	facts["instead"] = "one jump host, --via i-…"
	if strings.HasPrefix(action, "rds:") {
		facts["instead"] = "the database by its endpoint, HOST[:PORT]"
	}
	return because(causes.LookupDenied, ErrDenied, facts, err)
}

// maxForeign bounds text of AWS inside our messages, in runes.
const maxForeign = 600

// clean makes foreign text fit for a terminal: no control characters, one line,
// bounded.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxForeign {
		s = string(r[:maxForeign]) + "…"
	}
	return s
}
