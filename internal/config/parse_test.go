package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const sample = `# a team's databases
quiet: true
max-sigterm-delay: 1m
defaults:
  via: i-0123456789abcdef0
  user: team
  unix-socket: none
targets:
  orders:
    database: orders-prod
    port: 6000
    user: app
    read-only: true
  billing:
    database: billing.abc123.eu-central-1.rds.amazonaws.com:6543
    aws-profile: dev
    statement-timeout: 30s
    ca-file: ca.pem
  local-one:
    dial: localhost:1053
`

func parsed(t *testing.T, text string) *file {
	t.Helper()
	f, err := parseFile("/p/pgkeyless.yaml", false, []byte(text))
	if err != nil {
		t.Fatalf("parsing: %v", err)
	}
	return f
}

// loadText loads with the config file's text in place of a file.
func loadText(t *testing.T, text string, in Input) (Config, error) {
	t.Helper()
	in.Flags = mergeFlags(in.Flags, flags("config-file", writeFile(t, t.TempDir(), "c.yaml", text)))
	return Load(in)
}

func mergeFlags(a, b map[string]string) map[string]string {
	for k, v := range a {
		b[k] = v
	}
	return b
}

func TestFileNamesTargets(t *testing.T) {
	f := parsed(t, sample)
	if got := f.names(); !slices.Equal(got, []string{"orders", "billing", "local-one"}) {
		t.Fatalf("targets %q", got)
	}
	base := defaults()
	base.Via, base.User, base.UnixSocket = jump, "team", SocketNone
	with := func(change func(*Options)) Options { o := base; change(&o); return o }
	for _, tt := range []struct {
		arg, name, endpoint, ref string
		want                     Options
	}{
		{"orders", "orders", "", "orders-prod", with(func(o *Options) { o.Port = 6000; o.User = "app"; o.ReadOnly = true })},
		{"ORDERS?user=me&read-only=false", "orders", "", "orders-prod", with(func(o *Options) { o.Port = 6000; o.User = "me" })},
		{"billing", "billing", "billing.abc123.eu-central-1.rds.amazonaws.com:6543", "",
			with(func(o *Options) {
				o.Profile = "dev"
				o.StatementTimeout = 30 * time.Second
				o.CAFile = filepath.Join("/p", "ca.pem")
			})},
		{"local-one", "local-one", "", "local-one", with(func(o *Options) { o.Via = ViaNone; o.Dial = "localhost:1053" })},
		{"another", "another", "", "another", base},
		{orders, orders, orders, "", base},
	} {
		got, err := parseTarget(tt.arg, f)
		if err != nil || got.Name != tt.name || got.Endpoint != tt.endpoint || got.Ref != tt.ref || got.Options != tt.want {
			t.Errorf("%s: got %+v, %v\nwant %s, %q, %q with %+v", tt.arg, got, err, tt.name, tt.endpoint, tt.ref, tt.want)
		}
	}
	if got, _ := parseTarget("billing", f); got.Arg() != "billing" {
		t.Errorf("Arg of billing is %q", got.Arg())
	}
}

