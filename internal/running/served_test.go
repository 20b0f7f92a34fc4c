package running

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// load reads one target as a terminal in a project with the config file text does;
// "" is no file.
func load(t *testing.T, text string, environ []string, flags map[string]string, target string) config.Target {
	t.Helper()
	all := map[string]string{}
	maps.Copy(all, flags)
	if text != "" {
		all["config-file"] = filepath.Join(t.TempDir(), "pgkeyless.yaml")
		if err := os.WriteFile(all["config-file"], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.LoadServed(config.Input{Targets: []string{target}, Environ: environ, Flags: all})
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Targets[0]
}

// The proxy runs in one terminal, connect in another: what the second one does not
// say cannot be otherwise.
func TestRunningProxyIsFoundFromAnotherTerminal(t *testing.T) {
	const file = "targets: {orders: {database: " + testenv.Orders + ", via: " + testenv.Jump + ", profile: dev, ca-file: /ca.pem}}"
	const lookedUp = "targets: {orders: {database: orders-prod, via: " + testenv.Jump + "}}"
	type flags = map[string]string
	for _, tt := range []struct {
		name           string
		served, from   string // config files
		target         string // of both, unless asked is set
		asked          string
		environ, other []string // of the proxy, of the second terminal
		flags          flags    // of the second terminal
		proxy          flags
		differs        string // "" for found
		absent         bool   // is another target
	}{
		{name: "the same", served: file, from: file, target: "orders"},
		{name: "no AWS variables at all", served: file, from: file, target: "orders", environ: []string{"AWS_PROFILE=dev", "AWS_REGION=x"}},
		{name: "other AWS variables", served: file, from: file, target: "orders",
			environ: []string{"AWS_PROFILE=dev", "AWS_ACCESS_KEY_ID=A"}, other: []string{"AWS_PAGER=", "AWS_DEFAULT_OUTPUT=json", "AWS_ACCESS_KEY_ID=B", "AWS_PROFILE=prod"}},
		{name: "without the file, by name", served: file, target: "orders"},
		{name: "without the file, by endpoint", served: file, target: "orders", asked: testenv.Orders},
		{name: "without the file, by endpoint and port", served: file, target: "orders", asked: strings.ToUpper(testenv.Orders) + ":5432"},
		{name: "by the endpoint's first label", target: testenv.Orders, asked: "orders"},
		{name: "by the endpoint of what was looked up", served: lookedUp, target: "orders", asked: "orders-prod.c9akciq32abc.eu-central-1.rds.amazonaws.com"},
		{name: "by the ARN of what was looked up", served: lookedUp, target: "orders", asked: "arn:aws:rds:eu-central-1:123456789012:db:orders-prod"},
		{name: "by another name of the file", served: file, from: "targets: {o: {database: " + testenv.Orders + "}}", target: "orders", asked: "o"},
		{name: "a variable of ours", served: file, target: "orders", other: []string{"PGKEYLESS_VIA=i-01234567"}},
		{name: "where to listen", served: file, target: "orders", flags: flags{"port": "7000", "unix-socket": "none", "sessions": "2"}},
		{name: "the same options", served: file, target: "orders", flags: flags{"via": testenv.Jump, "profile": "dev", "region": "eu-central-1", "sslnegotiation": "postgres"}},
		{name: "the profile of the environment, by its name", target: testenv.Orders, environ: []string{"AWS_PROFILE=dev"}, flags: flags{"profile": "dev"}},
		{name: "a duration, written otherwise", target: testenv.Orders, proxy: flags{"statement-timeout": "90s"}, flags: flags{"statement-timeout": "1m30s"}},
		{name: "a user, where clients choose", served: file, target: "orders", flags: flags{"user": "ada", "dbname": "shop"}},

		{name: "another jump host", served: file, target: "orders", flags: flags{"via": "i-01234567"}, differs: "via is " + testenv.Jump + " there and i-01234567 here"},
		{name: "another profile", served: file, target: "orders", flags: flags{"profile": "prod"}, differs: "profile is dev there and prod here"},
		{name: "another region", served: file, target: "orders", flags: flags{"region": "us-east-1"}, differs: "region is not set there and us-east-1 here"},
		{name: "in the query string", served: file, target: "orders", asked: "orders?read-only", differs: "read-only is not set there and true here"},
		{name: "another user", target: testenv.Orders, proxy: flags{"user": "app"}, flags: flags{"user": "ada"}, differs: "user is app there and ada here"},

		{name: "another name", served: file, target: "orders", asked: "order", absent: true},
		{name: "another endpoint", target: testenv.Orders, asked: testenv.Billing, absent: true},
		{name: "another port", target: testenv.Orders, asked: testenv.Orders + ":5433", absent: true},
		{name: "the same name in another project", served: file, from: "targets: {orders: {database: " + testenv.Billing + "}}", target: "orders", absent: true},
		{name: "the same name of another identifier", served: lookedUp, from: "targets: {orders: {database: orders-test}}", target: "orders", absent: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.asked == "" {
				tt.asked = tt.target
			}
			s := Describe(load(t, tt.served, tt.environ, tt.proxy, tt.target), tt.environ)
			asked := load(t, tt.from, tt.other, tt.flags, tt.asked)
			if got := s.serves(asked); got == tt.absent {
				t.Fatalf("%+v serves it: %v", s, got)
			}
			if tt.absent {
				return
			}
			if got := strings.Join(s.differences(asked), ", "); got != tt.differs {
				t.Errorf("differs by %q, want %q", got, tt.differs)
			}
		})
	}
}
