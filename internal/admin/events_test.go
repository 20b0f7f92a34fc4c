package admin

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestEventsKeepWhatMatters(t *testing.T) {
	e := NewEvents()
	log := slog.New(e).With("session", 3, "route", "orders")
	log.Debug("ssm session resumed")
	log.Info("client accepted", "user", "ada")
	log.Info("session ended", "reason", "client closed")
	log.Info("session ended", "reason", "login failed", "error", errors.New("no\x1b[31m way"), "cause", "database-refuses", "hint", "")
	log.WithGroup("g").Info("ssm session resumed", "tries", 2)
	log.Warn("something odd", slog.Group("facts", "a", 1))
	got := e.Latest()
	if len(got) != 3 {
		t.Fatalf("%d events, want 3: %+v", len(got), got)
	}
	if got[0].Text != "something odd" || got[0].Level != "warn" || got[0].Target != "orders" || got[0].Facts[1].Name != "facts.a" {
		t.Errorf("the latest is %+v", got[0])
	}
	if got[1].Text != "ssm session resumed" || got[1].Facts[1].Name != "g.tries" {
		t.Errorf("the second is %+v", got[1])
	}
	for _, f := range got[2].Facts {
		if f.Value == "" || strings.Contains(f.Value, "\x1b") {
			t.Errorf("fact %q is %q", f.Name, f.Value)
		}
	}
}

func TestEventsAreBounded(t *testing.T) {
	e := NewEvents()
	log := slog.New(e)
	var many []any
	for i := range 100 {
		many = append(many, fmt.Sprint("k", i), strings.Repeat("x", 10_000))
	}
	for i := range 200 {
		log.Warn("warning", append([]any{"n", i}, many...)...)
	}
	got := e.Latest()
	if len(got) != maxEvents || got[0].Facts[0].Value != "199" || got[maxEvents-1].Facts[0].Value != "150" {
		t.Errorf("%d events, from %+v to %+v", len(got), got[0].Facts[0], got[len(got)-1].Facts[0])
	}
	for _, f := range got[0].Facts {
		if len(f.Value) > 3000 {
			t.Errorf("a fact of %d bytes", len(f.Value))
		}
	}
	if len(got[0].Facts) > maxFacts {
		t.Errorf("%d facts", len(got[0].Facts))
	}
}