func TestPrecedenceAndWhereEachValueCameFrom(t *testing.T) {
	text := "defaults:\n  via: none\n  user: d\n  dbname: d\n  region: eu-west-1\n  sessions: 7\ntargets:\n  a:\n    user: s\n    dbname: s\n    region: eu-west-2\n    port: 6001\n"
	in := Input{Targets: []string{"a?user=q"}, Flags: flags("user", "f", "dbname", "f"),
		Environ: []string{"PGKEYLESS_USER=e", "PGKEYLESS_DBNAME=e", "PGKEYLESS_PROFILE=e"}}
	cfg, err := loadText(t, text, in)
	if err != nil {
		t.Fatal(err)
	}
	path := cfg.Run.ConfigFile
	want := map[string]Setting{
		"user":     {"user", "q", Origin{Source: FromTarget}, ""},
		"dbname":   {"dbname", "f", Origin{Source: FromFlag, Place: "--dbname"}, path + ":10"},
		"profile":  {"profile", "e", Origin{Source: FromVariable, Place: "PGKEYLESS_PROFILE"}, ""},
		"region":   {"region", "eu-west-2", Origin{Source: FromFile, Place: path + ":11"}, ""},
		"port":     {"port", "6001", Origin{Source: FromFile, Place: path + ":12"}, ""},
		"sessions": {"sessions", "7", Origin{Source: FromFile, Place: path + ":6"}, ""},
		"via":      {"via", "none", Origin{Source: FromFile, Place: path + ":2"}, ""},
		"dial":     {"dial", "", Origin{Source: FromDefault}, ""},
		"address":  {"address", "127.0.0.1 and ::1", Origin{Source: FromDefault}, ""},
		"ca-file":  {"ca-file", "", Origin{Source: FromDefault}, ""},
	}
	seen := 0
	for _, got := range cfg.Targets[0].Settings() {
		got.Origin.label = ""
		if w, ok := want[got.Name]; ok {
			seen++
			if got != w {
				t.Errorf("got %+v, want %+v", got, w)
			}
		}
	}
	if seen != len(want) {
		t.Errorf("%d of %d settings told: %+v", seen, len(want), cfg.Targets[0].Settings())
	}
}

