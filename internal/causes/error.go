package causes

import (
	"cmp"
	"errors"
	"slices"

	"github.com/pgkeyless/pgkeyless/internal/display"
)

// Error is a failure in the words of a row: Error says what happened, Detail
// what was tried, Hint what to do next. errors.Is(err, causes.X) asks for the
// row; errors.As and Unwrap reach the error beneath.
type Error struct {
	row  Cause
	told Told
	err  error // beneath; may be nil

	misuse bool
}

// New makes the error of row c. err is what is beneath, or nil; where it holds
// the words of a row itself, that row's name, SQLSTATE, DETAIL and HINT go
// before those of c: it is nearer to what happened. The fact "said" is what err
// says, unless facts have another; where the row has no message, err's is kept.
func (c Cause) New(facts Facts, err error) *Error {
	if err != nil && facts["said"] == "" {
		facts = Facts{"said": display.Line(err.Error())}.With(facts)
	}
	told := c.Fill(facts)
	if told.Message == "" && err != nil {
		told.Message = err.Error()
	}
	return &Error{row: c, told: told, err: err}
}

// Error makes a Cause a target for errors.Is. It is the row's name.
func (c Cause) Error() string { return c.Name }

// Misuse is a command line or a setting that cannot be followed. It has no row:
// it is found before there is a client to tell, and its hint is all that
// matters.
func Misuse(message, hint string) *Error {
	return &Error{told: Told{Message: message, Hint: hint}, misuse: true}
}

// MisuseOf is Misuse for an err that says what is wrong, and stays beneath.
func MisuseOf(err error, hint string) *Error {
	e := Misuse(err.Error(), hint)
	e.err = err
	return e
}

// Find returns the outermost error in err's chain that has the words of one of
// rows.
func Find(err error, rows []Cause) (*Error, bool) {
	for e, ok := errors.AsType[*Error](err); ok; e, ok = errors.AsType[*Error](e.err) {
		if slices.ContainsFunc(rows, func(c Cause) bool { return e.Is(c) }) {
			return e, true
		}
	}
	return nil, false
}

// Misused reports whether err is, or wraps, a Misuse: nothing changes it but
// another setting.
func Misused(err error) bool {
	for e, ok := errors.AsType[*Error](err); ok; e, ok = errors.AsType[*Error](e.err) {
		if e.misuse {
			return true
		}
	}
	return false
}

// Wrap says what was being done when err came up, and where: detail stands
// behind err's own. All else is err's.
func Wrap(doing, detail string, err error) *Error {
	own := Detail(err)
	if own != "" && detail != "" {
		own += "; "
	}
	return &Error{told: Told{Message: doing + ": " + err.Error()}, err: detailed{err, own + detail}}
}

// detailed gives err another detail.
type detailed struct {
	error
	detail string
}

func (d detailed) Unwrap() error  { return d.error }
func (d detailed) Detail() string { return d.detail }

func (e *Error) Error() string { return e.told.Message }
func (e *Error) Unwrap() error { return e.err }

// Is reports whether target is the Cause whose words these are.
func (e *Error) Is(target error) bool {
	c, ok := target.(Cause)
	return ok && c.Name != "" && e.row.Name == c.Name
}

// Cause names the row.
func (e *Error) Cause() string { return cmp.Or(Name(e.err), e.row.Name) }

// SQLState is the code for a client; empty for a Misuse.
func (e *Error) SQLState() string { return cmp.Or(SQLState(e.err), e.told.SQLState) }

// Detail says what was tried; it may be empty.
func (e *Error) Detail() string { return cmp.Or(Detail(e.err), e.told.Detail) }

// Hint says what to do next; it may be empty.
func (e *Error) Hint() string { return cmp.Or(Hint(e.err), e.told.Hint) }

// Name is the row whose words err has, or "".
func Name(err error) string {
	var e interface{ Cause() string }
	if errors.As(err, &e) {
		return e.Cause()
	}
	return ""
}

// Stale reports whether the row whose words err has says so of its address.
func Stale(err error) bool {
	name := Name(err)
	return name != "" && slices.ContainsFunc(All(), func(c Cause) bool { return c.Name == name && c.Stale })
}

// Final reports whether the row whose words err has says so.
func Final(err error) bool {
	name := Name(err)
	return name != "" && slices.ContainsFunc(All(), func(c Cause) bool { return c.Name == name && c.Final })
}

// SQLState is the code that err has for a client, or "". Errors of other
// packages may have one, too.
func SQLState(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) {
		return e.SQLState()
	}
	return ""
}

// Detail is what err says was tried, or "".
func Detail(err error) string {
	var e interface{ Detail() string }
	if errors.As(err, &e) {
		return e.Detail()
	}
	return ""
}

// Hint is what err says to do next, or "".
func Hint(err error) string {
	var e interface{ Hint() string }
	if errors.As(err, &e) {
		return e.Hint()
	}
	return ""
}
