// Package clock compares this machine's clock with AWS's, by the date of an
// answer.
package clock

import (
	"net/http"
	"time"
)

// Tolerance is how far a clock may be off: a signature dated further away is
// refused, and so is a token. The SDK corrects the dates of its own calls, so that
// a wrong clock shows in what is signed otherwise: tokens, and the upgrade to a
// websocket.
//
// Source: IAM user guide, reference_sigv-troubleshooting.html.
const Tolerance = 5 * time.Minute

// Reading is how this machine's clock stands to AWS's, to a second and half a
// round trip. The zero value says that nothing is known.
type Reading struct {
	Known bool
	Ahead time.Duration // of this machine's before AWS's; below zero: behind
}

// Read compares the Date of an answer, which came at came to a request sent at
// sent. An answer from a cache tells nothing.
//
// Source: RFC 9110, section 6.6.1; RFC 9111, section 5.1.
func Read(answer http.Header, sent, came time.Time) Reading {
	date, err := http.ParseTime(answer.Get("Date"))
	if err != nil || answer.Get("Age") != "" {
		return Reading{}
	}
	// Answered half-way between, and half a second after the one that it names.
	now := sent.Add(came.Sub(sent) / 2)
	return Reading{true, now.Sub(date.Add(time.Second / 2))}
}

// Wrong reports whether the clock is further off than Tolerance.
func (r Reading) Wrong() bool { return r.Ahead.Abs() >= Tolerance }

// Off says how far the clock is off, for a text that goes on with "AWS's":
// "7m0s ahead of", "20m0s behind".
func (r Reading) Off() string {
	if off := r.Ahead.Round(time.Second); off < 0 {
		return (-off).String() + " behind"
	} else {
		return off.String() + " ahead of"
	}
}
