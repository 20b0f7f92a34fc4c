package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
)

// SQLSTATE codes of this package's errors.
//
// Source: PostgreSQL docs, errcodes-appendix.html.
const (
	stateUnreachable  = "08001" // sqlclient_unable_to_establish_sqlconnection
	stateLost         = "08006" // connection_failure
	stateCredentials  = "28000" // invalid_authorization_specification
	stateTooMany      = "53300" // too_many_connections
	stateShuttingDown = "57P01" // admin_shutdown
	stateNotReady     = "57P03" // cannot_connect_now
)

// ErrClosed is wrapped by every error that comes of Dialer.Close: dials after
// it, and reads and writes of the streams it cut.
var ErrClosed = errors.New("tunnel closed")

// Error is a tunnel's failure, worded for people: Error says what happened,
// Detail what was tried, Hint what to do next. Unwrap gives the cause, so an
// error of the SDK or of the credentials provider stays in reach of errors.As.
type Error struct {
	msg, state, detail, hint string
	err                      error
}

func (e *Error) Error() string    { return e.msg }
func (e *Error) Unwrap() error    { return e.err }
func (e *Error) SQLState() string { return e.state }
func (e *Error) Detail() string   { return e.detail }
func (e *Error) Hint() string     { return e.hint }

// place says where a session leads. Errors take their details from it.
type place struct {
	target   string // jump host as StartSession knows it
	region   string
	document string
	address  string // "host:port" behind the jump host
	profile  string // "" when unknown
}

func (p place) String() string {
	return fmt.Sprintf("jump host %s in %s, endpoint %s", p.target, p.region, p.address)
}

// login is the command that renews the credentials of a profile with SSO.
func (p place) login() string {
	if p.profile == "" {
		return "`aws sso login`"
	}
	return fmt.Sprintf("`aws sso login --profile %s`", p.profile)
}

// explained is what an error of another layer may say about itself; the
// credentials provider's does.
type explained interface {
	error
	SQLState() string
}

// credentialsError words a failure to get AWS credentials. An error that
// explains itself keeps its own words, code and hint.
func (p place) credentialsError(op string, err error) *Error {
	e := &Error{
		msg:    fmt.Sprintf("%s: no AWS credentials: %s", op, clean(err.Error())),
		state:  stateCredentials,
		detail: p.String(),
		hint:   fmt.Sprintf("renew the credentials (with SSO: run %s), then reconnect; the proxy may keep running", p.login()),
		err:    err,
	}
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
	return true
}

// networkError words a failure below HTTP: DNS, routing, TLS, a proxy, or time
// running out. what names the far side.
func (p place) networkError(op, what string, err error) *Error {
	e := &Error{
		state:  stateUnreachable,
		detail: p.String(),
		hint:   "check this machine's network, HTTPS_PROXY and NO_PROXY, and AWS_CA_BUNDLE if a proxy opens TLS",
		err:    err,
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		e.msg = fmt.Sprintf("%s: no answer from %s in time", op, what)
	case errors.Is(err, context.Canceled):
		e.msg = fmt.Sprintf("%s: interrupted", op)
	default:
		e.msg = fmt.Sprintf("%s: cannot reach %s: %s", op, what, clean(withoutURL(err).Error()))
	}
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
func (p place) refusedDial(err error) *Error {
	return &Error{
		msg:    fmt.Sprintf("jump host %s cannot connect to %s", p.target, p.address),
		state:  stateUnreachable,
		detail: p.String(),
		hint: "the database's security group must allow the jump host on this port; also check that host and port are right " +
			"and the database is running (the jump host resolves the name once per SSM session)",
		err: err,
	}
}

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
