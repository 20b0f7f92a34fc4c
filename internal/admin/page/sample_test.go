package page

import (
	"math"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/status"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) *time.Time { t := noon.Add(-d); return &t }

// wave is a history with a form.
func wave(n int, up, down float64) status.Traffic {
	t := status.Traffic{Up: 1_204_553, Down: 812_334_221, UpNow: up, DownNow: down}
	for i := range n {
		x := float64(i) / 9
		t.History = append(t.History, status.Rate{Up: up * (1 + math.Sin(x*1.7)) / 2, Down: down * (1.1 + math.Sin(x)) / 2})
	}
	return t
}

// idle is a proxy that nobody has used yet.
func idle() status.Document {
	return status.Document{
		Version: status.Version, At: noon,
		Proxy:       status.Proxy{Release: "1.0.0", PID: 4711, State: status.Serving, Started: noon.Add(-95 * time.Second), Uptime: 95},
		Credentials: []status.Credential{{Profile: "dev"}},
		Targets: []status.Target{{
			Name: "orders", Endpoint: "orders.c9akciq32abc.eu-central-1.rds.amazonaws.com:5432", Kind: "RDS instance", Region: "eu-central-1", Profile: "dev", Via: "i-0123456789abcdef0",
			Listen: []string{"127.0.0.1:5432", "[::1]:5432"}, Socket: "/run/user/1000/pgkeyless/.s.PGSQL.5432",
			Psql: "psql -h localhost -p 5432 -U app_user app", URL: "postgresql://app_user@localhost:5432/app", JDBC: "jdbc:postgresql://localhost:5432/app?user=app_user",
			State: status.Idle, Sessions: []status.Session{},
		}},
	}
}

// busy is one that works.
func busy() status.Document {
	d := idle()
	d.Proxy.ConfigFile, d.Proxy.Reload = "/home/ada/.config/pgkeyless/pgkeyless.yaml", &status.Reload{At: noon.Add(-time.Hour), OK: true}
	d.Proxy.Open, d.Proxy.MaxConnections, d.Proxy.Accepted, d.Proxy.Uptime = 4, 100, 1893, 190_000
	d.Proxy.Cancels.Known = 3
	d.Proxy.Traffic = wave(60, 21_000, 1_650_000)
	d.Credentials = []status.Credential{
		{Profile: "dev", Known: true, ARN: "arn:aws:sts::111122223333:assumed-role/developer/ada", Account: "111122223333", Expires: before(-41 * time.Minute), ExpiresIn: 2460, Renewable: true},
	}
	login := &status.Login{At: noon.Add(-40 * time.Second), Took: 0.273, Stages: []status.Stage{
		{Name: "lookup", Took: 0.012}, {Name: "tunnel", Took: 0.141}, {Name: "dial", Took: 0.021}, {Name: "tls", Took: 0.043}, {Name: "credentials", Took: 0.002}, {Name: "auth", Took: 0.054}}}
	o := &d.Targets[0]
	o.State, o.Open, o.Peak, o.Guards, o.Last = status.Up, 3, 9, []string{"default_transaction_read_only=on", "statement_timeout=30s"}, login
	o.Traffic = wave(60, 21_000, 1_640_000)
	o.Logins = status.Logins{Minute: status.Outcomes{OK: 2}, Quarter: status.Outcomes{OK: 31, Refused: 1}, Total: status.Outcomes{OK: 1860, Refused: 4, Failed: 2}}
	o.Sessions = []status.Session{
		{ID: "ada-0f1e2d3c4b5a69788", JumpHost: "i-0123456789abcdef0", Agent: "3.3.2299.0", State: "ready", Age: 2840, Streams: 2, Resumes: 1, Resent: 20480, Trip: 0.0182, Now: 868_000, Ceiling: status.AgentCeiling},
		{ID: "ada-0a9b8c7d6e5f41312", JumpHost: "i-0123456789abcdef0", Agent: "3.3.2299.0", State: "ready", Age: 410, Streams: 1, Trip: 0.0191, Now: 430_000, Ceiling: status.AgentCeiling},
		{ID: "ada-0c1d2e3f4a5b61718", JumpHost: "i-0123456789abcdef0", Agent: "3.3.2299.0", State: "ready", Age: 55, Trip: 0.0180, Ceiling: status.AgentCeiling},
	}
	reports := status.Target{
		Name: "reports", Endpoint: "ledger.cluster-ro-c9akciq32abc.eu-central-1.rds.amazonaws.com:5432", Kind: "Aurora cluster, reader", Region: "eu-central-1", Profile: "dev", Via: "tag:Role=jump",
		Listen: []string{"127.0.0.1:5433", "[::1]:5433"}, Psql: "psql -h localhost -p 5433 -U analyst ledger", URL: "postgresql://analyst@localhost:5433/ledger", JDBC: "jdbc:postgresql://localhost:5433/ledger?user=analyst",
		State: status.Up, Open: 1, Peak: 2, Traffic: wave(24, 900, 12_000), Last: login,
		Logins: status.Logins{Quarter: status.Outcomes{OK: 1}, Total: status.Outcomes{OK: 27, Left: 3}},
	}
	d.Targets = append(d.Targets, reports)
	d.Clients = []status.Client{
		{ID: 1841, Target: "orders", From: "127.0.0.1:51422", Peer: "ada (pid 51022)", TLS: true, User: "app_user", Database: "app", Application: "psql", Since: noon.Add(-12 * time.Minute), LoggedIn: before(12 * time.Minute), PID: 811, State: "idle", Quiet: 312, Up: 2100, Down: 88_000},
		{ID: 1877, Target: "orders", From: "127.0.0.1:51490", Peer: "ada (pid 52118)", User: "app_user", Database: "app", Application: "pg_dump", Since: noon.Add(-6 * time.Minute), LoggedIn: before(6 * time.Minute), PID: 840, State: "active", Up: 1200, Down: 311_000_000, UpNow: 40, DownNow: 864_000},
		{ID: 1888, Target: "orders", From: "127.0.0.1:51502", Peer: "ada (pid 52377)", TLS: true, User: "app_user", Database: "app", Application: "DBeaver 25.3.0 - SQLEditor <Script-4.sql>", Since: noon.Add(-3 * time.Minute), LoggedIn: before(3 * time.Minute), PID: 851, State: "active", Quiet: 4, Up: 81_200, Down: 5_300_000, UpNow: 900, DownNow: 410_000},
		{ID: 1892, Target: "reports", From: "/run/user/1000/pgkeyless/.s.PGSQL.5433", Peer: "ada (pid 40110)", User: "analyst", Database: "ledger", Application: "metabase", Since: noon.Add(-50 * time.Second), LoggedIn: before(49 * time.Second), PID: 91, State: "idle", Quiet: 31, Up: 9100, Down: 120_000},
	}
	d.Events = []status.Event{
		{At: noon.Add(-55 * time.Second), Level: "info", Text: "ssm session started", Target: "orders", Facts: []status.Fact{{Name: "id", Value: "ada-0c1d2e3f4a5b61718"}, {Name: "jump_host", Value: "i-0123456789abcdef0"}, {Name: "duration", Value: "141ms"}}},
		{At: noon.Add(-8 * time.Minute), Level: "info", Text: "ssm session resumed", Target: "orders", Facts: []status.Fact{{Name: "id", Value: "ada-0f1e2d3c4b5a69788"}, {Name: "attempts", Value: "1"}}},
		{At: noon.Add(-time.Hour), Level: "info", Text: "configuration reloaded", Facts: []status.Fact{{Name: "added", Value: "reports"}}},
	}
	return d
}

// broken is one of whose targets one fails.
func broken() status.Document {
	d := busy()
	d.Targets = append(d.Targets, status.Target{
		Name: "billing", Endpoint: "billing.c9akciq32abc.eu-central-1.rds.amazonaws.com:5432", Region: "eu-central-1", Profile: "billing", Via: "i-0fedcba9876543210",
		Listen: []string{"127.0.0.1:5434"}, Psql: "psql -h localhost -p 5434 -U app_user billing", URL: "postgresql://app_user@localhost:5434/billing", JDBC: "jdbc:postgresql://localhost:5434/billing?user=app_user",
		State: status.Failing, FailingSince: before(4 * time.Minute),
		Failure: &status.Failure{At: noon.Add(-8 * time.Second), Stage: "credentials", Cause: "sso-expired", SQLState: "28000",
			Message: `no AWS credentials from profile "billing": the SSO session has expired`, Detail: "for a login at billing.c9akciq32abc.eu-central-1.rds.amazonaws.com:5432 as user \"app_user\"",
			Hint: "run `aws sso login --profile billing`, then reconnect; the proxy may keep running"},
		Logins: status.Logins{Minute: status.Outcomes{Failed: 3}, Quarter: status.Outcomes{Failed: 11}, Total: status.Outcomes{Failed: 11}},
	})
	d.Proxy.Reload = &status.Reload{At: noon.Add(-time.Minute), Error: "pgkeyless.yaml:14: unknown option \"vai\"", Hint: "did you mean via?"}
	d.Warnings = []status.Warning{{Text: "the configuration was not reloaded, the old one still applies: pgkeyless.yaml:14: unknown option \"vai\"", Hint: "did you mean via?"}}
	d.Credentials = append(d.Credentials, status.Credential{Profile: "billing", Known: true, Error: "SSO session expired"})
	d.Events = append([]status.Event{
		{At: noon.Add(-8 * time.Second), Level: "warn", Text: "session ended", Target: "billing", Facts: []status.Fact{{Name: "reason", Value: "login failed"}, {Name: "cause", Value: "sso-expired"}, {Name: "error", Value: `no AWS credentials from profile "billing": the SSO session has expired`}}},
		{At: noon.Add(-time.Minute), Level: "error", Text: "configuration not reloaded", Facts: []status.Fact{{Name: "error", Value: `pgkeyless.yaml:14: unknown option "vai"`}}},
	}, d.Events...)
	return d
}
