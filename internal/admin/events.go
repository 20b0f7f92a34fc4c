package admin

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/status"
)

const (
	maxEvents = 50
	maxFacts  = 16
)

// Events is a slog.Handler that keeps the latest records of the log that people
// want to see: what went wrong, and what changed. So page and log cannot disagree.
// It is safe for concurrent use.
type Events struct {
	kept  *ring
	facts []status.Fact
	group string
}

// ring is shared by all handlers made from one.
type ring struct {
	mu     sync.Mutex
	latest []status.Event // the oldest first
}

// NewEvents makes an empty one.
func NewEvents() *Events { return &Events{kept: new(ring)} }

// worthKeeping are the messages of level info that are kept: changes that people
// look for when something was odd. What is worse than info is kept in any case.
var worthKeeping = []string{
	"configuration reloaded", "database found", "ssm session started", "ssm session resumed", "ssm session ended", "RDS roots fetched",
}

// Enabled implements slog.Handler.
func (e *Events) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements slog.Handler.
func (e *Events) Handle(_ context.Context, r slog.Record) error {
	facts := slices.Clone(e.facts)
	r.Attrs(func(a slog.Attr) bool {
		facts = appendFact(facts, e.group, a)
		return len(facts) < maxFacts
	})
	if r.Level < slog.LevelWarn && !slices.Contains(worthKeeping, r.Message) && !failedLogin(r.Message, facts) {
		return nil
	}
	event := status.Event{At: r.Time.UTC(), Level: strings.ToLower(r.Level.String()), Text: display.Line(r.Message)}
	for _, f := range facts {
		if f.Name == "route" {
			event.Target = f.Value
		} else {
			event.Facts = append(event.Facts, f)
		}
	}
	e.kept.mu.Lock()
	defer e.kept.mu.Unlock()
	if len(e.kept.latest) == maxEvents {
		e.kept.latest = slices.Delete(e.kept.latest, 0, 1)
	}
	e.kept.latest = append(e.kept.latest, event)
	return nil
}

// failedLogin finds the record of a login that failed, and of a session that was
// ended on request or lost, at whatever level it is.
func failedLogin(message string, facts []status.Fact) bool {
	return message == "session ended" && slices.ContainsFunc(facts, func(f status.Fact) bool {
		return f.Name == "cause" || f.Name == "reason" && (f.Value == "login failed" || strings.HasPrefix(f.Value, "disconnected"))
	})
}

// WithAttrs implements slog.Handler.
func (e *Events) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *e
	next.facts = slices.Clone(e.facts)
	for _, a := range attrs {
		next.facts = appendFact(next.facts, e.group, a)
	}
	return &next
}

// WithGroup implements slog.Handler.
func (e *Events) WithGroup(name string) slog.Handler {
	next := *e
	next.group += name + "."
	return &next
}

// appendFact adds an attribute that says something.
func appendFact(facts []status.Fact, group string, a slog.Attr) []status.Fact {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		for _, inner := range value.Group() {
			facts = appendFact(facts, group+a.Key+".", inner)
		}
		return facts
	}
	text := display.Line(value.String())
	if text == "" || len(facts) >= maxFacts {
		return facts
	}
	return append(facts, status.Fact{Name: group + a.Key, Value: text})
}

// Latest returns what is kept, the latest first.
func (e *Events) Latest() []status.Event {
	e.kept.mu.Lock()
	defer e.kept.mu.Unlock()
	all := slices.Clone(e.kept.latest)
	slices.Reverse(all)
	return all
}
