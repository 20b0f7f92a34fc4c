package discover

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/aws/smithy-go"
)

// SQLSTATE codes of this package's errors.
//
// Source: PostgreSQL docs, errcodes-appendix.html.
const (
	stateUnreachable  = "08001" // sqlclient_unable_to_establish_sqlconnection
	stateUnsupported  = "0A000" // feature_not_supported
	stateInvalidLogin = "28000" // invalid_authorization_specification
	stateNotReady     = "57P03" // cannot_connect_now
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
	kind                     error // one of the above, or nil
	msg, state, detail, hint string
	err                      error // beneath; may be nil
}

func (e *Error) Error() string    { return e.msg }
func (e *Error) SQLState() string { return e.state }
func (e *Error) Detail() string   { return e.detail }
func (e *Error) Hint() string     { return e.hint }

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
	e := &Error{
		msg:    fmt.Sprintf("%s: %s", doing, clean(err.Error())),
		state:  stateUnreachable,
		detail: action + " in " + f.where(),
		hint:   "check this machine's network, HTTPS_PROXY and NO_PROXY, then connect again",
		err:    err,
	}
	if inner, ok := errors.AsType[explained](err); ok {
		e.adopt(doing, inner)
		return e
	}
	api, isAPI := errors.AsType[smithy.APIError](err)
	switch {
	case isDenied(err):
		e.denied(doing, action, clean(api.ErrorMessage()))
	case isAPI && strings.HasPrefix(api.ErrorCode(), "Throttl"), isAPI && api.ErrorCode() == "RequestLimitExceeded":
		e.msg = fmt.Sprintf("%s: too many API calls in this account (%s)", doing, api.ErrorCode())
		e.hint = "connect again in a minute"
	case isAPI:
		e.msg = fmt.Sprintf("%s: %s: %s", doing, clean(api.ErrorCode()), clean(api.ErrorMessage()))
		e.hint = fmt.Sprintf("look up this error of %s in the API reference", action)
	case errors.Is(err, context.DeadlineExceeded):
		e.msg = doing + ": no answer from AWS in time"
	case errors.Is(err, context.Canceled):
		e.msg = doing + ": interrupted"
	}
	return e
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
}

var notAuthorized = regexp.MustCompile(`User: (\S+) is not authorized to perform: (\S+) on resource: (\S+)`)

// denied names the permission that is missing, as AWS's own sentence has it.
func (e *Error) denied(doing, action, text string) {
	e.kind = ErrDenied
	e.msg = doing + ": access denied: " + text
	if m := notAuthorized.FindStringSubmatch(text); m != nil {
		e.detail += ", identity " + m[1]
		action = m[2]
	}
	e.hint = fmt.Sprintf(`allow it: {"Effect": "Allow", "Action": %q, "Resource": "*"}; `, action)
	if strings.HasPrefix(action, "rds:") {
		e.hint += "or name the database by its endpoint, HOST[:PORT], which takes no such permission"
	} else {
		e.hint += "or name one jump host, --via i-…, which takes no such permission"
	}
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
