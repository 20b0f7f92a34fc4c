package proxy

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

// refuse tells the client, and the log, why there is no login. err is what went
// wrong and why its cause, which is what people get to see.
func (s *session) refuse(err, why error) {
	guess := s.ping && guessed(why)
	s.server.tally.refused(s.entry, failure{named: s.named, err: err, why: why, probe: guess, stage: s.watch.stage}, time.Now())
	if s.named {
		s.auditLater(AuditEvent{Kind: AuditRefusal, Took: time.Since(s.began), SQLState: state(why), Cause: causes.Name(why), Reason: display.Line(why.Error())})
	}
	var quiet *silent
	left := errors.Is(why, errClientGone)
	if !errors.As(why, &quiet) && !left && !errors.As(err, new(*silent)) {
		s.say(why)
	}
	told := []slog.Attr{slog.Any("error", why)}
	refused := quiet != nil && quiet.after // the certificate, probably
	switch {
	case guess:
		told = append(told, slog.String("sqlstate", state(why)), slog.String("hint", pingHint))
	case !left || refused:
		told = append(told, words(why)...)
	}
	switch {
	case !s.named:
		s.unstarted(unstarted(err, why), refused, told)
	case guess:
		s.record(slog.LevelInfo, "session ended", append(s.summary(reasonLoginFailed, 0, 0), told...))
	case left:
		s.record(slog.LevelInfo, "session ended", append(s.summary(reasonClientLeft, 0, 0), told...))
	default:
		s.record(severity(why), "session ended", append(s.summary(reasonLoginFailed, 0, 0), told...))
	}
}

// unstarted logs a connection that ended for that reason before a session began: those
// that broke off, as a health check or port scanner does, for debugging; silent ones
// once a minute; others, whose lines may help to find out what is wrong, ten times.
func (s *session) unstarted(reason string, refusedCertificate bool, told []slog.Attr) {
	level, most := slog.LevelInfo, 10
	switch reason {
	case UnstartedClosed:
		if !refusedCertificate {
			level = slog.LevelDebug
		}
	case UnstartedCrowded, UnstartedOverdue:
		most = 1
	}
	log := s.server.log
	if level < slog.LevelInfo || s.server.sparing.allows(reason, most, func(more int64) {
		log.Info("more clients did not start a session", "reason", reason, "clients", more, "in", sparingFor)
	}) {
		s.record(level, "client did not start a session", told)
	}
}

// words are what a client gets of err in addition to its message, for the log.
func words(err error) []slog.Attr {
	return []slog.Attr{slog.String("sqlstate", state(err)), slog.String("cause", causes.Name(err)),
		slog.String("detail", causes.Detail(err)), slog.String("hint", causes.Hint(err))}
}

// say sends the ErrorResponse for why. Its own errors change nothing any more.
func (s *session) say(why error) {
	var packet []byte
	var said *refusal
	switch {
	case errors.As(why, &said):
		packet = said.packet()
	case errors.Is(why, errHTTP):
		packet = httpAnswer(s.server.browserHint)
	default:
		fallback := ""
		if s.named && s.served != nil {
			fallback = fmt.Sprintf("login at %s as user %q", s.route.Name, s.wants.value("user"))
		}
		packet, _ = response(why, fallback).Encode(nil)
	}
	s.client.SetWriteDeadline(time.Now().Add(farewell))
	s.client.Write(packet)
}
