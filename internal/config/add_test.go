package config

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestAddTarget(t *testing.T) {
	orders := NewTarget{Name: "orders", Options: map[string]string{"via": "i-0123456789abcdef0", "user": "app_user", "port": "5433"}}
	const entry = "  orders:\n    via: i-0123456789abcdef0\n    user: app_user\n    port: 5433\n"
	for name, test := range map[string]struct {
		text, want string
	}{
		"empty":             {"", "targets:\n" + entry},
		"a comment alone":   {"# mine\n", "# mine\n\ntargets:\n" + entry},
		"no targets":        {"quiet: true # always\n", "quiet: true # always\ntargets:\n" + entry},
		"targets of null":   {"targets:\nquiet: true\n", "targets:\n" + entry + "quiet: true\n"},
		"a value like it":   {"default-target: targets\n", "default-target: targets\ntargets:\n" + entry},
		"beside another":    {"# mine\ntargets:\n  # the other\n  billing: # and more\n    via: none\n", "# mine\ntargets:\n  # the other\n  billing: # and more\n    via: none\n" + entry},
		"targets in a line": {"targets: {billing: {via: none}}\n", "targets:\n  billing: {via: none}\n" + entry},
	} {
		got, err := AddTarget(Places{}, "x.yaml", []byte(test.text), orders)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, test.want)
		}
	}
	odd := NewTarget{Name: "true", Database: "arn:aws:rds:eu-central-1:111122223333:cluster:orders", Options: map[string]string{"user": "0x10", "dbname": "null", "via": "none", "read-only": "true", "profile": "a: b # c"}}
	got, err := AddTarget(Places{}, "x.yaml", nil, odd)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parseFile("x.yaml", false, got)
	if err != nil || len(f.targets) != 1 || f.targets[0].named.Name != "true" || f.targets[0].values["user"].text != "0x10" || f.targets[0].values["dbname"].text != "null" ||
		f.targets[0].values["profile"].text != "a: b # c" || !strings.Contains(string(got), "read-only: true\n") {
		t.Errorf("%v: %+v of\n%s", err, f, got)
	}
}

func TestTargetThatCannotBeAdded(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		t    NewTarget
		want string
	}{
		"the name is there": {"targets:\n  Orders:\n    via: none\n", NewTarget{Name: "orders"}, `x.yaml:2: there is a target "Orders" already`},
		"a broken file":     {"targets: [\n", NewTarget{Name: "orders"}, "not YAML"},
		"a wrong option":    {"", NewTarget{Name: "orders", Options: map[string]string{"via": "somewhere"}}, "via"},
		"a wrong name":      {"", NewTarget{Name: "a.b"}, "is not a name for a target"},
	} {
		if _, err := AddTarget(Places{}, "x.yaml", []byte(test.text), test.t); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// A file that is found by its place may not hold everything.
func TestAddTargetToAFileOfAProject(t *testing.T) {
	places := Places{Dir: filepath.FromSlash("/home/ada/work/deep"), Home: filepath.FromSlash("/home/ada")}
	trusting := NewTarget{Name: "orders", Options: map[string]string{"via": "none", "ca-file": "/x.pem"}}
	for path, found := range map[string]bool{
		"/home/ada/work/deep/pgkeyless.yaml":        true,
		"/home/ada/work/.pgkeyless.yml":             true,
		"/home/ada/pgkeyless.yaml":                  true,
		"/home/pgkeyless.yaml":                      false,
		"/home/ada/other/pgkeyless.yaml":            false,
		"/home/ada/work/mine.yaml":                  false,
		"/home/ada/.config/pgkeyless/config.yaml":   false,
		"/home/ada/work/deep/deeper/pgkeyless.yaml": false,
	} {
		if _, err := AddTarget(places, path, nil, trusting); (err != nil) != found {
			t.Errorf("%s: %v, refused is to be %v", path, err, found)
		}
	}
}

func TestNamesForDatabases(t *testing.T) {
	for database, want := range map[string]string{
		"orders": "orders",
		"orders.c9akciq32abc.eu-central-1.rds.amazonaws.com:5432": "orders",
		"arn:aws:rds:eu-central-1:111122223333:cluster:orders":    "orders",
		"localhost": "",
		"":          "",
	} {
		if got := TargetName(database); got != want {
			t.Errorf("%q: %q, want %q", database, got, want)
		}
	}
}
