package causes

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestFill(t *testing.T) {
	facts := Facts{"user": "ada", "statement": `{"Action":"x","Resource":["a","b"]}`, "empty": ""}
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"plain", "plain"},
		{"hello {user}", "hello ada"},
		{"hello {nobody}", "hello nobody"},
		{"hello[ {user}]!", "hello ada!"},
		{"hello[ {nobody}]!", "hello!"},
		{"hello[ {empty}]!", "hello!"},
		{"[{nobody}, ]{user}", "ada"},
		{"[both {user} and {nobody}]", ""},
		{"as {statement}", `as {"Action":"x","Resource":["a","b"]}`},
		{"as[ {statement}] {user}", `as {"Action":"x","Resource":["a","b"]} ada`},
		{"open { end", "open { end"},
		{"open [ end", "open [ end"},
	} {
		if got := facts.fill(test.text); got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}

// TestTableIsWhole finds every row declared in this package in All, once.
func TestTableIsWhole(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.CompositeLit); ok {
				if name, ok := literal.Type.(*ast.Ident); ok && name.Name == "Cause" && len(literal.Elts) > 0 {
					declared++
				}
			}
			return true
		})
	}
	if all := All(); declared != len(all) || declared < 80 {
		t.Errorf("%d rows declared, %d in the table, want the same and 80 at least", declared, len(all))
	}
}

func TestRowsAreSound(t *testing.T) {
	seen := map[string]bool{}
	name := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	state := regexp.MustCompile(`^([0-9A-Z]{5})?$`)
	for _, c := range All() {
		if !name.MatchString(c.Name) || seen[c.Name] {
			t.Errorf("name %q is taken or not of lower-case words", c.Name)
		}
		seen[c.Name] = true
		if !state.MatchString(c.SQLState) || c.Means == "" || c.Hint == "" {
			t.Errorf("%s: SQLSTATE %q, means %q, hint %q", c.Name, c.SQLState, c.Means, c.Hint)
		}
		if c.Says != strings.ToLower(c.Says) {
			t.Errorf("%s: text %q to look for is not in lower case", c.Name, c.Says)
		}
		for _, text := range []string{c.Message, c.Detail, c.Hint} {
			if strings.Count(text, "{") != strings.Count(text, "}") || strings.Count(text, "[") != strings.Count(text, "]") || strings.HasSuffix(text, ".") {
				t.Errorf("%s: %q is not balanced, or ends in a full stop", c.Name, text)
			}
		}
	}
}

// TestNoRowHidesAnother looks for each text among all that go before it.
func TestNoRowHidesAnother(t *testing.T) {
	for _, rows := range [][]Cause{AgentRefusals(), Refusals()} {
		for _, c := range rows {
			if got, ok := Spoken(rows, "FATAL: "+strings.ToUpper(c.Says)+" …"); !ok || got.Name != c.Name {
				t.Errorf("%q means %s, want %s", c.Says, got.Name, c.Name)
			}
		}
	}
}

func TestSpokenFindsTheirOwnWords(t *testing.T) {
	for text, want := range map[string]Cause{
		`PAM authentication failed for user "ada"`:                                                         TokenRefused,
		`PAM authentication failed for user`:                                                               TokenRefused,
		`password authentication failed for user "ada"`:                                                    UserNotGranted,
		`pg_hba.conf rejects connection for host "10.0.0.1", user "ada", database "app", SSL off`:          SSLOff,
		`no pg_hba.conf entry for host "10.0.0.1", user "ada", database "app", no encryption`:              NoEncryption,
		`no pg_hba.conf entry for replication connection from host "10.0.0.1", user "ada", SSL encryption`: NoEntry,
		`canceling authentication due to timeout`:                                                          AuthenticationSlow,
		`IAM authentication failed for user "IAMR:role"`:                                                   RedshiftRefused,
		`The IAM authentication failed for the role ada. Check the IAM token for this role and try again.`: ProxyTokenRefused,
		`IAM authentication failed for user ada. Check the IAM token for this user and try again.`:         ProxyTokenRefused,
		`The IAM authentication failed because of too many competing requests.`:                            ProxyBusy,
		`IAM is allowed only with SSL connections.`:                                                        ProxyWantsSSL,
		`RDS supports only IAM, MD5, or SCRAM authentication.`:                                             ProxyAuthentication,
		`Feature not supported: RDS Proxy currently doesn't support the option search_path.`:               ProxyOption,
		`Feature not supported: RDS Proxy currently doesn’t support command-line options.`:                 ProxyCommandLine,
		`unable to accept connection, access denied`:                                                       DSQLRefused,
		`Unable to accept connection, too many open connections.`:                                          DSQLFull,
		`Unable to accept connection, rate exceeded.`:                                                      DSQLRate,
		`setting configuration parameter "statement_timeout" not supported`:                                DSQLSetting,
		`role "ada" is not permitted to log in`:                                                            NoLogin,
		`role "ada" does not exist`:                                                                        NoRole,
	} {
		if got, _ := Spoken(Refusals(), text); got.Name != want.Name {
			t.Errorf("%q means %q, want %q", text, got.Name, want.Name)
		}
	}
	if got, ok := Spoken(Refusals(), "too many connections"); ok {
		t.Errorf("too many connections means %s, want none", got.Name)
	}
}

func TestMarkdownHasEveryRow(t *testing.T) {
	lines := strings.Split(Markdown(), "\n")
	for _, c := range All() {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "| `"+c.Name+"` | ") && strings.Contains(l, c.Means) }) {
			t.Errorf("no line for %s", c.Name)
		}
	}
	columns := regexp.MustCompile(`(^|[^\\])\|`)
	for _, l := range lines {
		if n := len(columns.FindAllString(l, -1)); l != "" && !strings.HasPrefix(l, "#") && n != 6 {
			t.Errorf("%d bars in %q, want 6", n, l)
		}
	}
}
