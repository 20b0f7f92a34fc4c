package main

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestVerdict: errors are forgiven in the time of a harmful fault only, wrong
// bytes and hanging clients never.
func TestVerdict(t *testing.T) {
	refused := &pgconn.PgError{Code: "08001"}
	tests := []struct {
		name      string
		aftermath time.Duration // of the one fault; below zero: no fault
		over      time.Duration // ago
		err       error
		hung      bool
		ok        bool
	}{
		{name: "no error", aftermath: -1, ok: true},
		{name: "an error out of the blue", aftermath: -1, err: refused},
		{name: "an error by a mended fault", aftermath: 0, err: refused},
		{name: "an error by a harmful fault", aftermath: time.Minute, err: refused, ok: true},
		{name: "an error long after it", aftermath: time.Minute, over: 2 * time.Minute, err: refused},
		{name: "a wrong byte", aftermath: time.Minute, err: corruption("x")},
		{name: "a client that hangs", aftermath: time.Minute, err: errors.New("timeout"), hung: true},
	}
	for _, test := range tests {
		s := newSummary(io.Discard, false)
		if test.aftermath >= 0 {
			s.fault(fault{kind: "test", aftermath: test.aftermath})()
			for _, sp := range s.struck {
				sp.from, sp.to = sp.from.Add(-test.over), sp.to.Add(-test.over)
			}
		}
		s.done("task", time.Now(), 1, test.err, test.hung)
		if err := s.verdict(""); (err == nil) != test.ok {
			t.Errorf("%s: verdict %v", test.name, err)
		}
	}
}

func TestSuspect(t *testing.T) {
	s := newSummary(io.Discard, false)
	at := func(n int) time.Time { return s.began.Add(time.Duration(n) * time.Second) }
	s.struck = []*spell{{"a", at(10), at(30)}, {"b", at(20), at(25)}, {"c", at(28), at(40)}, {"d", at(90), at(200)}}
	if got := s.suspect(at(100)); got != 0.4 {
		t.Errorf("suspect for %v of the time, want 0.4", got)
	}
}
