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
		{&failure{state: "08001", err: &statedError{state: "28000"}}, "28000"},
		{fmt.Errorf("wrapped: %w", &failure{state: "08004"}), "08004"},
		{&silent{error: &failure{state: "08P01"}}, "08P01"},
		{errShuttingDown, "57P01"},
	}
	for _, test := range tests {
		if got := state(test.err); got != test.want {
			t.Errorf("%v: got %s, want %s", test.err, got, test.want)
		}
	}
}

func TestEndedNamesTheCause(t *testing.T) {
	limit := overdue{limit: time.Minute}
	plain := &failure{state: "08001", what: "reaching db", err: errors.New("no answer")}
	stated := &failure{state: "08001", what: "reaching db", err: &statedError{text: "offline", state: "08001"}}
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
	if got := detail(ended(ctx, plain)); got != plain.Error() {
		t.Errorf("detail %q, want %q", got, plain)
	}
}

func TestPrintable(t *testing.T) {
	tests := map[string]string{
		"plain, ünïcode\n\ttoo":           "plain, ünïcode\n\ttoo",
		"a\x00b\x1b[0m\u0085c\xff":        "a b [0m c ",
		strings.Repeat("x", maxMessage):   strings.Repeat("x", maxMessage),
		strings.Repeat("x", maxMessage+1): strings.Repeat("x", maxMessage) + "…",
		"x" + strings.Repeat("ü", 2000):   "x" + strings.Repeat("ü", (maxMessage-1)/2) + "…",
	}
	for in, want := range tests {
		if got := printable(in); got != want {
			t.Errorf("%.20q: got %q, want %q", in, got, want)
		}
	}
}

// What a database says is bounded in the log, whichever field it says it in.
func TestRefusalIsBounded(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	r := &refusal{code: "28000", message: long, told: long, help: long}
	for name, got := range map[string]string{"error": r.Error(), "detail": r.Detail(), "hint": r.Hint()} {
		if len(got) > maxMessage+len("…") {
			t.Errorf("%s has %d bytes, want %d at most", name, len(got), maxMessage)
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
		{&failure{state: "53300"}, slog.LevelWarn},
		{&failure{state: "08001"}, slog.LevelError},
		{overdue{}, slog.LevelError},
	}
	for _, test := range tests {
		if got := severity(test.err); got != test.want {
			t.Errorf("%v: got %v, want %v", test.err, got, test.want)
		}
	}
}
