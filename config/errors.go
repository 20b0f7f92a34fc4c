package config

import "fmt"

// Error is a setting that cannot be used.
type Error struct {
	// Source is where the setting stood: a flag, a variable, a target's option.
	// It may be empty.
	Source string

	problem, hint string
}

func (e *Error) Error() string {
	if e.Source == "" {
		return e.problem
	}
	return e.Source + ": " + e.problem
}

// Hint says what to type instead.
func (e *Error) Hint() string { return e.hint }

func problem(format string, args ...any) *Error {
	return &Error{problem: fmt.Sprintf(format, args...)}
}

func (e *Error) hinted(format string, args ...any) *Error {
	e.hint = fmt.Sprintf(format, args...)
	return e
}