func TestTellsWhichWayReplacedTheOther(t *testing.T) {
	in := Input{Targets: []string{orders + "?dial=localhost:1"}, Flags: flags("via", jump)}
	cfg, err := Load(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range cfg.Targets[0].Settings() {
		if s.Name == "via" && (s.Value != ViaNone || s.Origin.Source != FromTarget) {
			t.Errorf("via is told as %+v, want none from the target", s)
		}
	}
	in = Input{Targets: []string{orders + "?via=" + jump}, Flags: flags("dial", "localhost:1")}
	if cfg, err = Load(in); err != nil {
		t.Fatal(err)
	}
	for _, s := range cfg.Targets[0].Settings() {
		if s.Name == "dial" && (s.Value != "" || s.Origin.Source != FromDefault) {
			t.Errorf("dial is told as %+v, want nothing", s)
		}
	}
}

// Without arguments every target of the file is served; ports of the file are
// the target's own, those of flags and defaults are where counting begins.
func TestServesAllTargetsOfTheFile(t *testing.T) {
	text := "defaults: {via: none, port: 7000}\ntargets:\n  a:\n  b: {port: 7001}\n  c: {}\n"
	for _, tt := range []struct {
		in   Input
		want []int
	}{
		{Input{}, []int{7000, 7001, 7002}},
		{Input{Targets: []string{"c", "b"}}, []int{7000, 7001}},
		{Input{Flags: flags("port", "8000")}, []int{8000, 8001, 8002}},
		{Input{Environ: []string{"PGKEYLESS_TARGET_0=b?port=1"}}, []int{1}},
	} {
		cfg, err := loadText(t, text, tt.in)
		var ports []int
		for _, target := range cfg.Targets {
			ports = append(ports, target.Port)
		}
		if err != nil || !slices.Equal(ports, tt.want) {
			t.Errorf("%+v: ports %v, %v; want %v", tt.in, ports, err, tt.want)
		}
	}
}

func TestProcessOptionsOfTheFile(t *testing.T) {
	path := writeFile(t, t.TempDir(), "c.yaml", sample)
	run, err := LoadRun(Input{Flags: flags("config-file", path), Environ: []string{"PGKEYLESS_MAX_SIGTERM_DELAY=2m"}})
	if want := withDefaults(Run{ConfigFile: path, Quiet: true, MaxSigtermDelay: 2 * time.Minute}); err != nil || run != want {
		t.Errorf("got %+v, %v; want %+v", run, err, want)
	}
	run, err = LoadRun(Input{Flags: flags("config-file", path+"x", "structured-logs", "true")})
	if err == nil || !run.StructuredLogs {
		t.Errorf("got %+v, %v; want an error and what the flags say", run, err)
	}
	if cfg, err := LoadAny(Input{Flags: flags("quiet", "true")}); err != nil || len(cfg.Targets) != 0 || !cfg.Run.Quiet {
		t.Errorf("without targets: %+v, %v; want the settings of the process", cfg, err)
	}
}

func TestMistakesInTheFileAreToldByLine(t *testing.T) {
	tests := []struct{ name, text, err, hint string }{
		{"near option", "targets:\n  a:\n    prot: 1\n", `f.yaml:3: unknown key "prot"`, "did you mean port?"},
		{"foreign option", "defaults:\n  database: x\n", `f.yaml:2: unknown key "database"`, "did you mean dbname?"},
		{"near database", "targets:\n  a:\n    databas: x\n", `f.yaml:3: unknown key "databas"`, "did you mean database?"},
		{"far option", "targets:\n  a:\n    colour: 1\n", `f.yaml:3: unknown key "colour"`, "the keys here are database, via, dial"},
		{"near section", "target:\n  a:\n", `f.yaml:1: unknown key "target"`, "did you mean targets?"},
		{"far section", "colour: 1\n", `f.yaml:1: unknown key "colour"`, "the keys here are targets, defaults, "},
		{"target's option outside", "port: 1\n", "f.yaml:1: port is an option of targets", "defaults:"},
		{"process option inside", "targets:\n  a:\n    quiet: true\n", "f.yaml:3: option quiet is for the whole process", "left margin"},
		{"another file", "config-file: x\n", "f.yaml:1: a config file cannot name another", "leave it out"},
		{"alias of the command line", "rds-instance: x\n", "f.yaml:1: rds-instance is for the command line", "targets:"},
		{"wrong value", "targets:\n  a:\n    port: pg\n", `f.yaml:3: port: "pg" is not a port number`, "65535"},
		{"wrong boolean", "quiet: yes\n", `f.yaml:1: quiet: "yes" is neither`, "true or false"},
		{"number for a duration", "max-sigterm-delay: 30\n", `f.yaml:1: max-sigterm-delay: "30" is not a duration`, "30s"},
		{"list for a word", "defaults:\n  user: [a, b]\n", "f.yaml:2: user takes one value, not a list", "database user"},
		{"no value", "defaults:\n  user:\n", "f.yaml:2: user has no value", "database user"},
		{"control character", "defaults:\n  user: \"a\\0b\"\n", "f.yaml:2: user: a control character", "user:"},
		{"key twice", "defaults:\n  user: a\n  user: b\n", `f.yaml:3: "user" appears twice, first in line 2`, "leave out"},
		{"key twice by alias", "defaults:\n  profile: a\n  aws-profile: b\n", `f.yaml:3: "aws-profile" appears twice, first in line 2`, "leave out"},
		{"target twice", "targets:\n  a:\n  a:\n", `f.yaml:3: "a" appears twice`, "leave out"},
		{"target twice but for case", "targets:\n  a:\n  A:\n", `f.yaml:3: target "A" differs from "a" in line 2 by case`, "rename"},
		{"section twice", "targets:\n  a:\ntargets:\n  b:\n", `f.yaml:3: "targets" appears twice`, "leave out"},
		{"same port", "targets:\n  a: {port: 6000}\n  b: {port: 6000}\n", `f.yaml:3: targets "a" and "b" both want port 6000`, "another port"},
		{"same port on all addresses", "targets:\n  a: {port: 6000, address: 0.0.0.0}\n  b:\n    port: 6000\n", `f.yaml:4: targets "a" and "b" both want port 6000`, "another port"},
		{"via and dial", "defaults:\n  via: i-01234567\n  dial: localhost:1\n", "f.yaml:3: dial: a dial address and a jump host exclude", "leave out"},
		{"endpoint of a host", "targets:\n  a:\n    database: a.b\n    endpoint: reader\n", "f.yaml:4: endpoint: a host name is one endpoint already", "leave the option out"},
		{"host as a name", "targets:\n  a.b:\n", `f.yaml:2: "a.b" is not a name for a target`, "database:"},
		{"name that is no identifier", "targets:\n  a_b: {via: none}\n", `f.yaml:2: target "a_b" has no database`, "add database:"},
		{"wrong database", "targets:\n  a:\n    database: a_b\n", `f.yaml:3: target "a_b" is neither an identifier`, "HOST[:PORT]"},
		{"password in a database", "targets:\n  a:\n    database: postgres://u:hunter2@h/d\n", "f.yaml:3: a target is not a URL", "HOST[:PORT]"},
		{"query string in a database", "targets:\n  a:\n    database: b?port=1\n", "f.yaml:3: database: options do not follow a question mark", "keys of the target"},
		{"targets as a list", "targets:\n- a\n", "f.yaml:2: targets is not a list of keys", "KEY: VALUE"},
		{"target as a word", "targets:\n  a: b\n", `f.yaml:2: target "a" is not a list of keys`, "KEY: VALUE"},
		{"option among targets", "targets:\n  a:\n  via: none\n", `f.yaml:3: "via" is an option, where targets are named`, "indent it below its target"},
		{"database among targets", "targets:\n  a:\n  database: b\n", `f.yaml:3: "database" is an option, where targets are named`, "indent it below its target"},
		{"file as a word", "hello\n", "f.yaml:1: the file is not a list of keys", "KEY: VALUE"},
		{"key that is no word", "? [a]\n: b\n", "f.yaml:1: a key of the file is not a word", "KEY: VALUE"},
		{"alias", "defaults: &d\n  via: none\ntargets:\n  a: *d\n", "f.yaml:4: anchors and aliases", "defaults:"},
		{"alias for a word", "defaults:\n  user: &u x\n  dbname: *u\n", "f.yaml:3: anchors and aliases", "defaults:"},
		{"two documents", "quiet: true\n---\nquiet: true\n", "f.yaml:2: a second document", "leave out"},
		{"tab", "defaults:\n\tuser: a\n", "f.yaml:2: not YAML", "spaces"},
		{"open bracket", "defaults: {user: a\n", "f.yaml:1: not YAML", "quotes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseFile("f.yaml", false, []byte(tt.text))
			e, ok := err.(*Error)
			if !ok {
				t.Fatalf("%q gave %v (%T), want one *Error", tt.text, err, err)
			}
			if !strings.HasPrefix(e.Error(), tt.err) || !strings.Contains(e.Hint(), tt.hint) {
				t.Errorf("%q gave %q, hint %q; want %q… and part %q", tt.text, e, e.Hint(), tt.err, tt.hint)
			}
			if text := e.Error() + e.Hint(); strings.ContainsAny(text, "\r\n\x00") || strings.Contains(text, "hunter2") {
				t.Errorf("error %q, hint %q: more than a line, or a password", e, e.Hint())
			}
		})
	}
}

