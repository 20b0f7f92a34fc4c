package tunnel

import (
	"context"
	"errors"
	"syscall"

	"github.com/pgkeyless/pgkeyless/internal/awserror"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/shell"
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

// ErrClosed is wrapped by every error that results from Dialer.Close: dials after it,
// and reads and writes of the streams it cut.
var ErrClosed = errors.New("tunnel closed")

// place says where a session leads. Errors take their facts from it.
type place struct {
	target   string // jump host as StartSession knows it
	region   string
	document string
	address  string // "host:port" behind the jump host
	session  string // SSM session id; "" before there is one
	profile  string // "" when unknown

	// carried: the session has carried streams. What keeps others from connecting
	// has cost those a connection.
	carried bool
}

func (p place) facts() causes.Facts {
	facts := causes.Facts{
		"jump host": p.target,
		"region":    p.region,
		"document":  p.document,
		"endpoint":  p.address,
		"session":   p.session,
	}
	if p.profile != "" {
		facts["profile"] = "--profile " + shell.Word(p.profile)
		facts["login"] = facts["profile"]
	}
	return facts
}

// state is an SQLSTATE for those whom the failure concerns.
func (p place) state(state string) string {
	if p.carried && state == stateUnreachable {
		return stateLost
	}
	return state
}

// row is c with its SQLSTATE for those whom the failure concerns.
func (p place) row(c causes.Cause) causes.Cause {
	c.SQLState = p.state(c.SQLState)
	return c
}

// inOwnWords words err as the one within it that explains itself by an SQLSTATE;
// those of the credentials provider and of an HTTP proxy do. op says what was being
// done. row has the DETAIL that goes behind, and what else that error leaves open.
// ok says whether there is such an error.
func (p place) inOwnWords(op string, row causes.Cause, facts causes.Facts, err error) (worded *causes.Error, ok bool) {
	inner, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err)
	if !ok {
		return nil, false
	}
	detail := row.Fill(facts).Detail
	row.Detail = ""
	return causes.Wrap(op, detail, spoken{row.New(facts, err), inner.Error(), p.state(inner.SQLState())}), true
}

// spoken is an error with the message of one within it, and an SQLSTATE. It is no
// causes.Error: there the SQLSTATE of what is beneath would win, which does not
// know that streams were lost.
type spoken struct {
	error
	message, state string
}

func (s spoken) Error() string    { return s.message }
func (s spoken) Unwrap() error    { return s.error }
func (s spoken) SQLState() string { return s.state }

// credentialsError words a failure to get AWS credentials.
func (p place) credentialsError(op string, err error) *causes.Error {
	row := causes.CredentialsFailed
	row.Detail = causes.SessionLost.Detail // which says where
	if worded, ok := p.inOwnWords(op, row, p.facts(), err); ok {
		return worded
	}
	return causes.Wrap(op, "", row.New(p.facts(), err))
}

// networkError words a failure below HTTP: DNS, routing, TLS, a proxy, or time
// running out. what names the far side, through what led there.
func (p place) networkError(op, what, through string, err error) *causes.Error {
	facts := p.facts().With(causes.Facts{
		"doing": op, "what": what, "through": through,
		"said": display.Line(awserror.WithoutURL(err).Error()), "request": display.Line(awserror.RequestID(err)),
	})
	row := causes.Unreachable
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		row = causes.NoAnswer
	case errors.Is(err, context.Canceled):
		row = causes.NoAnswer
		row.Message = "{doing}: interrupted"
	case errors.Is(err, syscall.EMFILE):
		row = causes.OutOfFiles
	default:
		if worded, ok := p.inOwnWords(op, row, facts, err); ok {
			return worded
		}
	}
	return p.row(row).New(facts, err)
}
