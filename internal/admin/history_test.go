package admin

import (
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/status"
	"github.com/pgkeyless/pgkeyless/proxy"
)

func route(logins, up int64) proxy.RouteSnapshot {
	return proxy.RouteSnapshot{Name: "orders", Logins: logins, BytesUp: up}
}

func TestHistoryOfALogins(t *testing.T) {
	t0 := time.Unix(10_000, 0)
	h := new(history)
	now := t0
	var logins int64
	for range 400 { // 33 minutes, a login in each step
		now = now.Add(status.HistoryStep)
		logins++
		h.add(now, proxy.Snapshot{Routes: []proxy.RouteSnapshot{route(logins, logins*5000)}}, nil)
	}
	value := countersOf(route(logins+3, logins*5000)) // and three since the last sample
	if got := h.since("orders", value, now, minute).OK; got != 12+3 {
		t.Errorf("%d logins in the last minute, want 15", got)
	}
	if got := h.since("orders", value, now, quarter).OK; got != 180+3 {
		t.Errorf("%d logins in the last quarter, want 183", got)
	}
	traffic := h.traffic("orders", value)
	if len(traffic.History) != status.HistoryLength || traffic.UpNow != 1000 || traffic.DownNow != 0 || traffic.History[0].Up != 1000 {
		t.Errorf("traffic %+v, want 1000 bytes a second in %d steps", traffic, status.HistoryLength)
	}
	if len(h.samples) != kept {
		t.Errorf("%d samples are kept, want %d", len(h.samples), kept)
	}
}

// Before there is a full history, all since the start counts.
func TestHistoryOfAYoungRun(t *testing.T) {
	now := time.Unix(10_000, 0)
	h := new(history)
	if got := h.since("orders", countersOf(route(2, 0)), now, minute).OK; got != 2 {
		t.Errorf("without a sample: %d logins, want 2", got)
	}
	if got := h.traffic("orders", countersOf(route(2, 7))); got.Up != 7 || got.UpNow != 0 || len(got.History) != 0 {
		t.Errorf("without a sample: %+v", got)
	}
	h.add(now, proxy.Snapshot{Routes: []proxy.RouteSnapshot{route(2, 0)}}, nil)
	if got := h.since("orders", countersOf(route(3, 0)), now.Add(time.Second), minute).OK; got != 3 {
		t.Errorf("with one: %d logins, want 3", got)
	}
	if got := h.since("orders", countersOf(route(3, 0)), now.Add(2*time.Minute), minute).OK; got != 1 {
		t.Errorf("two minutes later: %d logins, want 1", got)
	}
}

// A route that went and came back counts from zero again, which is no negative rate.
func TestHistoryOfARouteThatCameBack(t *testing.T) {
	now := time.Unix(10_000, 0)
	h := new(history)
	for _, n := range []int64{100, 200, 1} {
		now = now.Add(status.HistoryStep)
		h.add(now, proxy.Snapshot{Routes: []proxy.RouteSnapshot{route(n, n)}}, nil)
	}
	value := countersOf(route(1, 1))
	if got := h.traffic("orders", value); got.UpNow != 0 {
		t.Errorf("rate %v, want 0", got.UpNow)
	}
	if got := h.since("orders", value, now, time.Second); got.OK < 0 {
		t.Errorf("%d logins", got.OK)
	}
}

func TestHistoryOfClients(t *testing.T) {
	t0 := time.Unix(10_000, 0)
	h := new(history)
	session := func(up int64) []proxy.SessionSnapshot {
		return []proxy.SessionSnapshot{{ID: 7, Began: t0, BytesUp: up}}
	}
	h.add(t0.Add(5*time.Second), proxy.Snapshot{}, session(500))
	if got := h.clients[7]; got.upNow != 100 || !got.moved.Equal(t0.Add(5*time.Second)) {
		t.Errorf("after the first sample: %+v", got)
	}
	h.add(t0.Add(10*time.Second), proxy.Snapshot{}, session(500))
	if got := h.clients[7]; got.upNow != 0 || !got.moved.Equal(t0.Add(5*time.Second)) {
		t.Errorf("after silence: %+v", got)
	}
	h.add(t0.Add(15*time.Second), proxy.Snapshot{}, nil)
	if len(h.clients) != 0 {
		t.Errorf("a client that left is kept: %+v", h.clients)
	}
}

// A download is active, though the database owes no answer: it is giving one. A short
// answer is not.
func TestWhoDownloadsIsActive(t *testing.T) {
	t0 := time.Unix(10_000, 0)
	session := func(down int64, asked bool) proxy.SessionSnapshot {
		return proxy.SessionSnapshot{ID: 7, Began: t0, LoggedIn: t0, BytesDown: down, Asked: asked}
	}
	for _, test := range []struct {
		name                  string
		first, second, latest int64
		asked                 bool
		want                  string
	}{
		{"nothing", 10, 10, 10, false, "idle"},
		{"a question", 10, 10, 10, true, "active"},
		{"an answer just now", 10, 10, 500, false, "idle"},
		{"an answer before", 10, 500, 500, false, "idle"},
		{"a download", 10, 500_000, 900_000, false, "active"},
	} {
		h := new(history)
		for i, down := range []int64{test.first, test.second} {
			h.add(t0.Add(time.Duration(i+1)*status.HistoryStep), proxy.Snapshot{}, []proxy.SessionSnapshot{session(down, false)})
		}
		v := view{now: t0.Add(12 * time.Second), history: h}
		if got := v.client(session(test.latest, test.asked)).State; got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
