package config

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	orders  = "orders.abc123.eu-central-1.rds.amazonaws.com"
	billing = "billing.abc123.eu-central-1.rds.amazonaws.com"
	jump    = "i-0123456789abcdef0"
)

// flags makes Input.Flags from name, value, name, value…
func flags(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

func TestMostParticularSourceWins(t *testing.T) {
	base := Options{Via: jump, Address: "localhost", Port: 5432, Sessions: 4, KeepAlive: "connected", ReadyLogins: ReadyLoginsDefault, SSLNegotiation: "postgres", ClusterEndpoint: "writer", RDSProxySettings: "set"}
	with := func(change func(*Options)) Options {
		o := base
		change(&o)
		return o
	}
	tests := []struct {
		name string
		in   Input
		want Options
	}{
		{"defaults", Input{Targets: []string{orders + "?via=" + jump}}, base},
		{"environment", Input{Targets: []string{orders}, Environ: []string{"PGKEYLESS_VIA=" + jump, "PGKEYLESS_USER=e", "PGKEYLESS_CA_FILE=e.pem"}},
			with(func(o *Options) { o.User = "e"; o.CAFile = "e.pem" })},
		{"empty variable is unset", Input{Targets: []string{orders}, Flags: flags("via", jump), Environ: []string{"PGKEYLESS_USER="}}, base},
		{"the pool by flag and variable", Input{Targets: []string{orders}, Flags: flags("via", jump, "sessions", "1"), Environ: []string{"PGKEYLESS_SESSIONS=9", "PGKEYLESS_KEEP_ALIVE=off", "PGKEYLESS_SSLNEGOTIATION=direct"}},
			with(func(o *Options) { o.Sessions = 1; o.KeepAlive = "off"; o.SSLNegotiation = "direct" })},
		{"flag over environment", Input{Targets: []string{orders}, Flags: flags("via", jump, "user", "f"), Environ: []string{"PGKEYLESS_USER=e"}},
			with(func(o *Options) { o.User = "f" })},
		{"query over flag", Input{Targets: []string{orders + "?user=q"}, Flags: flags("via", jump, "user", "f"), Environ: []string{"PGKEYLESS_USER=e"}},
			with(func(o *Options) { o.User = "q" })},
		{"query port over flag", Input{Targets: []string{orders + "?port=7000"}, Flags: flags("via", jump, "port", "6000")},
			with(func(o *Options) { o.Port = 7000 })},
		{"everything in the query", Input{Targets: []string{orders + "?via=none&user=a%20b+c&dbname=d%26e&address=::1&port=0&unix-socket=off&region=us-gov-west-1&profile=dev&ca-file=/x/y.pem&sessions=64&session-age=12h&warm&keep-alive=off&ready-logins=9&sslnegotiation=direct&read-only&statement-timeout=1m30s&rds-proxy-settings=drop"}},
			Options{Via: "none", User: "a b+c", Database: "d&e", Address: "::1", UnixSocket: "none", Region: "us-gov-west-1", Profile: "dev", CAFile: "/x/y.pem",
				Sessions: 64, SessionAge: 12 * time.Hour, Warm: true, KeepAlive: "off", ReadyLogins: 9, SSLNegotiation: "direct", ClusterEndpoint: "writer", ReadOnly: true, StatementTimeout: 90 * time.Second, RDSProxySettings: "drop"}},
		{"switch off for one", Input{Targets: []string{orders + "?read-only=false&statement-timeout=0s"}, Flags: flags("via", jump, "read-only", "true", "statement-timeout", "5s")}, base},
		{"aliases in the query", Input{Targets: []string{orders + "?aws-profile=dev&aws-region=eu-central-1&local-port=6000"}, Flags: flags("via", jump)},
			with(func(o *Options) { o.Profile = "dev"; o.Region = "eu-central-1"; o.Port = 6000 })},
		{"dial implies no jump host", Input{Targets: []string{orders}, Flags: flags("dial", "localhost:1053")},
			with(func(o *Options) { o.Via = "none"; o.Dial = "localhost:1053" })},
		{"dial beside via none", Input{Targets: []string{orders + "?via=none&dial=[::1]:1053"}},
			with(func(o *Options) { o.Via = "none"; o.Dial = "[::1]:1053" })},
		{"query dial over flag via", Input{Targets: []string{orders + "?dial=localhost:1053"}, Flags: flags("via", jump)},
			with(func(o *Options) { o.Via = "none"; o.Dial = "localhost:1053" })},
		{"query via over variable dial", Input{Targets: []string{orders + "?via=" + jump}, Environ: []string{"PGKEYLESS_DIAL=localhost:1053"}}, base},
		{"PG variables are the client's", Input{Targets: []string{orders}, Flags: flags("via", jump), Environ: []string{"PGHOST=x", "PGPORT=1", "PGUSER=x", "PGDATABASE=x", "PGSERVICE=x"}}, base},
		{"Kubernetes service variables", Input{Targets: []string{orders}, Flags: flags("via", jump), Environ: []string{"PGKEYLESS_SERVICE_PORT=5432", "PGKEYLESS_PORT_5432_TCP=tcp://10.0.0.1:5432"}}, base},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := Load(tt.in)
			if err != nil {
				t.Fatalf("Load: %v", err)
			}
			if got := cfg.Targets[0]; got.Options != tt.want || got.Name != orders {
				t.Errorf("got %+v\nwant %+v for %s", got, tt.want, orders)
			}
		})
	}
}

