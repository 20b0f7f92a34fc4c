package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

// SQLSTATE codes of the proxy's own failures, and of databases'.
//
// Source: PostgreSQL 18 docs, errcodes-appendix.html.
const (
	stateCannotConnect      = "08001" // database not reached, or not the one meant
	stateRejected           = "08004" // database answers what no database should
	stateConnectionLost     = "08006" // database gone during login
	stateProtocolViolation  = "08P01"
	stateUnsupported        = "0A000"
	stateInvalidLogin       = "28000"
	stateNotPermitted       = "42501"
	stateTooManyConnections = "53300"
	stateTooFast            = "53400" // connections come faster than the database takes them
	stateShuttingDown       = "57P01"
	stateNotReady           = "57P03"
	stateInternal           = "XX000"
)

// errClientGone is a client that closed, or was lost, before ReadyForQuery.
var errClientGone = errors.New("client closed the connection")

// errShuttingDown ends sessions when the Server does.
var errShuttingDown error = causes.ShuttingDown.New(nil, nil)

// These have no name, and so no row in the table of causes, which is for people who
// read an error: nobody is sent the first three as an ErrorResponse, the next ones
// lend words and SQLSTATE to what has a row beneath or above them, and the last is a
// mistake in Route.TLS.
var (
	crowdedOut = causes.Cause{
		SQLState: stateTooManyConnections,
		Message:  "closed to make room: too many connections had not sent a StartupMessage",
		Hint:     "find out what opens connections without using them",
	}
	noHandshake = causes.Cause{
		SQLState: stateProtocolViolation,
		Message:  "TLS handshake with the client: {said}",
		Hint:     "check which TLS versions and protocols the client offers, or let it connect without TLS (sslmode=disable)",
	}
	certificateRefused = causes.Cause{
		SQLState: stateProtocolViolation,
		Message:  "TLS handshake with the client: {said}",
		Hint:     refusedHint,
	}
	leftAfterHandshake = causes.Cause{
		SQLState: stateProtocolViolation,
		Message:  "the client left right after the TLS handshake: it probably refused the certificate",
		Hint:     refusedHint,
	}
	webBrowser = causes.Cause{
		SQLState: stateProtocolViolation,
		Message:  "an HTTP request, where clients speak the PostgreSQL protocol",
		Hint:     "connect with psql or another PostgreSQL client",
	}
	notFound = causes.Cause{SQLState: stateCannotConnect, Message: "finding {database}: {said}"}
	noToken  = causes.Cause{
		SQLState: stateInvalidLogin,
		Message:  "making a login token for user {quoted user}: {said}",
		Detail:   "for a login at {database}",
	}
	noPassword = causes.Cause{
		SQLState: stateInvalidLogin,
		Message:  "getting the password of user {quoted user}: {said}",
		Detail:   "for a login at {database}",
		Hint:     "check the secret and the database's TLS with `pgkeyless doctor`, then reconnect",
	}
	badLength   = causes.Cause{SQLState: stateRejected, Message: "message {kind} of the database has length {length}"}
	notVerified = causes.Cause{SQLState: stateCannotConnect, Message: "certificate of {database} was not verified"}
)

// refusedHint is for all clients alike, whatever their sslmode: many verify the
// certificate with require too, when they have a root certificate at hand.
const refusedHint = "`pgkeyless ca` says how to make the client trust the certificate; or let it connect without TLS (sslmode=disable), " +
	"as the way to the database is encrypted and verified in any case"

// errCrowded is a connection that made room in the lobby.
var errCrowded error = &silent{error: crowdedOut.New(nil, nil)}

// silent is an error after which nothing may be sent to the client.
type silent struct {
	error
	handshake bool // of TLS: nothing can be sent
	after     bool // that handshake, at once
}

func (s *silent) Unwrap() error { return s.error }

// barred is a client that Config.Admit refuses.
type barred struct{ error }

func (b *barred) Unwrap() error { return b.error }

// protocolViolation is a client that breaks the protocol before its login.
func protocolViolation(how string) error {
	return causes.StartupGarbled.New(causes.Facts{"said": how}, nil)
}

