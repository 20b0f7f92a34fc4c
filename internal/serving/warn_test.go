package serving

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// Who forwards cancel requests to a database, and lets people in by roles of their own, is
// warned where these requests need an SSM session: that is no person's.
func TestForwardedCancelsAreNobodysWarning(t *testing.T) {
	target := func(name, via string) config.Target {
		return config.Target{Name: name, Options: config.Options{Via: via}}
	}
	tunnel, direct := target("orders", "i-0123456789abcdef0"), target("ledger", config.ViaNone)
	const role = "arn:aws:iam::111122223333:role/analyst"
	forwards := config.Run{ForwardCancels: true}
	for _, test := range []struct {
		name    string
		run     config.Run
		targets []config.Target
		users   []config.User
		want    string // the route
	}{
		{"a role", forwards, []config.Target{direct, tunnel}, []config.User{{Identity: "eve"}, {Identity: "ada", RoleARN: role}}, "route=orders"},
		{"a role, for this target", forwards, []config.Target{tunnel}, []config.User{{Identity: "ada", RoleARN: role, Targets: []string{"ledger", "Orders"}}}, "route=orders"},
		{"a role, for another target", forwards, []config.Target{direct, tunnel}, []config.User{{Identity: "ada", RoleARN: role, Targets: []string{"ledger"}}}, ""},
		{"no role", forwards, []config.Target{tunnel}, []config.User{{Identity: "ada"}}, ""},
		{"no tunnel", forwards, []config.Target{direct}, []config.User{{Identity: "ada", RoleARN: role}}, ""},
		{"peers", config.Run{ForwardCancels: true, Peers: "replicas"}, []config.Target{tunnel}, []config.User{{Identity: "ada", RoleARN: role}}, ""},
		{"forwards nothing", config.Run{}, []config.Target{tunnel}, []config.User{{Identity: "ada", RoleARN: role}}, ""},
	} {
		var log strings.Builder
		test.run.Auth = config.AuthCert
		warn(slog.New(slog.NewTextHandler(&log, nil)), test.run, front{targets: test.targets, routes: make([]proxy.Route, len(test.targets))}, test.users)
		got := log.String()
		if test.want == "" && got != "" || test.want != "" && (strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "use peers") || !strings.Contains(got, test.want)) {
			t.Errorf("%s: the log has %q, want %q", test.name, got, test.want)
		}
	}
}