func TestWrongSettingIsExplained(t *testing.T) {
	via := flags("via", jump)
	tests := []struct {
		name      string
		in        Input
		err, hint string // parts of what people read
	}{
		{"no target", Input{}, "no target given", "pgkeyless mydb."},
		{"no jump host", Input{Targets: []string{orders}}, `"` + orders + `": no jump host given`, "--dial HOST:PORT"},
		{"no jump host for a PrivateLink endpoint", Input{Targets: []string{"abcdefghijklmnopqrstuvwxyz.dsql-a1b2.eu-west-1.on.aws"}}, "no jump host given", "--via none"},
		{"unknown option", Input{Targets: []string{orders + "?usr=x"}}, `unknown option "usr"`, "did you mean user?"},
		{"foreign name", Input{Targets: []string{orders + "?database=x"}}, `unknown option "database"`, "did you mean dbname?"},
		{"far from any option", Input{Targets: []string{orders + "?colour=x"}}, `unknown option "colour"`, "the options are via, dial, user"},
		{"process option in query", Input{Targets: []string{orders + "?quiet=true"}}, "option quiet is for the whole process", "--quiet"},
		{"twice", Input{Targets: []string{orders + "?user=a&user=b"}}, "option user is given twice", "leave out"},
		{"twice by alias", Input{Targets: []string{orders + "?profile=a&aws-profile=b"}}, "option profile is given twice", "leave out"},
		{"no value", Input{Targets: []string{orders + "?user"}}, "option user has no readable value", "user=VALUE"},
		{"empty value", Input{Targets: []string{orders + "?user="}}, "option user: the value is empty", "database user"},
		{"bad escape", Input{Targets: []string{orders + "?user=%zz"}}, "no readable value", "%25"},
		{"control character", Input{Targets: []string{orders + "?user=a%00b"}}, "control character", "user:"},
		{"port word", Input{Targets: []string{orders}, Flags: flags("via", jump, "port", "pg")}, `--port: "pg" is not a port number`, "65535"},
		{"port range", Input{Targets: []string{orders + "?port=65536"}, Flags: via}, `option port: "65536" is not a port`, "65535"},
		{"Kubernetes port", Input{Targets: []string{orders}, Flags: via, Environ: []string{"PGKEYLESS_PORT=tcp://10.0.0.1:5432"}}, "PGKEYLESS_PORT:", "enableServiceLinks"},
		{"wrong value loses yet fails", Input{Targets: []string{orders + "?port=1"}, Flags: via, Environ: []string{"PGKEYLESS_PORT=x"}}, "PGKEYLESS_PORT:", "65535"},
		{"near variable", Input{Targets: []string{orders}, Flags: via, Environ: []string{"PGKEYLESS_PROFIL=dev"}}, "unknown variable PGKEYLESS_PROFIL", "PGKEYLESS_PROFILE"},
		{"target variable without number", Input{Targets: []string{orders}, Flags: via, Environ: []string{"PGKEYLESS_TARGET=x"}}, "unknown variable PGKEYLESS_TARGET", "PGKEYLESS_TARGET_0"},
		{"target variable gap", Input{Environ: []string{"PGKEYLESS_TARGET_0=" + orders, "PGKEYLESS_TARGET_2=" + billing}}, "PGKEYLESS_TARGET_2 is set but PGKEYLESS_TARGET_1 is not", "gap"},
		{"target variable letters", Input{Environ: []string{"PGKEYLESS_TARGET_A=" + orders}}, "unknown variable PGKEYLESS_TARGET_A", "PGKEYLESS_TARGET_0"},
		{"via and dial", Input{Targets: []string{orders + "?dial=localhost:1&via=" + jump}}, "exclude each other", "leave out"},
		{"dial without port", Input{Targets: []string{orders}, Flags: flags("dial", "localhost")}, `--dial: "localhost" is not HOST:PORT`, "localhost:15432"},
		{"address with port", Input{Targets: []string{orders}, Flags: flags("via", jump, "address", "127.0.0.1:1")}, "--address:", "--port"},
		{"address in brackets", Input{Targets: []string{orders}, Flags: flags("via", jump, "address", "[::1]")}, `--address: "[::1]" is not an address`, "without brackets: ::1"},
		{"socket file", Input{Targets: []string{orders}, Flags: flags("via", jump, "unix-socket", "/tmp/.s.PGSQL.5432")}, "--unix-socket:", "psql -h DIR"},
		{"no sessions", Input{Targets: []string{orders + "?sessions=0"}, Flags: via}, `option sessions: "0" is not a number of sessions`, "1 to 64"},
		{"too many sessions", Input{Targets: []string{orders}, Flags: flags("via", jump, "sessions", "65")}, "--sessions:", "1 to 64"},
		{"max connections", Input{Targets: []string{orders}, Flags: flags("via", jump, "max-connections", "-1")}, `--max-connections: "-1" is not a number of connections`, "0 means no limit"},
		{"max connections of a target", Input{Targets: []string{orders + "?max-connections=5"}, Flags: via}, "max-connections", ""},
		{"login timeout", Input{Targets: []string{orders}, Flags: flags("via", jump, "login-timeout", "0s")}, `--login-timeout: "0s" is no time for a login`, "a second at least"},
		{"login timeout without a unit", Input{Targets: []string{orders}, Flags: flags("via", jump, "login-timeout", "30")}, `--login-timeout: "30" is no time for a login`, "30s"},
		{"session age", Input{Targets: []string{orders}, Flags: flags("via", jump, "session-age", "12")}, `--session-age: "12" is not a duration`, "12h"},
		{"short session age", Input{Targets: []string{orders}, Flags: flags("via", jump, "session-age", "1s")}, "too short", "a minute"},
		{"ready logins", Input{Targets: []string{orders + "?ready-logins=65"}, Flags: via}, `option ready-logins: "65" is not a number of ready logins`, "0 to 64"},
		{"keep-alive", Input{Targets: []string{orders}, Flags: flags("via", jump, "keep-alive", "yes")}, `--keep-alive: "yes" is none of connected, off`, "idle timeout"},
		{"ssmmessages-endpoint", Input{Targets: []string{orders + "?ssmmessages-endpoint=http://10.0.0.9"}, Flags: via}, `"http://10.0.0.9" is not encrypted`, "https://HOST"},
		{"ssmmessages-endpoint with a path", Input{Targets: []string{orders}, Flags: via, Environ: []string{"PGKEYLESS_SSMMESSAGES_ENDPOINT=https://host/path"}}, `PGKEYLESS_SSMMESSAGES_ENDPOINT: "https://host/path" is not an endpoint`, "vpce-0123"},
		{"sslnegotiation", Input{Targets: []string{orders}, Flags: via, Environ: []string{"PGKEYLESS_SSLNEGOTIATION=tls"}}, `PGKEYLESS_SSLNEGOTIATION: "tls" is none of postgres, direct`, "PostgreSQL 17"},
		{"region", Input{Targets: []string{orders}, Flags: flags("via", jump, "region", "Frankfurt")}, "--region:", "eu-central-1"},
		{"boolean", Input{Targets: []string{orders}, Flags: via, Environ: []string{"PGKEYLESS_QUIET=yes"}}, `PGKEYLESS_QUIET: "yes" is neither true nor false`, "write true or false"},
		{"duration", Input{Targets: []string{orders}, Flags: flags("via", jump, "max-sigterm-delay", "30")}, `--max-sigterm-delay: "30" is not a duration`, "30s"},
		{"delays crossed", Input{Targets: []string{orders}, Flags: flags("via", jump, "min-sigterm-delay", "2m")}, "shorter than min-sigterm-delay", "--max-sigterm-delay"},
		{"quiet and debug", Input{Targets: []string{orders}, Flags: flags("via", jump, "quiet", "true", "debug-logs", "true")}, "exclude each other", "leave out"},
		{"no identifier", Input{Targets: []string{"orders_prod"}, Flags: via}, `target "orders_prod" is neither an identifier nor the host name`, "HOST[:PORT]"},
		{"identifier with port", Input{Targets: []string{"orders-prod:5433"}, Flags: via}, "a port belongs to an endpoint", "'orders-prod?port=N'"},
		{"ARN of something else", Input{Targets: []string{"arn:aws:ec2:eu-central-1:111122223333:instance/i-0abc"}, Flags: via}, "is not the ARN of an RDS database", "arn:aws:dsql:REGION:ACCOUNT:cluster/ID"},
		{"ARN without region", Input{Targets: []string{"arn:aws:rds::111122223333:db:orders"}, Flags: via}, "is not the ARN", "REGION"},
		{"endpoint of a host", Input{Targets: []string{orders + "?endpoint=reader"}, Flags: via}, "a host name is one endpoint already", "identifier or ARN"},
		{"endpoint with a dot", Input{Targets: []string{"orders?endpoint=a.b"}, Flags: via}, `"a.b" names no endpoint`, "reader"},
		{"statement timeout", Input{Targets: []string{orders + "?statement-timeout=30"}, Flags: via}, `"30" is not a duration`, "30s"},
		{"fine statement timeout", Input{Targets: []string{orders + "?statement-timeout=1us"}, Flags: via}, `"1us" is no statement_timeout`, "milliseconds"},
		{"endless statement timeout", Input{Targets: []string{orders}, Flags: flags("via", jump, "statement-timeout", "600h")}, `"600h" is no statement_timeout`, "596h"},
		{"read-only word", Input{Targets: []string{orders + "?read-only=yes"}, Flags: via}, `option read-only: "yes" is neither`, "true or false"},
		{"target in a query string", Input{Targets: []string{"orders?rds-cluster=b"}, Flags: via}, "rds-cluster names a target of its own", "leave it out"},
		{"endpoint port", Input{Targets: []string{orders + ":pg"}, Flags: via}, `"pg" is not a port number`, "HOST[:PORT]"},
		{"port zero", Input{Targets: []string{orders + ":0"}, Flags: via}, `"0" is not a port number`, "HOST[:PORT]"},
		{"URL", Input{Targets: []string{"postgresql://u:hunter2@" + orders + "/app"}, Flags: via}, "a target is not a URL", "HOST[:PORT]"},
		{"user and password", Input{Targets: []string{"u:hunter2@" + orders}, Flags: via}, "a target cannot contain a user", "--user"},
		{"nothing before query", Input{Targets: []string{"?user=x"}, Flags: via}, "without a name", "HOST[:PORT]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(tt.in)
			e, ok := err.(*Error)
			if !ok {
				t.Fatalf("Load gave %v (%T), want an *Error", err, err)
			}
			if !strings.Contains(e.Error(), tt.err) || !strings.Contains(e.Hint(), tt.hint) {
				t.Errorf("error %q, hint %q; want parts %q and %q", e, e.Hint(), tt.err, tt.hint)
			}
			if strings.Contains(e.Error()+e.Hint(), "hunter2") {
				t.Errorf("error %q, hint %q repeat a password", e, e.Hint())
			}
			if strings.ContainsAny(e.Error()+e.Hint(), "\n\r") {
				t.Errorf("error %q or hint %q has more than one line", e, e.Hint())
			}
		})
	}
}