func TestSeveralMistakesAreToldAtOnce(t *testing.T) {
	_, err := parseFile("f.yaml", false, []byte("quite: true\ndefaults:\n  prot: 1\ntargets:\n  a:\n    port: x\n"))
	several, ok := err.(interface{ Unwrap() []error })
	if !ok || len(several.Unwrap()) != 3 || !strings.HasPrefix(several.Unwrap()[2].Error(), "f.yaml:6: port") {
		t.Errorf("got %v, want three errors", err)
	}
	_, err = parseFile("f.yaml", false, []byte(strings.Repeat("b: 1\n", 20)))
	if several, ok = err.(interface{ Unwrap() []error }); !ok || len(several.Unwrap()) != maxProblems {
		t.Errorf("got %v, want %d errors", err, maxProblems)
	}
}

func TestTargetsAreBounded(t *testing.T) {
	var text strings.Builder
	text.WriteString("targets:\n")
	for i := range maxTargets + 5 {
		fmt.Fprintf(&text, "  t%d:\n", i)
	}
	if _, err := parseFile("f.yaml", false, []byte(text.String())); err == nil || !strings.HasPrefix(err.Error(), "f.yaml:1002: more than 1000 targets") {
		t.Errorf("got %v, want line 1002 refused", err)
	}
}

