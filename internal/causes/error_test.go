package causes

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

var (
	outer = Cause{Name: "outer", SQLState: "08001", Message: "{doing}: {said}", Detail: "at {where}", Hint: "wait"}
	inner = Cause{Name: "inner", SQLState: "57P01", Message: "broken", Hint: "repair {what}"}
)

func TestErrorHasTheWordsOfItsRow(t *testing.T) {
	var err error = outer.New(Facts{"doing": "dialling", "where": "host:1"}, io.ErrUnexpectedEOF)
	check(t, err, "dialling: unexpected EOF", "outer", "08001", "at host:1", "wait")
	if !errors.Is(err, outer) || errors.Is(err, inner) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("is not its row, or is another, or does not wrap what is beneath")
	}
	check(t, fmt.Errorf("logging in: %w", err), "logging in: dialling: unexpected EOF", "outer", "08001", "at host:1", "wait")
	check(t, outer.New(Facts{"doing": "x", "said": "y", "where": "z"}, io.EOF), "x: y", "outer", "08001", "at z", "wait")
}

func TestWhatIsNearerToTheFailureKnowsBetter(t *testing.T) {
	err := outer.New(Facts{"doing": "dialling", "where": "host:1"}, inner.New(Facts{"what": "it"}, nil))
	check(t, err, "dialling: broken", "inner", "57P01", "at host:1", "repair it")
	if !errors.Is(err, outer) || !errors.Is(err, inner) {
		t.Error("is not both rows")
	}
}

func TestWrapSaysWhereAndKeepsAllElse(t *testing.T) {
	base := outer.New(Facts{"doing": "dialling", "where": "host:1", "said": "no"}, nil)
	check(t, Wrap("starting", "session s", base), "starting: dialling: no", "outer", "08001", "at host:1; session s", "wait")
	check(t, Wrap("starting", "", base), "starting: dialling: no", "outer", "08001", "at host:1", "wait")
	check(t, Wrap("starting", "session s", inner.New(nil, nil)), "starting: broken", "inner", "57P01", "session s", "repair what")
	check(t, Wrap("starting", "session s", io.EOF), "starting: EOF", "", "", "session s", "")
	if !errors.Is(Wrap("starting", "x", base), outer) {
		t.Error("is not its row any more")
	}
}

func TestMisuseHasAHintAlone(t *testing.T) {
	err := Misuse("no such flag", "see --help")
	check(t, err, "no such flag", "", "", "", "see --help")
	if errors.Is(err, Cause{}) {
		t.Error("is a row without a name")
	}
}

func TestPlainErrorsSayNothingOfThemselves(t *testing.T) {
	check(t, io.EOF, "EOF", "", "", "", "")
}

func check(t *testing.T, err error, message, cause, state, detail, hint string) {
	t.Helper()
	got := [...]string{err.Error(), Name(err), SQLState(err), Detail(err), Hint(err)}
	if want := [...]string{message, cause, state, detail, hint}; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// An address is stale by what is nearest to what happened: the database that was not
// reached for want of a jump host is where it was.
func TestStale(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("no row"), false},
		{DatabaseUnreachable.New(nil, nil), true},
		{fmt.Errorf("wrapped: %w", DatabaseUnreachable.New(nil, errors.New("refused"))), true},
		{DatabaseUnreachable.New(nil, TargetNotConnected.New(nil, nil)), false},
		{DatabaseUnreachable.New(nil, DatabaseRefuses.New(nil, nil)), true},
		{LoginLost.New(nil, nil), false},
		{CertificateExpired.New(nil, nil), false},
	} {
		if got := Stale(tc.err); got != tc.want {
			t.Errorf("%v: %v, want %v", tc.err, got, tc.want)
		}
	}
}
