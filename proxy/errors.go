package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// SQLSTATE codes of the proxy's own failures.
//
// Source: PostgreSQL 18 docs, errcodes-appendix.html.
const (
	stateCannotConnect      = "08001" // database not reached, or not the one meant
	stateRejected           = "08004" // database answers what no database should
	stateConnectionLost     = "08006" // database gone during login
	stateProtocolViolation  = "08P01"
	stateUnsupported        = "0A000"
	stateInvalidLogin       = "28000"
	stateTooManyConnections = "53300"
	stateShuttingDown       = "57P01"
	stateNotReady           = "57P03"
	stateInternal           = "XX000"
)

// maxMessage bounds each text of an ErrorResponse that is made here.
const maxMessage = 2048

// errClientGone is a client that closed, or was lost, before ReadyForQuery.
var errClientGone = errors.New("client closed the connection")

// errNoUser is a StartupMessage, as PostgreSQL would refuse it.
var errNoUser error = because(causes.NoUser, nil, nil)

// errShuttingDown ends sessions when the Server does.
var errShuttingDown error = because(causes.ShuttingDown, nil, nil)

// failure is an error with what a client is to be told about it. Where err
// knows better (it has the same method with an answer), err wins.
type failure struct {
	state        string // SQLSTATE
	what         string
	detail, hint string
	cause        string // the row of the table that the words are from
	err          error  // what is beneath; may be nil
}

// because words cause with facts. What err says is the fact "said", unless
// facts have another.
func because(cause causes.Cause, facts causes.Facts, err error) *failure {
	if err != nil {
		facts = causes.Facts{"said": err.Error()}.With(facts)
	}
	told := cause.Fill(facts)
	return &failure{state: told.SQLState, what: told.Message, detail: told.Detail, hint: told.Hint, cause: cause.Name, err: err}
}

func (f *failure) Error() string {
	if f.err == nil || f.cause != "" {
		return f.what
	}
	return f.what + ": " + f.err.Error()
}

func (f *failure) Unwrap() error    { return f.err }
func (f *failure) Cause() string    { return cmp.Or(cause(f.err), f.cause) }
func (f *failure) SQLState() string { return cmp.Or(sqlState(f.err), f.state) }
func (f *failure) Detail() string   { return cmp.Or(detail(f.err), f.detail) }
func (f *failure) Hint() string     { return cmp.Or(hint(f.err), f.hint) }

func sqlState(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) {
		return e.SQLState()
	}
	return ""
}

func detail(err error) string {
	var e interface{ Detail() string }
	if errors.As(err, &e) {
		return e.Detail()
	}
	return ""
}

func hint(err error) string {
	var e interface{ Hint() string }
	if errors.As(err, &e) {
		return e.Hint()
	}
	return ""
}

// errCrowded is a connection that made room in the lobby.
var errCrowded error = &silent{error: &failure{
	state: stateTooManyConnections,
	what:  fmt.Sprintf("closed to make room: %d other connections had not sent a StartupMessage either", maxLobby),
	hint:  "find out what opens connections without using them",
}}

// cause is the row of the causes table that err's words are from, or "".
func cause(err error) string {
	var e interface{ Cause() string }
	if errors.As(err, &e) {
		return e.Cause()
	}
	return ""
}

// silent is an error after which nothing may be sent to the client.
type silent struct {
	error
	handshake bool // of TLS: nothing can be sent
}

func (s *silent) Unwrap() error { return s.error }

func protocolViolation(what string) error {
	return &failure{state: stateProtocolViolation, what: what}
}

// overdue is the cause of a login context that reached its deadline.
type overdue struct {
	limit time.Duration
	doing string // what was going on
}

func (o overdue) Error() string    { return o.told().Message }
func (o overdue) SQLState() string { return o.told().SQLState }
func (o overdue) Detail() string   { return o.doing }
func (o overdue) Hint() string     { return o.told().Hint }
func (o overdue) Cause() string    { return causes.LoginOverdue.Name }

func (o overdue) told() causes.Told {
	return causes.LoginOverdue.Fill(causes.Facts{"limit": o.limit.String()})
}

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
	case errors.Is(cause, errClientGone), errors.Is(cause, errCrowded):
		return cause
	case errors.As(cause, &late):
		if known(err) {
			return err
		}
		late.doing = err.Error()
		if errors.Is(err, errClientGone) { // it is there, but does not move
			late.doing = "waiting for the client"
		}
		return late
	}
	return errShuttingDown
}

// known reports whether err has an SQLSTATE from outside this package's own
// wrapping: from the Dialer, the TokenSource or the database.
func known(err error) bool { return foreignState(err) != "" }

// foreignState is that SQLSTATE, or "".
func foreignState(err error) string {
	var own *failure
	for errors.As(err, &own) {
		err = own.err
	}
	return sqlState(err)
}

// response makes the ErrorResponse for err, with detail where err has none.
func response(err error, fallback string) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity:            "FATAL",
		SeverityUnlocalized: "FATAL",
		Code:                state(err),
		Message:             printable(err.Error()),
		Detail:              printable(cmp.Or(detail(err), fallback)),
		Hint:                printable(hint(err)),
	}
}

// state is err's SQLSTATE, or the one that fits an error which has none.
func state(err error) string {
	var network net.Error
	switch code := sqlState(err); {
	case len(code) == 5:
		return code
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return stateNotReady
	case errors.As(err, &network):
		return stateCannotConnect
	}
	return stateInternal
}

// printable cuts s to maxMessage bytes and takes control characters out: parts
// of it come from elsewhere, and a NUL would end the field early.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) && r != '\n' && r != '\t' {
			return ' '
		}
		return r
	}, s)
	if len(s) <= maxMessage {
		return s
	}
	cut := maxMessage
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// severity is the level at which the end of a session by err is logged: what a
// client does to itself is news, what somebody must mend is an error.
func severity(err error) slog.Level {
	var said *refusal
	switch code := state(err); {
	case errors.Is(err, errClientGone), errors.Is(err, errNoUser), code == stateShuttingDown,
		code == stateProtocolViolation, code == stateUnsupported:
		return slog.LevelInfo
	case errors.As(err, &said) && said.cause == "" && !strings.HasPrefix(code, "28"):
		return slog.LevelInfo
	case code == stateTooManyConnections:
		return slog.LevelWarn
	}
	return slog.LevelError
}