func TestEmptyFilesAreFine(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "targets:\n", "defaults:\ntargets: {}\n", "null\n", "{}", "\ufeffquiet: false\n"} {
		if f, err := parseFile("f.yaml", false, []byte(text)); err != nil || len(f.targets) != 0 {
			t.Errorf("%q gave %+v, %v", text, f, err)
		}
	}
}

// A file that nobody named runs no command and opens no browser.
func TestFoundFileAsksNobody(t *testing.T) {
	for _, line := range []string{"mfa-command: cat /etc/passwd\n", "sso-login: true\n"} {
		if _, err := parseFile("/p/f.yaml", true, []byte(line)); err == nil || !strings.Contains(err.Error(), "may not set this") {
			t.Errorf("%q gave %v, want a refusal", line, err)
		}
		if _, err := parseFile("/p/f.yaml", false, []byte(line)); err != nil {
			t.Errorf("%q in a file that was named: %v", line, err)
		}
	}
}

// What a file that nobody named may not do, the same file may when it is named.
func TestFoundFileIsTrustedLess(t *testing.T) {
	tests := []struct {
		line    string
		allowed bool
	}{
		{"via: i-01234567", true}, {"user: app", true}, {"profile: dev", true}, {"read-only: true", true}, {"port: 6000", true},
		{"address: 127.0.0.2", true}, {"address: \"::1\"", true}, {"address: localhost", true}, {"unix-socket: none", true},
		{"address: 0.0.0.0", false}, {"address: \"::\"", false}, {"address: 192.0.2.1", false}, {"address: myhost", false}, {"address: localhost.evil.example", false},
		{"unix-socket: /tmp", false}, {"ca-file: ca.pem", false},
	}
	for _, tt := range tests {
		for _, text := range []string{"defaults:\n  " + tt.line + "\n", "targets:\n  a:\n    " + tt.line + "\n"} {
			_, err := parseFile("/p/f.yaml", true, []byte(text))
			e, _ := errors.AsType[*Error](err)
			switch {
			case tt.allowed && err != nil:
				t.Errorf("%q is refused: %v", text, err)
			case !tt.allowed && (e == nil || !strings.Contains(e.Error(), "may not set this") || !strings.Contains(e.Hint(), "--config-file /p/f.yaml")):
				t.Errorf("%q gave %v, want a refusal that names --config-file", text, err)
			}
			if _, err := parseFile("/p/f.yaml", false, []byte(text)); err != nil {
				t.Errorf("%q is refused in a file that was named: %v", text, err)
			}
		}
	}
}

