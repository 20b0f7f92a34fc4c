package status

import (
	"testing"
	"time"
)

func TestLine(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.Local)
	two := []Target{{Name: "orders", Open: 1}, {Name: "reports", Open: 2}}
	failing := []Target{{Name: "orders", State: Failing, FailingSince: &noon}, {Name: "reports", Open: 1}}
	var many []Target
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		many = append(many, Target{Name: name})
	}
	for _, test := range []struct {
		d    Document
		want string
	}{
		{Document{Proxy: Proxy{State: Starting}}, "starting"},
		{Document{Proxy: Proxy{State: Serving}, Targets: two}, "serving orders, reports: 3 sessions"},
		{Document{Proxy: Proxy{State: Serving}, Targets: failing}, "serving orders, reports: 1 session; logins to orders fail since 12:00:00"},
		{Document{Proxy: Proxy{State: Draining, Reload: &Reload{}}, Targets: two}, "stopping, 3 sessions; last reload refused"},
		{Document{Proxy: Proxy{State: Serving, Reload: &Reload{OK: true}}, Targets: many}, "serving a, b, c, d, e and 2 more: 0 sessions"},
	} {
		if got := test.d.Line(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