func TestPortsCountUpPastNamedOnes(t *testing.T) {
	tests := []struct {
		name    string
		targets []string
		flags   map[string]string
		want    []int
		err     string
	}{
		{"from the default", []string{orders, billing}, nil, []int{5432, 5433}, ""},
		{"from the flag", []string{orders, billing}, flags("port", "6000"), []int{6000, 6001}, ""},
		{"past a later one's", []string{orders, billing, "c.d?port=5433"}, nil, []int{5432, 5434, 5433}, ""},
		{"named one stays", []string{orders, billing + "?port=5433", "c.d"}, nil, []int{5432, 5433, 5434}, ""},
		{"named first", []string{orders + "?port=5433", billing, "c.d"}, nil, []int{5433, 5432, 5434}, ""},
		{"named default port", []string{orders, billing + "?port=5432"}, nil, []int{5433, 5432}, ""},
		{"any port", []string{orders, billing}, flags("port", "0"), []int{0, 0}, ""},
		{"same port named twice", []string{orders + "?port=6000", billing + "?port=6000"}, nil, nil, "both want port 6000"},
		{"same port on all addresses", []string{orders + "?port=6000&address=0.0.0.0", billing + "?port=6000"}, nil, nil, "both want port 6000"},
		{"same port on localhost and one of its addresses", []string{orders + "?port=6000&address=::1&unix-socket=none", billing + "?port=6000"}, nil, nil, "both want port 6000"},
		{"same port on localhost by name", []string{orders + "?port=6000&address=LOCALHOST&unix-socket=none", billing + "?port=6000"}, nil, nil, "both want port 6000"},
		{"same port on both loopbacks", []string{orders + "?port=6000&address=::1&unix-socket=none", billing + "?port=6000&address=127.0.0.1"}, nil, []int{6000, 6000}, ""},
		{"same port, other address, same socket", []string{orders + "?port=6000&address=127.0.0.2", billing + "?port=6000"}, nil, nil, ".s.PGSQL.6000"},
		{"same port, other address, no socket", []string{orders + "?port=6000&address=127.0.0.2&unix-socket=none", billing + "?port=6000"}, nil, []int{6000, 6000}, ""},
		{"none left", []string{orders, billing}, flags("port", "65535"), nil, "no port left"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := Input{Targets: tt.targets, Flags: flags("via", jump)}
			for k, v := range tt.flags {
				in.Flags[k] = v
			}
			cfg, err := Load(in)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want part %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, target := range cfg.Targets {
				got = append(got, target.Port)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("ports %v, want %v", got, tt.want)
			}
		})
	}
}