// Whatever a config file holds, it is refused with one line and a hint for each
// mistake, or gives targets within their bounds.
func FuzzParseFile(f *testing.F) {
	for _, s := range []string{sample, "targets:\n  a: *x\n", "a: &a [*a]\n", "? {}\n", "targets: {a: {port: 1}, b: {port: 1}}", "--- |\n x", "%YAML 1.1\n---\n",
		"defaults: {user: !!binary aGk=, via: !x none}", "<<: {quiet: true}", "a: 1\n---\n", "\xff\xfe", "targets:\n  a:\n    database: \"a\\nb\"\n"} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, found bool) {
		if len(text) > maxFile {
			return
		}
		got, err := parseFile("f.yaml", found, text)
		if err != nil {
			all := []error{err}
			if several, ok := err.(interface{ Unwrap() []error }); ok {
				all = several.Unwrap()
			}
			for _, err := range all {
				e, ok := err.(*Error)
				if !ok || e.Error() == "" || e.Hint() == "" || strings.ContainsAny(e.Error()+e.Hint(), "\r\n\x00") || !strings.HasPrefix(e.Error(), "f.yaml:") {
					t.Fatalf("%q gave %q, want one line with a hint", text, err)
				}
			}
			return
		}
		for _, name := range got.names() {
			target, err := parseTarget(name, got)
			if err != nil {
				t.Fatalf("%q: target %q: %v", text, name, err)
			}
			if (target.Endpoint == "") == (target.Ref == "") || target.Port < 0 || target.Port > 65535 || found && (target.CAFile != "" || !mayBeFound("address", target.Address)) {
				t.Fatalf("%q gave target %+v", text, target)
			}
		}
	})
}

// Flags go before variables, and these before the file, a target's own port
// included; what has been replaced is told.
func TestPortOfTheFileIsOverridden(t *testing.T) {
	const text = "targets:\n  a: {via: none, port: 7001}\n  b: {via: none}\n  c: {via: none, port: 7003}\n"
	type flags = map[string]string
	for _, tt := range []struct {
		name       string
		flags      flags
		environ    []string
		targets    []string
		ports      []int
		shared     []bool
		overridden []string
	}{
		{"the file alone", nil, nil, nil, []int{7001, 5432, 7003}, []bool{false, false, false}, []string{"", "", ""}},
		{"by flag", flags{"port": "6000"}, nil, nil, []int{6000, 6001, 6002}, []bool{false, false, false}, []string{"--port", "", "--port"}},
		{"by variable", nil, []string{"PGKEYLESS_PORT=6000"}, nil, []int{6000, 6001, 6002}, []bool{false, false, false}, []string{"PGKEYLESS_PORT", "", "PGKEYLESS_PORT"}},
		{"by flag over variable", flags{"port": "6000"}, []string{"PGKEYLESS_PORT=6500"}, nil, []int{6000, 6001, 6002}, []bool{false, false, false}, []string{"--port", "", "--port"}},
		{"with the same", flags{"port": "7001"}, nil, []string{"a"}, []int{7001}, []bool{false}, []string{""}},
		{"not by the query string, which is the target's own", flags{"port": "6000"}, nil, []string{"a?port=6500", "b"}, []int{6500, 6000}, []bool{false, false}, []string{"", ""}},
		{"on a shared port", flags{"shared-port": "true"}, nil, nil, []int{7001, 5432, 7003}, []bool{false, true, false}, []string{"", "", ""}},
		{"onto a shared port", flags{"shared-port": "true", "port": "6000"}, nil, []string{"a", "b", "c?port=7003"}, []int{6000, 6000, 7003}, []bool{true, true, false}, []string{"--port", "", ""}},
	} {
		file := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		all := flags{"config-file": file}
		maps.Copy(all, tt.flags)
		cfg, err := Load(Input{Targets: tt.targets, Flags: all, Environ: tt.environ})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for i, target := range cfg.Targets {
			if target.Port != tt.ports[i] || target.Shared != tt.shared[i] || target.PortOverridden() != tt.overridden[i] {
				t.Errorf("%s: target %s: port %d, shared %v, overridden by %q; want %d, %v, %q", tt.name, target.Name,
					target.Port, target.Shared, target.PortOverridden(), tt.ports[i], tt.shared[i], tt.overridden[i])
			}
			for _, set := range target.Settings() {
				if set.Name == "port" && (set.Overrides != "") != (tt.overridden[i] != "") {
					t.Errorf("%s: target %s: the setting overrides %q", tt.name, target.Name, set.Overrides)
				}
			}
		}
	}
}
