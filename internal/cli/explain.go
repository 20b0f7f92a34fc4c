package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

// coder is an error that is no fault of the run, and needs no words: only the
// exit code reports it.
type coder interface {
	error
	Code() int
}

// ended carries the exit code of a command that has told all itself.
type ended struct{ exit int }

func (e *ended) Error() string { return "ended with code " + strconv.Itoa(e.exit) }

// Code is that exit code.
func (e *ended) Code() int { return e.exit }

// explain tells err on stderr, one line each for what happened, what was tried and
// what to do next, for each of several errors, and returns the exit code.
func (a *app) explain(err error) int {
	if err == nil {
		return 0
	}
	if silent, ok := errors.AsType[coder](err); ok {
		return silent.Code()
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
	message, detail, hint := display.Line(err.Error()), display.Line(causes.Detail(err)), display.Line(causes.Hint(err))
	if run, _ := config.LoadRun(a.input(nil)); run.StructuredLogs { // also when the rest of it is wrong
		newLog(a.stderr, run).Error(message, slog.String("detail", detail), slog.String("hint", hint))
		return
	}
	fmt.Fprintf(a.stderr, "pgkeyless: error: %s\n", message)
	if detail != "" {
		fmt.Fprintf(a.stderr, "pgkeyless: detail: %s\n", detail)
	}
	if hint != "" {
		fmt.Fprintf(a.stderr, "pgkeyless: hint: %s\n", hint)
	}
}