func TestJumpHostForms(t *testing.T) {
	hex17 := "0123456789abcdef0"
	tests := map[string]bool{
		"none":                               true,
		"i-01234567":                         true,
		"i-" + hex17:                         true,
		"mi-" + hex17:                        true,
		"ecs:prod_0123abcd_0123abcd-456":     true,
		"ecs:my_prod-1_0123abcd_0123abcd-45": true,
		"i-0123456":                          false,
		"i-" + hex17 + "0":                   false,
		"i-0123456G":                         false,
		"I-01234567":                         false,
		"mi-01234567":                        false,
		"ecs:prod":                           false,
		"ecs:prod/service":                   true,
		"ecs:prod/":                          false,
		"ecs:/service":                       false,
		"tag:Role=jump host":                 true,
		"tag:Role=":                          true,
		"tag:Role":                           false,
		"tag:=jump":                          false,
		"asg:jumps":                          true,
		"autoscaling:jumps":                  true,
		"asg:":                               false,
		"ecs:prod_task":                      false,
		"bastion":                            false,
		"i-01234567 ":                        false,
		"ecs:" + strings.Repeat("c", 400) + "_0_0": false,
	}
	for via, want := range tests {
		_, err := Load(Input{Targets: []string{orders}, Flags: flags("via", via)})
		if got := err == nil; got != want {
			t.Errorf("via %q accepted: %v (%v), want %v", via, got, err, want)
		}
	}
}

