package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// inProject makes a directory with a config file the working directory.
func inProject(t *testing.T, text string) (path string) {
	t.Helper()
	testenv.Isolate(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "pgkeyless.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	return path
}

func TestConfigPrintTellsWhereFrom(t *testing.T) {
	path := inProject(t, "quiet: true\ndefaults: {via: none}\ntargets:\n  orders:\n    port: 6000\n    user: app\n  "+
		"billing: {database: "+testenv.Billing+"}\n")
	t.Setenv("PGKEYLESS_REGION", "eu-west-1")
	code, stdout, stderr := pgkeyless(t, "config", "print", "orders?dbname=shop", "--sessions", "2")
	if code != 0 || stderr != "" {
		t.Fatalf("code %d, stderr %q", code, stderr)
	}
	rows := strings.Split(stdout, "\n")
	for i, row := range rows {
		rows[i] = strings.Join(strings.Fields(row), " ")
	}
	for _, want := range []string{
		"process", "quiet true " + path + ":1", "debug-logs (false) default", "config-file " + path,
		"target orders (database orders)", "via none " + path + ":2", "port 6000 " + path + ":5", "user app " + path + ":6",
		"dbname shop the target's query string", "sessions 2 --sessions", "region eu-west-1 PGKEYLESS_REGION", "address (127.0.0.1 and ::1) default", "dial (none) default",
	} {
		if !slices.ContainsFunc(rows, func(row string) bool { return strings.HasPrefix(row, want) }) {
			t.Errorf("lacks %q:\n%s", want, stdout)
		}
	}

	code, stdout, _ = pgkeyless(t, "config", "print", "--json")
	var got struct {
		File    string `json:"config_file"`
		Targets []struct {
			Name, Database string
			Options        []struct{ Name, Value, Source, Place string }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &got); code != 0 || err != nil || got.File != path || len(got.Targets) != 2 ||
		got.Targets[1].Name != "billing" || got.Targets[1].Database != testenv.Billing {
		t.Errorf("code %d, %v: %+v", code, err, got)
	}
	names := 0
	for _, o := range config.All() {
		if o.PerTarget() {
			names++
		}
	}
	if options := got.Targets[0].Options; len(options) != names || options[0].Name != "via" || options[0].Source != "file" || options[0].Place != path+":2" {
		t.Errorf("options %+v, want all %d, via from %s:2", options, names, path)
	}
}

func TestConfigPath(t *testing.T) {
	path := inProject(t, "")
	for _, tt := range []struct {
		args []string
		want string
	}{{nil, path + "\n"}, {[]string{"--config-file", "none"}, ""}} {
		if code, stdout, stderr := pgkeyless(t, append([]string{"config", "path"}, tt.args...)...); code != 0 || stdout != tt.want || stderr != "" {
			t.Errorf("%q: code %d, %q, stderr %q; want %q", tt.args, code, stdout, stderr, tt.want)
		}
	}
	if code, _, stderr := pgkeyless(t, "config", "prnt"); code != 1 || !strings.Contains(stderr, `no subcommand "prnt"`) {
		t.Errorf("code %d, stderr %q", code, stderr)
	}
}

func TestEachMistakeOfTheFileHasItsLines(t *testing.T) {
	path := inProject(t, "quite: true\ndefaults:\n  address: 0.0.0.0\n")
	code, _, stderr := pgkeyless(t, "serve")
	want := "pgkeyless: error: " + path + ":1: unknown key \"quite\"\npgkeyless: hint: did you mean quiet?\n" +
		"pgkeyless: error: " + path + ":3: address: a config file that is found in a project directory may not set this\n" +
		"pgkeyless: hint: set it by a flag or in your own config file; or name this file, if you trust it, with --config-file " + path + "\n"
	if code != 1 || stderr != want {
		t.Errorf("code %d, stderr\n%swant\n%s", code, stderr, want)
	}
	if code, _, stderr = pgkeyless(t, "serve", "--structured-logs"); code != 1 || strings.Count(stderr, `"severity":"ERROR"`) != 2 {
		t.Errorf("code %d, stderr %q; want two records", code, stderr)
	}
}

// A target's name overrides a command's that it is near to, and completes.
func TestNamesOfTheFile(t *testing.T) {
	inProject(t, "targets:\n  tokens: {}\n  orders: {}\n")
	if code, _, stderr := pgkeyless(t, "tokens"); code != 1 || !strings.Contains(stderr, "no AWS region to look in") { // for a database of that name
		t.Errorf("code %d, stderr %q; want the target's own problem", code, stderr)
	}
	if code, stdout, _ := pgkeyless(t, "__complete", "serve", ""); code != 0 || !strings.HasPrefix(stdout, "tokens\norders\n") {
		t.Errorf("completing: code %d, %q", code, stdout)
	}
}

// The example is read whole, and has every key that a file may have.
func TestExampleConfigFile(t *testing.T) {
	testenv.Isolate(t)
	const example = "../../docs/pgkeyless.example.yaml"
	cfg, err := config.Load(config.Input{Flags: map[string]string{"config-file": example}})
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Targets) != 4 || cfg.Targets[2].CAFile != filepath.Join("../../docs", "billing-ca.pem") {
		t.Errorf("targets %+v", cfg.Targets)
	}
	b, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, o := range config.All() {
		if has := strings.Contains(text, "\n"+o.Name+": ") || strings.Contains(text, " "+o.Name+": "); has == (o.NamesTarget() || o.Name == "config-file") {
			t.Errorf("the example has %s: %v", o.Name, has)
		}
	}
}

// A mistyped name of the config file looks like an identifier, and lacks what the
// file says of the name that was meant.
func TestMistypedNameOfTheFile(t *testing.T) {
	inProject(t, "targets:\n  reports: {via: none, database: a, region: eu-central-1}\n  stock_eu: {via: none, database: b}\n")
	for name, want := range map[string][2]string{
		"reprts":          {`target "reprts": no jump host given`, "did you mean reports, as in the config file? Otherwise add --via"},
		"Reprots":         {`target "Reprots": no jump host given`, "did you mean reports, "},
		"stok_eu":         {`target "stok_eu" is neither an identifier`, "did you mean stock_eu, "},
		"billing":         {"no AWS region to look in", "name it with --region"},
		"reprts?via=none": {"no AWS region to look in", "did you mean reports, as in the config file? Otherwise name it with --region"},
	} {
		code, _, stderr := pgkeyless(t, name)
		if want := "pgkeyless: error: " + want[0]; code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: code %d, %q, want %q", name, code, stderr, want)
		}
		if want := "\npgkeyless: hint: " + want[1]; !strings.Contains(stderr, want) {
			t.Errorf("%s: %q, want %q", name, stderr, want)
		}
	}
}
