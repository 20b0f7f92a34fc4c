package proxy

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// RouteSnapshot is what a Server has seen of the clients of one Route since it was
// made, or since the Route came back after a Replace without it.
type RouteSnapshot struct {
	Name     string // "" is for connections to a shared listener that have named no Route
	Accepted int64  // connections that were led here
	Starting int    // of them, open and not logged in
	Active   int    // of them, logged in
	Peak     int    // the most that were logged in at one time

	Logins  int64 // clients that were sent ReadyForQuery
	Refused int64 // logins that the database refused
	Failed  int64 // logins that failed for any other reason
	Left    int64 // clients that closed during login, or only asked whether there is a server
	Retries int64 // logins repeated after a Refusal that may pass

	Failures map[Failure]int64 // what Refused and Failed are made of

	Ready        int   // logins that wait for a client
	ReadyMade    int64 // logins that were made before a client came
	ReadyUsed    int64 // of them, those that a client got
	ReadyDropped int64 // of them, those that were given up

	// BytesUp and BytesDown are what sessions carried after ReadyForQuery, running
	// ones included.
	BytesUp, BytesDown int64

	LoginTimes   map[Stage]Histogram // of logins that succeeded, for each of Stages
	SessionTimes Histogram           // of sessions that logged in and have ended

	LastLogin   LoginRecord   // the zero value before the first one
	LastFailure FailureRecord // the zero value before the first one
	// RootExpires is when the root ends that vouched for the database at the last
	// handshake; of several, the last. Zero before.
	RootExpires time.Time
	// FailingSince is when the first login failed after the last one that succeeded,
	// for a reason that is not its client's own mistake. Zero: none has.
	FailingSince time.Time
}

// Failure is where a login failed and why. Cause is the name of a row of the table
// of causes, or "other".
type Failure struct {
	Stage Stage
	Cause string
}

// LoginRecord is one login that succeeded.
type LoginRecord struct {
	At   time.Time
	Took time.Duration // StartupMessage to ReadyForQuery
	In   map[Stage]time.Duration
}

// FailureRecord is one login that failed, in the words that its client got.
type FailureRecord struct {
	At time.Time
	Failure
	SQLState, Message, Detail, Hint string
}

// otherCause is for errors without a row.
const otherCause = "other"

// account keeps a RouteSnapshot. tally.mu guards it.
type account struct {
	RouteSnapshot
	kept bool // its Route is served
}

func newAccount(name string) *account {
	a := &account{RouteSnapshot: RouteSnapshot{Name: name, LoginTimes: make(map[Stage]Histogram, len(Stages)), SessionTimes: newHistogram(sessionBounds)}}
	for _, stage := range Stages {
		a.LoginTimes[stage] = newHistogram(loginBounds)
	}
	return a
}

// snapshot is a copy that nobody changes.
func (a *account) snapshot() RouteSnapshot {
	now := a.RouteSnapshot
	now.Failures = maps.Clone(now.Failures)
	now.SessionTimes = now.SessionTimes.clone()
	now.LoginTimes = make(map[Stage]Histogram, len(a.LoginTimes))
	for stage, h := range a.LoginTimes {
		now.LoginTimes[stage] = h.clone()
	}
	return now
}

// loggedIn notes a login that took that long.
func (a *account) loggedIn(w *stopwatch, began, now time.Time) {
	a.Starting--
	a.Active++
	a.Peak = max(a.Peak, a.Active)
	a.Logins++
	a.FailingSince = time.Time{}
	a.LastLogin = LoginRecord{At: now, Took: now.Sub(began), In: maps.Clone(w.spent)}
	for stage, d := range w.spent {
		h := a.LoginTimes[stage]
		h.observe(d)
		a.LoginTimes[stage] = h
	}
}

// refused notes a login that failed.
func (a *account) refused(failed failure, now time.Time) {
	why := failed.why
	if errors.Is(why, errClientGone) || failed.probe {
		a.Left++
		return
	}
	f := Failure{Stage: cmp.Or(failed.stage, StageStartup), Cause: causes.Name(why)}
	if f.Cause == "" {
		f.Cause = otherCause
	}
	if a.Failures == nil {
		a.Failures = make(map[Failure]int64)
	}
	a.Failures[f]++
	if errors.As(why, new(*refusal)) {
		a.Refused++
	} else {
		a.Failed++
	}
	if ownMistake(why) {
		return
	}
	answer := response(why, "")
	a.LastFailure = FailureRecord{At: now, Failure: f, SQLState: answer.Code, Message: answer.Message, Detail: answer.Detail, Hint: answer.Hint}
	if a.FailingSince.IsZero() {
		a.FailingSince = now
	}
}

// Mistakes of one client, which say nothing about the next one's login: a
// StartupMessage that cannot be followed, a database that does not exist, or a
// setting that PostgreSQL does not take.
//
// Source: PostgreSQL 18 docs, errcodes-appendix.html.
var ownMistakes = []string{stateProtocolViolation, stateUnsupported, "3D", "22", "42", "55"}

// ownMistake reports whether why is the mistake of this client alone, or the end
// of the proxy.
func ownMistake(why error) bool {
	code := state(why)
	return errors.Is(why, causes.NoUser) || errors.As(why, new(*barred)) || errors.As(why, new(*unproven)) || errors.Is(why, causes.NeedsTLS) || errors.Is(why, causes.ShuttingDown) || errors.Is(why, causes.Disconnected) ||
		slices.ContainsFunc(ownMistakes, func(prefix string) bool { return strings.HasPrefix(code, prefix) })
}