func TestTargetsFromEnvironment(t *testing.T) {
	environ := []string{"PGKEYLESS_TARGET_1=" + billing + "?user=b", "PGKEYLESS_TARGET_0=" + orders + ":6543", "PGKEYLESS_VIA=none"}
	cfg, err := Load(Input{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Targets) != 2 || cfg.Targets[0].Endpoint != orders+":6543" || cfg.Targets[0].Name != orders || cfg.Targets[1].User != "b" {
		t.Errorf("targets %+v, want %s then %s", cfg.Targets, orders, billing)
	}
	cfg, err = Load(Input{Targets: []string{billing}, Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Targets) != 1 || cfg.Targets[0].Name != billing {
		t.Errorf("targets %+v, want the positional one alone", cfg.Targets)
	}
}

func TestRunSettings(t *testing.T) {
	run, err := LoadRun(Input{
		Flags:   flags("debug-logs", "true", "min-sigterm-delay", "5s"),
		Environ: []string{"PGKEYLESS_STRUCTURED_LOGS=1", "PGKEYLESS_EXIT_ZERO_ON_SIGTERM=true", "PGKEYLESS_MIN_SIGTERM_DELAY=1s", "PGKEYLESS_MAX_CONNECTIONS=200", "PGKEYLESS_LOGIN_TIMEOUT=5m"},
	})
	want := defaultRun()
	want.StructuredLogs, want.DebugLogs, want.ExitZeroOnSigterm = true, true, true
	want.MinSigtermDelay, want.MaxSigtermDelay, want.LoginTimeout = 5*time.Second, 30*time.Second, 5*time.Minute
	want.MaxConnections = 200
	if err != nil || run != want {
		t.Errorf("got %+v, %v; want %+v", run, err, want)
	}
}

func TestLoadOneWantsOneTargetAndNoPath(t *testing.T) {
	target, _, err := LoadOne(Input{Targets: []string{orders + "?user=u"}})
	if err != nil || target.User != "u" || target.Via != "" {
		t.Errorf("got %+v, %v; want user u and no jump host", target, err)
	}
	if _, _, err := LoadOne(Input{Targets: []string{orders, billing}}); err == nil || !strings.Contains(err.Error(), "2 targets given, but the command takes one") {
		t.Errorf("two targets gave %v", err)
	}
}

func TestSuggest(t *testing.T) {
	for typed, want := range map[string]string{
		"prot": "port", "ports": "port", "--profil": "profile", "UNIX_SOCKET": "unix-socket", "unix-sockets": "unix-socket", "aws-regoin": "region",
		"host": "address", "target": "via", "structured-log": "structured-logs", "vie": "via", "xyz": "", "": "", "password": "",
	} {
		if got := Suggest(typed); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", typed, got, want)
		}
	}
}

// Whatever is typed, a target is either refused with one line and a hint, or
// within its bounds and the same when its endpoint is read again.
func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{
		orders, orders + ":5433?via=" + jump + "&user=a%20b", "?", "a.b?&&=", "a.b?user=%", "a.b:99999", "[::1]:1?port=0", "u:p@a.b",
		"a.b?dial=x:1&via=none", "a.b?via=i-01234567&dial=x:1", "x://y", "a..b", "a.b.?unix-socket=off&port=00",
		"orders-prod?endpoint=reader", "arn:aws:rds:eu-central-1:111122223333:cluster:orders", "arn:aws:rds::111122223333:global-cluster:g", "a-:1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		target, err := parseTarget(arg, &file{})
		if err != nil {
			e, ok := err.(*Error)
			if !ok || e.Error() == "" || e.Hint() == "" || strings.ContainsAny(e.Error()+e.Hint(), "\r\n\x00") {
				t.Fatalf("parseTarget(%q) = %q, want one line with a hint", arg, err)
			}
			return
		}
		if (target.Endpoint == "") == (target.Ref == "") {
			t.Fatalf("parseTarget(%q) = %+v, want an endpoint or a reference", arg, target)
		}
		if target.Port < 0 || target.Port > 65535 || !isHost(target.Name) || !isHost(target.Address) {
			t.Fatalf("parseTarget(%q) = %+v", arg, target)
		}
		if target.Dial != "" && target.Via != ViaNone {
			t.Fatalf("parseTarget(%q) has both ways: %+v", arg, target)
		}
		again, err := parseTarget(target.Arg(), &file{})
		if err != nil || again.Name != target.Name {
			t.Fatalf("parseTarget(%q) = %+v, %v; want name %q", target.Arg(), again, err, target.Name)
		}
	})
}

