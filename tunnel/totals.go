package tunnel

import (
	"errors"
	"time"

	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
)

// Totals are what all SSM sessions of a Dialer have done since it was made, those
// that have ended included. They only grow.
type Totals struct {
	Started      int64 // sessions that came to carry streams
	FailedStarts int64 // starts without a session

	Resumes       int64 // websockets that replaced a lost one
	FailedResumes int64 // sessions that ended without one

	BytesOut, BytesIn       int64 // of streams
	MessagesOut, MessagesIn int64 // each counted once
	Resends                 int64 // messages sent again
	Resent                  int64 // their bytes
}

// totals are what one session adds.
func (s SessionSnapshot) totals() Totals {
	return Totals{
		Resumes: s.Resumes, BytesOut: s.BytesOut, BytesIn: s.BytesIn, MessagesOut: s.MessagesOut, MessagesIn: s.MessagesIn,
		Resends: s.Resends, Resent: s.Resent,
	}
}

// Totals returns the counters of this moment.
func (d *Dialer) Totals() Totals {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.totals
	for _, g := range d.groups {
		for _, s := range g.sessions {
			all = all.Plus(s.snapshot(now).totals())
		}
	}
	return all
}

// lostAway reports whether the session, which has ended, did so because its
// websocket was lost and no other could be had.
func (s *session) lostAway() bool {
	stats := s.channel.Stats()
	if stats.Outages <= stats.Resumes || s.ending.Load() != nil {
		return false
	}
	_, closed := errors.AsType[*datachannel.ChannelClosedError](s.cause)
	return !closed && s.opened.Load()
}

// Plus returns the sum of both.
func (t Totals) Plus(more Totals) Totals {
	t.Started += more.Started
	t.FailedStarts += more.FailedStarts
	t.Resumes += more.Resumes
	t.FailedResumes += more.FailedResumes
	t.BytesOut += more.BytesOut
	t.BytesIn += more.BytesIn
	t.MessagesOut += more.MessagesOut
	t.MessagesIn += more.MessagesIn
	t.Resends += more.Resends
	t.Resent += more.Resent
	return t
}
