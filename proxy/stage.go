package proxy

import (
	"log/slog"
	"time"
)

// Stage is a part of a login, as logs and metrics name it.
type Stage string

// The stages, in the order in which most logins go through them. A login that is
// repeated goes through some of them again; their times add up.
const (
	StageLookup      Stage = "lookup"      // Route.Resolve: where the database is
	StageTunnel      Stage = "tunnel"      // Dialer, through a tunnel
	StageDial        Stage = "dial"        // Dialer, directly
	StageTLS         Stage = "tls"         // SSLRequest and handshake
	StageCredentials Stage = "credentials" // TokenSource
	StageAuth        Stage = "auth"        // StartupMessage to ReadyForQuery

	// StageStartup is where a login fails that does not get so far as to begin one of
	// the others. It takes no time of its own.
	StageStartup Stage = "startup"
)

// Stages are those that take time.
var Stages = [...]Stage{StageLookup, StageTunnel, StageDial, StageTLS, StageCredentials, StageAuth}

// stopwatch measures how long one login spends in each stage. A nil stopwatch
// measures nothing. It is for one goroutine.
type stopwatch struct {
	began time.Time // the stage now, which is the last one entered
	stage Stage
	spent map[Stage]time.Duration
}

// enter ends the stage before and begins another.
func (w *stopwatch) enter(next Stage, now time.Time) {
	if w == nil {
		return
	}
	w.stop(now)
	w.stage, w.began = next, now
}

// stop ends the stage now. It stays the last one.
func (w *stopwatch) stop(now time.Time) {
	if w.stage == "" || w.began.IsZero() {
		return
	}
	if w.spent == nil {
		w.spent = make(map[Stage]time.Duration, len(Stages))
	}
	w.spent[w.stage] += now.Sub(w.began)
	w.began = time.Time{}
}

// attrs are the times for the log, in milliseconds.
func (w *stopwatch) attrs() []slog.Attr {
	var all []slog.Attr
	for _, stage := range Stages {
		if d, ok := w.spent[stage]; ok {
			all = append(all, slog.Float64(string(stage)+"_ms", float64(d.Microseconds())/1000))
		}
	}
	return all
}