// overdue is the cause of a login context that reached its deadline. It keeps the
// limit, to be worded anew when it is known what was going on.
type overdue struct {
	error // of LoginOverdue
	limit time.Duration
	doing string
}

func newOverdue(limit time.Duration, doing string) overdue { return overdueAt(limit, doing, 0) }

// overdueAt is newOverdue for a database that pauses, unless pauses is zero.
func overdueAt(limit time.Duration, doing string, pauses time.Duration) overdue {
	said := []string{doing}
	if pauses > 0 {
		said = append(said, pausing(pauses))
	}
	detail := strings.Join(slices.DeleteFunc(said, func(s string) bool { return s == "" }), "; ")
	return overdue{causes.LoginOverdue.New(causes.Facts{"limit": limit.String(), "doing": detail}, nil), limit, doing}
}

// pausing says of a database that it pauses without connections.
func pausing(after time.Duration) string {
	return fmt.Sprintf("the database pauses after %.0f s without a connection, and the first login wakes it, which may take 15 s or more", after.Seconds())
}

// waking is why a login at r failed, with what is known of a database that pauses.
func (r *Route) waking(why error) error {
	var late overdue
	if r == nil || r.PausesAfter == 0 || !errors.As(why, &late) {
		return why
	}
	return overdueAt(late.limit, late.doing, r.PausesAfter)
}

func (o overdue) Unwrap() error { return o.error }

// ended says why a login failed with err under ctx: the client left, time ran
// out (unless whoever was busy then has an SQLSTATE to tell), or the Server
// ends. While ctx has not ended it is err, and so it is once the database has
// refused: clients leave when they have heard that.
func ended(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	var late overdue
	var said *refusal
	switch {
	case cause == nil, errors.As(err, &said):
		return err
	case errors.Is(cause, errClientGone), errors.Is(cause, errCrowded), errors.Is(cause, errDisconnected):
		return cause
	case errors.As(cause, &late):
		if known(err) {
			return err
		}
		doing := err.Error()
		if errors.Is(err, errClientGone) { // it is there, but does not move
			doing = "waiting for the client"
		}
		return newOverdue(late.limit, doing)
	}
	return errShuttingDown
}

// known reports whether err has an SQLSTATE that is not from here: from the
// Dialer, the TokenSource or the database.
func known(err error) bool { return foreignState(err) != "" }

// foreignState is that SQLSTATE, or "". What comes from elsewhere is wrapped here,
// once.
func foreignState(err error) string {
	if own, ok := errors.AsType[*causes.Error](err); ok {
		err = own.Unwrap()
	}
	return causes.SQLState(err)
}

// response makes the ErrorResponse for err, with detail where err has none.
func response(err error, fallback string) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity:            "FATAL",
		SeverityUnlocalized: "FATAL",
		Code:                state(err),
		Message:             display.Line(err.Error()),
		Detail:              display.Line(cmp.Or(causes.Detail(err), fallback)),
		Hint:                display.Line(causes.Hint(err)),
	}
}

// state is err's SQLSTATE, or the one that fits an error which has none.
func state(err error) string {
	var network net.Error
	switch code := causes.SQLState(err); {
	case len(code) == 5:
		return code
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return stateNotReady
	case errors.As(err, &network):
		return stateCannotConnect
	}
	return stateInternal
}

// severity is the level at which the end of a session by err is logged: what a
// client does to itself is news, what somebody must fix is an error.
func severity(err error) slog.Level {
	var said *refusal
	switch code := state(err); {
	case errors.Is(err, errClientGone), errors.Is(err, causes.NoUser), errors.Is(err, causes.OptionsMalformed), code == stateShuttingDown,
		code == stateProtocolViolation, code == stateUnsupported:
		return slog.LevelInfo
	case errors.As(err, &said) && (said.cause == "" || said.late) && !strings.HasPrefix(code, "28"):
		return slog.LevelInfo
	case code == stateTooManyConnections, code == stateTooFast, errors.As(err, new(*barred)), errors.As(err, new(*unproven)), errors.Is(err, causes.NeedsTLS):
		return slog.LevelWarn
	}
	return slog.LevelError
}
