package config

import (
	"errors"
	"fmt"
)

// Error is a setting that cannot be used. It is no causes.Misuse: who finds the
// mistake does not know where the setting stood, and adds Source afterwards, and a
// caller may know a better hint.
type Error struct {
	// Source is where the setting stood: a flag, a variable, a target's option,
	// a line of the config file. It may be empty.
	Source string

	problem, hint string
	kind          error // what it is to errors.Is, or nil
}

func (e *Error) Error() string {
	if e.Source == "" {
		return e.problem
	}
	return e.Source + ": " + e.problem
}

func (e *Error) Unwrap() error { return e.kind }

// Hint says what to type instead.
func (e *Error) Hint() string { return e.hint }

func problem(format string, args ...any) *Error {
	return &Error{problem: fmt.Sprintf(format, args...)}
}

func (e *Error) hinted(format string, args ...any) *Error {
	e.hint = fmt.Sprintf(format, args...)
	return e
}

// Errors are several mistakes in one config file, in its order. Each has a hint
// of its own.
type Errors []error

func (e Errors) Error() string   { return errors.Join(e...).Error() }
func (e Errors) Unwrap() []error { return e }
