package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

// usageError is a command line that cannot be followed.
type usageError struct{ msg, hint string }

func (e *usageError) Error() string { return e.msg }
func (e *usageError) Hint() string  { return e.hint }

// stoppedError says that a signal ended the run, which is no fault.
type stoppedError struct{ signal os.Signal }

func (e *stoppedError) Error() string { return "stopped by " + e.signal.String() }

// code is what a shell makes of a program that the signal has killed.
func (e *stoppedError) code() int {
	if s, ok := e.signal.(syscall.Signal); ok {
		return 128 + int(s)
	}
	return 1
}

// coder is an error that is no fault of the run, and needs no words: only the
// exit code tells of it.
type coder interface {
	error
	code() int
}

// explain tells err on stderr, one line for what happened and one for what to
// do next, for each of several errors, and returns the exit code.
func (a *app) explain(err error) int {
	if err == nil {
		return 0
	}
	if silent, ok := errors.AsType[coder](err); ok {
		return silent.code()
	}
	if several, ok := errors.AsType[config.Errors](err); ok {
		for _, err := range several {
			a.explainOne(err)
		}
		return 1
	}
	a.explainOne(err)
	return 1
}

func (a *app) explainOne(err error) {
	message, hint := oneLine(err.Error()), hintOf(err)
	if run, _ := config.LoadRun(a.input(nil)); run.StructuredLogs { // also when the rest of it is wrong
		log := newLog(a.stderr, run)
		if hint != "" {
			log = log.With(slog.String("hint", hint))
		}
		log.Error(message)
		return
	}
	fmt.Fprintf(a.stderr, "pgkeyless: error: %s\n", message)
	if hint != "" {
		fmt.Fprintf(a.stderr, "pgkeyless: hint: %s\n", hint)
	}
}

// hinter is an error that knows what to do next.
type hinter interface {
	error
	Hint() string
}

// hintOf is what err says to do next, on one line, or "".
func hintOf(err error) string {
	if h, ok := errors.AsType[hinter](err); ok {
		return oneLine(h.Hint())
	}
	return ""
}

// oneLine joins the lines of foreign text.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
