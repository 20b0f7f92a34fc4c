package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

func TestSQLStateOfErrors(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{errors.New("boom"), "XX000"},
		{context.DeadlineExceeded, "57P03"},
		{fmt.Errorf("reading: %w", os.ErrDeadlineExceeded), "57P03"},
		{&net.DNSError{Err: "no such host"}, "08001"},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, "08001"},
		{&statedError{state: "28000"}, "28000"},
		{&statedError{state: "not a code"}, "XX000"},
		{causes.DatabaseUnreachable.New(nil, &statedError{state: "28000"}), "28000"},
		{fmt.Errorf("wrapped: %w", causes.NotPostgreSQL.New(nil, nil)), "08004"},
		{&silent{error: causes.BadStartup.New(nil, nil)}, "08P01"},
		{errShuttingDown, "57P01"},
	}
	for _, test := range tests {
		if got := state(test.err); got != test.want {
			t.Errorf("%v: got %s, want %s", test.err, got, test.want)
		}
	}
}

func TestEndedNamesTheCause(t *testing.T) {
	limit := newOverdue(time.Minute, "")
	reaching := causes.Facts{"database": "db"}
	plain := causes.DatabaseUnreachable.New(reaching, errors.New("no answer"))
	stated := causes.DatabaseUnreachable.New(reaching, &statedError{text: "offline", state: "08001"})
	tests := []struct {
		name  string
		cause error // of the context's end; nil: it has not ended
		err   error
		want  string
	}{
		{"not ended", nil, plain, plain.Error()},
		{"client gone", clientGone(errors.New("reset")), stated, "client closed the connection: reset"},
		{"late", limit, plain, "login not finished within 1m0s"},
		{"late, but known", limit, stated, stated.Error()},
		{"late, and the database said why", limit, &refusal{code: "3D000", message: "no"}, "no"},
		{"shutdown", errShuttingDown, stated, errShuttingDown.Error()},
		{"cut", context.Canceled, plain, errShuttingDown.Error()},
	}
	for _, test := range tests {
		ctx, cancel := context.WithCancelCause(t.Context())
		if test.cause != nil {
			cancel(test.cause)
		}
		if got := ended(ctx, test.err); got.Error() != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		cancel(nil)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(limit)
	if got := causes.Detail(ended(ctx, plain)); got != plain.Error() {
		t.Errorf("detail %q, want %q", got, plain)
	}
}

// What a database says is bounded in the log, whichever field it says it in.
func TestRefusalIsBounded(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	r := &refusal{code: "28000", message: long, told: long, help: long}
	for name, got := range map[string]string{"error": r.Error(), "detail": r.Detail(), "hint": r.Hint()} {
		if len(got) > display.Most+len("…") {
			t.Errorf("%s has %d bytes, want %d at most", name, len(got), display.Most)
		}
	}
}

// The database quotes start-up parameters in errors about them: the log does not.
func TestRefusalKeepsParametersToItself(t *testing.T) {
	tests := []struct {
		code, message string
		want          bool // is the message fit for the log?
	}{
		{"22023", `invalid value for parameter "work_mem": "s3cret"`, false},
		{"42704", `unrecognized configuration parameter "s3cret"`, false},
		{"XX000", "s3cret", false},
		{"28000", `PAM authentication failed for user "s3cret"`, true},
		{"3D000", `database "s3cret" does not exist`, true},
		{"53300", "s3cret", true},
	}
	for _, test := range tests {
		r := &refusal{code: test.code, message: test.message, told: test.message, help: test.message}
		for name, got := range map[string]string{"error": r.Error(), "detail": r.Detail(), "hint": r.Hint()} {
			if strings.Contains(got, "s3cret") != test.want {
				t.Errorf("%s: %s is %q, want the database's words: %v", test.code, name, got, test.want)
			}
		}
		if r.Error() == "" || r.SQLState() != test.code {
			t.Errorf("%s: error %q, SQLSTATE %s", test.code, r.Error(), r.SQLState())
		}
	}
}

func TestSeverity(t *testing.T) {
	tests := []struct {
		err  error
		want slog.Level
	}{
		{errClientGone, slog.LevelInfo},
		{errShuttingDown, slog.LevelInfo},
		{protocolViolation("x"), slog.LevelInfo},
		{&refusal{code: "3D000"}, slog.LevelInfo},
		{&refusal{code: "28P01"}, slog.LevelError},
		{causes.TooManyClients.New(nil, nil), slog.LevelWarn},
		{causes.DatabaseUnreachable.New(nil, nil), slog.LevelError},
		{newOverdue(0, ""), slog.LevelError},
	}
	for _, test := range tests {
		if got := severity(test.err); got != test.want {
			t.Errorf("%v: got %v, want %v", test.err, got, test.want)
		}
	}
}
