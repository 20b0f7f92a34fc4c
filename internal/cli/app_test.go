package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// pgkeyless runs the program to its end.
func pgkeyless(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = newApp(&out, &errs).run(context.Background(), args)
	return code, out.String(), errs.String()
}

func TestWrongUsageIsOneErrorAndOneHint(t *testing.T) {
	dir := testenv.Isolate(t)
	notPEM := filepath.Join(dir, "not.pem")
	if err := os.WriteFile(notPEM, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name      string
		args      []string
		err, hint string // beginnings of what follows "error: " and "hint: "
	}{
		{"nothing", nil, "no target given", "name a database"},
		{"unknown flag", []string{testenv.Orders, "--vai", testenv.Jump}, "unknown flag --vai", "did you mean --via?"},
		{"foreign flag", []string{testenv.Orders, "--database=x"}, "unknown flag --database", "did you mean --dbname?"},
		{"unknown flag before a command", []string{"--nope", "serve", testenv.Orders}, "unknown flag --nope", "`pgkeyless --help` lists the flags"},
		{"unknown letter", []string{testenv.Orders, "-z"}, "unknown flag -z", "`pgkeyless --help`"},
		{"flag of another command", []string{"token", testenv.Orders, "--quiet"}, "unknown flag --quiet", "`pgkeyless token --help`"},
		{"connect to a target by flag", []string{"connect", "--rds-instance", "orders"}, "no AWS region to look in", "name it with --region"},
		{"this machine as a target", []string{"localhost:5432"}, `target "localhost:5432" is this machine, where clients connect`, "name the database: its identifier, ARN or endpoint"},
		{"flag of psql", []string{"connect", testenv.Orders, "-c", "select 1"}, "unknown flag -c", "`pgkeyless connect --help` lists the flags; put psql's own flags after two dashes: pgkeyless connect TARGET -- -c"},
		{"mistyped flag of connect", []string{"connect", testenv.Orders, "--vai", testenv.Jump}, "unknown flag --vai", "did you mean --via?"},
		{"command without dashes", []string{"exec", testenv.Orders, "psql", "-c", "select 1"}, "unknown flag -c", "`pgkeyless exec --help` lists the flags; put the command after two dashes"},
		{"flag without value", []string{testenv.Orders, "--via"}, "flag --via needs a value", "jump host"},
		{"letter without value", []string{testenv.Orders, "-p"}, "flag -p needs a value", "port to listen on"},
		{"flag twice", []string{testenv.Orders, "--user=a", "--user=b"}, "--user is given twice", "leave out one"},
		{"flag twice by alias", []string{testenv.Orders, "--profile=a", "--aws-profile=b"}, "--profile is given twice", "leave out one"},
		{"wrong type", []string{testenv.Orders, "-p", "pg"}, `--port: "pg" is not a port number`, "give a number"},
		{"switch with a word", []string{testenv.Orders, "--quiet=perhaps"}, `--quiet: "perhaps" is neither true nor false`, "write true or false"},
		{"unknown option", []string{testenv.Orders + "?prot=1"}, `target "` + testenv.Orders + `": unknown option "prot"`, "did you mean port?"},
		{"mistyped command", []string{"tokn", testenv.Orders}, `unknown command "tokn"`, "did you mean `pgkeyless token`? a target of this name goes after serve: `pgkeyless serve tokn`"},
		{"word", []string{"orders_prod"}, `target "orders_prod" is neither an identifier nor the host name`, "a target is"},
		{"identifier", []string{"orders", "--via", testenv.Jump}, "no AWS region to look in", "name it with --region"},
		{"target like a command", []string{"serve", "token"}, "no AWS region to look in", "name it with --region"},
		{"target like a command after dashes", []string{"--", "token"}, "no AWS region to look in", "name it with --region"},
		{"no jump host", []string{testenv.Orders}, `target "` + testenv.Orders + `": no jump host given`, "add --via"},
		{"no region", []string{"world.global-a1b2.global.rds.amazonaws.com", "--via", testenv.Jump}, "no AWS region for world.global-a1b2.global.rds.amazonaws.com", "set --region (or region=… on the target, or AWS_REGION)"},
		{"another region than the name's", []string{testenv.Orders, "--via", testenv.Jump, "--region", "us-east-1"},
			`target "` + testenv.Orders + `" is in eu-central-1 by its name, and in us-east-1 by the option region`, "leave the region out"},
		{"another region for a token", []string{"token", testenv.Orders + "?region=us-east-1", "--user", "u"}, `target "` + testenv.Orders + `" is in eu-central-1`, "leave the region out"},
		{"no such ca-file", []string{testenv.Orders, "--via", testenv.Jump, "--ca-file", filepath.Join(dir, "none.pem")}, "ca-file " + filepath.Join(dir, "none.pem"), "check the path"},
		{"ca-file without certificates", []string{testenv.Orders, "--via", testenv.Jump, "--ca-file", notPEM}, "ca-file " + notPEM, "ca-file"},
		{"foreign address", []string{testenv.Orders, "--via", testenv.Jump, "-a", "192.0.2.1", "-p", "0"}, "192.0.2.1 is not an address of this machine", "choose another with --address"},
		{"token without user", []string{"token", testenv.Orders}, "no database user given", "a token is for one user"},
		{"token without target", []string{"token", "--user", "u"}, "no target given", "name a database"},
		{"token for two", []string{"token", testenv.Orders, testenv.Billing, "--user", "u"}, "2 targets given, but the command takes one", "name one"},
		{"version of something", []string{"version", "x"}, "`pgkeyless version` takes no argument", "see"},
		{"help for a mistyped command", []string{"help", "tokn"}, `unknown command "tokn"`, "did you mean `pgkeyless help token`?"},
		{"help for nothing known", []string{"help", "config", "xyz"}, `unknown command "config xyz"`, "`pgkeyless help` lists the commands"},
		{"completion for nothing", []string{"completion"}, "completion needs one shell", "name one of bash"},
		{"completion for an unknown shell", []string{"completion", "tcsh"}, `completion needs one shell, got "tcsh"`, "name one of bash"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := pgkeyless(t, tt.args...)
			lines := strings.SplitAfter(stderr, "\n")
			if code != 1 || stdout != "" || len(lines) != 3 || lines[2] != "" ||
				!strings.HasPrefix(lines[0], "pgkeyless: error: "+tt.err) || !strings.HasPrefix(lines[1], "pgkeyless: hint: "+tt.hint) {
				t.Errorf("%q: code %d, stdout %q, stderr\n%swant code 1, no stdout and\npgkeyless: error: %s…\npgkeyless: hint: %s…",
					tt.args, code, stdout, stderr, tt.err, tt.hint)
			}
		})
	}
}