func TestHTTPSettings(t *testing.T) {
	run, err := LoadRun(Input{Flags: flags("health-check", "", "prometheus-namespace", "pg_1", "http-address", "0.0.0.0", "http-port", "0",
		"admin-port", "9000", "debug", "true")})
	if err == nil { // a switch without a value is set by the flag parser
		t.Errorf("an empty switch is taken: %+v", run)
	}
	run, err = LoadRun(Input{Flags: flags("health-check", "true", "prometheus-namespace", "pg_1", "http-address", "0.0.0.0", "http-port", "0",
		"admin-port", "9000", "debug", "true")})
	if err != nil || !run.HealthCheck || run.PrometheusNamespace != "pg_1" || run.HTTPAddress != "0.0.0.0" || run.HTTPPort != 0 || run.AdminPort != 9000 || !run.Debug {
		t.Errorf("got %+v, %v", run, err)
	}
	run, err = LoadRun(Input{Flags: flags("auth", "kubernetes", "kubernetes-accounts", "shop/orders,bi/*,*", "kubernetes-server", "https://rancher.example:6443/k8s/clusters/c-1")})
	if err != nil || run.Auth != AuthKubernetes || run.Kubernetes.Accounts != "shop/orders,bi/*,*" || run.Kubernetes.Audience != "pgkeyless" {
		t.Errorf("got %+v, %v", run, err)
	}
	for name, bad := range map[string][]string{
		"a port":      {"http-port", "65536"},
		"a prefix":    {"prometheus-namespace", "1a"},
		"an address":  {"http-address", "localhost:9090"},
		"one port":    {"prometheus", "true", "debug", "true", "http-port", "9091"},
		"true or not": {"quitquitquit", "maybe"},
		"a way":       {"auth", "kerberos"},
		"its file":    {"auth", "scram"},
		"its CA":      {"auth", "cert"},
		"the key":     {"tls-cert", "x.pem"},
		"an account":  {"kubernetes-accounts", "shop/orders,Shop/Orders"},
		"a namespace": {"kubernetes-accounts", "*/orders"},
		"an audience": {"kubernetes-audience", "two words"},
		"plain HTTP":  {"kubernetes-server", "http://api.example"},
		"a question":  {"kubernetes-issuer", "https://issuer.example?x=y"},
		"an issuer":   {"kubernetes-jwks-file", "jwks.json"},
		"one of two":  {"auth", "kubernetes", "kubernetes-issuer", "https://issuer.example", "kubernetes-server", "https://api.example"},
		"users":       {"allow-users", "a,,b"},
	} {
		var e *Error
		if _, err := LoadRun(Input{Flags: flags(bad...)}); !errors.As(err, &e) || e.Hint() == "" {
			t.Errorf("%s: %v, want an error with a hint", name, err)
		}
	}
}

// What AWS is asked about may be public, and so is DSQL: whether a jump host is missing
// shows later, or never.
func TestPublicDatabasesNeedNoWay(t *testing.T) {
	for _, name := range []string{"hobby", "arn:aws:rds:eu-central-1:111122223333:cluster:hobby", "abcdefghijklmnopqrstuvwxyz.dsql.eu-west-1.on.aws", "ABC.DSQL.eu-west-1.on.aws:5432"} {
		cfg, err := Load(Input{Targets: []string{name}})
		if err != nil || cfg.Targets[0].Via != "" {
			t.Errorf("%s: %+v, %v", name, cfg.Targets, err)
		}
	}
}
