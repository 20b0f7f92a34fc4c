package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"unicode"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// SQLSTATE codes that tell errors apart here; the others are the table's.
//
// Source: PostgreSQL docs, errcodes-appendix.html.
const (
	stateUnreachable  = "08001" // sqlclient_unable_to_establish_sqlconnection
	stateLost         = "08006" // connection_failure
	stateShuttingDown = "57P01" // admin_shutdown
	stateCredentials  = "28000" // invalid_authorization_specification
)

// ErrClosed is wrapped by every error that comes of Dialer.Close: dials after
// it, and reads and writes of the streams it cut.
var ErrClosed = errors.New("tunnel closed")

// Error is a tunnel's failure, worded for people: Error says what happened,
// Detail what was tried, Hint what to do next. Unwrap gives the cause, so an
// error of the SDK or of the credentials provider stays in reach of errors.As.
type Error struct {
	msg, state, detail, hint string
	cause                    string // the row of the table that the words are from
	err                      error
}

func (e *Error) Error() string    { return e.msg }
func (e *Error) Unwrap() error    { return e.err }
func (e *Error) SQLState() string { return e.state }
func (e *Error) Detail() string   { return e.detail }
func (e *Error) Hint() string     { return e.hint }

// Cause names the row of the causes table that e's words are from.
func (e *Error) Cause() string { return e.cause }

// place says where a session leads. Errors take their details from it.
type place struct {
	target   string // jump host as StartSession knows it
	region   string
	document string
	address  string // "host:port" behind the jump host
	session  string // SSM session id; "" before there is one
	profile  string // "" when unknown
}

// because words cause with the facts of p, and more.
func (p place) because(cause causes.Cause, more causes.Facts, err error) *Error {
	facts := causes.Facts{
		"jump host": p.target,
		"region":    p.region,
		"document":  p.document,
		"endpoint":  p.address,
		"session":   p.session,
	}
	if p.profile != "" {
		facts["profile"] = "--profile " + p.profile
		facts["login"] = facts["profile"]
	}
	told := cause.Fill(facts.With(more))
	return &Error{msg: told.Message, state: told.SQLState, detail: told.Detail, hint: told.Hint, cause: cause.Name, err: err}
}

// explained is what an error of another layer may say about itself; those of the
// credentials provider and of an HTTP proxy do.
type explained interface {
	error
	SQLState() string
}

// credentialsError words a failure to get AWS credentials. An error that
// explains itself keeps its own words, code and hint.
func (p place) credentialsError(op string, err error) *Error {
	e := p.because(causes.CredentialsFailed, causes.Facts{"said": clean(err.Error())}, err)
	e.msg, e.detail = op+": "+e.msg, p.because(causes.SessionLost, nil, nil).detail
	e.adopt(op, err)
	return e
}

// adopt takes over what an error in err's chain says about itself, and reports
// whether there is one. Without it e's own methods, met first by errors.As,
// would hide that error's.
func (e *Error) adopt(op string, err error) bool {
	inner, ok := errors.AsType[explained](err)
	if !ok {
		return false
	}
	e.msg = fmt.Sprintf("%s: %s", op, inner.Error())
	e.state = inner.SQLState()
	if d, ok := inner.(interface{ Detail() string }); ok && d.Detail() != "" {
		e.detail = d.Detail() + "; " + e.detail
	}
	if h, ok := inner.(interface{ Hint() string }); ok && h.Hint() != "" {
		e.hint = h.Hint()
	}
	if c, ok := inner.(interface{ Cause() string }); ok && c.Cause() != "" {
		e.cause = c.Cause()
	}
	return true
}

// networkError words a failure below HTTP: DNS, routing, TLS, a proxy, or time
// running out. what names the far side, through what led there.
func (p place) networkError(op, what, through string, err error) *Error {
	facts := causes.Facts{"doing": op, "what": what, "through": through, "request": clean(requestID(err))}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return p.because(causes.NoAnswer, facts, err)
	case errors.Is(err, context.Canceled):
		e := p.because(causes.NoAnswer, facts, err)
		e.msg = op + ": interrupted"
		return e
	}
	facts["said"] = clean(withoutURL(err).Error())
	if errors.Is(err, syscall.EMFILE) {
		return p.because(causes.OutOfFiles, facts, err)
	}
	e := p.because(causes.Unreachable, facts, err)
	e.adopt(op, err)
	return e
}

// withoutURL is the cause inside a *url.Error: its own text repeats the URL,
// and a stream URL does not belong into a log.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

// refusedDial words what the agent's ConnectToPortError means: the jump host
// is fine, the database did not take the connection. The agent gives no reason.
func (p place) refusedDial(err error) *Error { return p.because(causes.DatabaseRefuses, nil, err) }

// maxForeign bounds text of AWS or the agent inside our messages, in runes. IAM
// refusals, the longest of the useful ones, take about 400.
const maxForeign = 600

// clean makes foreign text fit for a terminal: no control characters, one
// line, bounded.
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

// partition is the AWS partition of a region, for ARNs in hints.
func partition(region string) string {
	for _, p := range [...]struct{ prefix, name string }{
		{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"us-iso-", "aws-iso"}, {"us-isob-", "aws-iso-b"},
		{"us-isof-", "aws-iso-f"}, {"eu-isoe-", "aws-iso-e"}, {"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.name
		}
	}
	return "aws"
}