func TestStructuredErrorIsOneRecord(t *testing.T) {
	testenv.Isolate(t)
	code, _, stderr := pgkeyless(t, testenv.Orders, "-l")
	record := decode(t, stderr)
	if code != 1 || record["severity"] != "ERROR" || !strings.Contains(record["message"], "no jump host given") ||
		!strings.Contains(record["hint"], "--via") || record["timestamp"] == "" {
		t.Errorf("code %d, record %v", code, record)
	}
}

// The flag counts wherever it stands, also behind one that cannot be parsed.
func TestStructuredErrorOfTheFlagsThemselves(t *testing.T) {
	testenv.Isolate(t)
	for _, args := range [][]string{{testenv.Orders, "--nope", "--structured-logs"}, {testenv.Orders, "--port", "x", "-l"}, {"token", testenv.Orders, "--nope", "-l"}} {
		code, _, stderr := pgkeyless(t, args...)
		if record := decode(t, stderr); code != 1 || record["severity"] != "ERROR" || record["message"] == "" || record["hint"] == "" {
			t.Errorf("%q: code %d, record %v", args, code, record)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}, {"-v"}, {"version", "--structured-logs"}} {
		code, stdout, stderr := pgkeyless(t, args...)
		if code != 0 || stderr != "" || !strings.HasPrefix(stdout, "pgkeyless ") || strings.Count(stdout, "\n") != 1 {
			t.Errorf("%v: code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}

func TestHelpGoesToStdout(t *testing.T) {
	code, stdout, stderr := pgkeyless(t, "--help")
	for _, want := range []string{"serve", "token", "completion", "version", "--via TARGET", "--dial HOST:PORT", "-p, --port N", "-u, --unix-socket DIR", "130", "143"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("help lacks %q", want)
		}
	}
	if code != 0 || stderr != "" {
		t.Errorf("code %d, stderr %q", code, stderr)
	}
}

func TestCompletionScripts(t *testing.T) {
	for shell, mark := range map[string]string{"bash": "__start_pgkeyless", "zsh": "#compdef pgkeyless", "fish": "complete -c pgkeyless", "powershell": "Register-ArgumentCompleter"} {
		code, stdout, stderr := pgkeyless(t, "completion", shell)
		if code != 0 || stderr != "" || !strings.Contains(stdout, mark) {
			t.Errorf("%s: code %d, %d bytes without %q, stderr %q", shell, code, len(stdout), mark, stderr)
		}
	}
	code, stdout, _ := pgkeyless(t, "__complete", "serve", "--un")
	if code != 0 || !strings.Contains(stdout, "--unix-socket") {
		t.Errorf("completing --un: code %d, %q", code, stdout)
	}
}

func TestTokenAloneOnStdout(t *testing.T) {
	testenv.Isolate(t)
	code, stdout, stderr := pgkeyless(t, "token", strings.ToUpper(testenv.Orders)+"?user=app%20user")
	if code != 0 || stderr != "" {
		t.Fatalf("code %d, stderr %q", code, stderr)
	}
	token, rest, _ := strings.Cut(stdout, "\n")
	if rest != "" || !strings.HasPrefix(token, testenv.Orders+":5432?") || !strings.Contains(token, "DBUser=app%20user") || !strings.Contains(token, "eu-central-1%2Frds-db") {
		t.Errorf("stdout %q, want one token for app user on %s", stdout, testenv.Orders)
	}
	if code, stdout, _ = pgkeyless(t, "token", "world.global-a1b2.global.rds.amazonaws.com:6543", "--aws-region", "eu-west-2", "--user", "u"); code != 0 || !strings.HasPrefix(stdout, "world.global-a1b2.global.rds.amazonaws.com:6543?") || !strings.Contains(stdout, "eu-west-2%2Frds-db") {
		t.Errorf("code %d, stdout %q; want a token for region eu-west-2", code, stdout)
	}
}

// Where the endpoint's name has no region, the SDK's own counts.
func TestRegionOfTheAWSConfiguration(t *testing.T) {
	for _, tt := range []struct {
		name, variable, profile string // the region of each
		args                    []string
		want                    string
	}{
		{name: "variable", variable: "eu-central-1", want: "eu-central-1"},
		{name: "profile", profile: "eu-west-3", want: "eu-west-3"},
		{name: "option first", variable: "eu-central-1", args: []string{"--region", "us-east-1"}, want: "us-east-1"},
	} {
		dir := testenv.Isolate(t)
		if tt.variable != "" {
			t.Setenv("AWS_REGION", tt.variable)
		}
		if err := os.WriteFile(filepath.Join(dir, "config"), []byte("[default]\nregion = "+tt.profile+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := pgkeyless(t, append([]string{"token", "world.global-a1b2.global.rds.amazonaws.com", "--user", "u"}, tt.args...)...)
		if code != 0 || !strings.Contains(stdout, tt.want+"%2Frds-db") {
			t.Errorf("%s: code %d, stderr %q, token %q; want one for %s", tt.name, code, stderr, stdout, tt.want)
		}
	}
	// The endpoint's own overrides it, without a complaint.
	t.Setenv("AWS_REGION", "us-east-1")
	if code, stdout, stderr := pgkeyless(t, "token", testenv.Orders, "--user", "u"); code != 0 || !strings.Contains(stdout, "eu-central-1%2Frds-db") {
		t.Errorf("code %d, stderr %q, token %q; want one for eu-central-1", code, stderr, stdout)
	}
}

func TestTokenTakesTheCommandLineOfServe(t *testing.T) {
	testenv.Isolate(t)
	code, stdout, stderr := pgkeyless(t, "token", testenv.Orders, "--user", "u", "--via", "none", "--dbname", "app", "--ca-file", "none.pem",
		"-a", "127.0.0.1", "-p", "1", "-u", "/nonexistent/dir")
	if code != 0 || stderr != "" || !strings.HasPrefix(stdout, testenv.Orders+":5432?") {
		t.Errorf("code %d, stdout %q, stderr %q; want a token", code, stdout, stderr)
	}
	if code, stdout, stderr = pgkeyless(t, "token", testenv.Orders, "--user", "u", "--dial", "localhost:1053"); code != 0 || !strings.HasPrefix(stdout, testenv.Orders+":5432?") {
		t.Errorf("with dial: code %d, stdout %q, stderr %q; want a token for the endpoint", code, stdout, stderr)
	}
	_, help, _ := pgkeyless(t, "token", "--help")
	if !strings.Contains(help, "required") || strings.Contains(help, "--unix-socket") {
		t.Errorf("help does not say what counts:\n%s", help)
	}
}
