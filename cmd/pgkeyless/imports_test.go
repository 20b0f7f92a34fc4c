package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/pgkeyless/pgkeyless"

// arrows says what each package may import beside the standard library, test
// files aside. A path ending in /... takes in all beneath it. A package without
// a row must not exist: add the row with the package.
var arrows = map[string][]string{
	"internal/display":        {},
	"internal/causes":         {module + "/internal/display"},
	"internal/causes/gendoc":  {module + "/internal/causes"},
	"internal/config":         {"go.yaml.in/yaml/v3"},
	"auth":                    {module + "/internal/causes", "github.com/aws/aws-sdk-go-v2/...", "github.com/aws/smithy-go/..."},
	"auth/genroots":           {},
	"internal/discover":       {"github.com/aws/aws-sdk-go-v2/...", "github.com/aws/smithy-go/...", "golang.org/x/net/dns/dnsmessage", module + "/internal/causes"},
	"internal/policy":         {},
	"proxy":                   {module + "/internal/causes", module + "/proxy/eventloop", "github.com/jackc/pgx/v5/pgproto3", "golang.org/x/sys/unix"},
	"internal/doctor":         {},
	"internal/evidence":       {"github.com/aws/aws-sdk-go-v2/...", "github.com/aws/smithy-go/..."},
	"proxy/eventloop":         {},
	"internal/servicefile":    {},
	"tunnel":                  {module + "/internal/causes", module + "/internal/display", "github.com/aws/aws-sdk-go-v2/...", "github.com/aws/smithy-go/...", "github.com/coder/websocket", module + "/tunnel/datachannel", module + "/tunnel/mux"},
	"tunnel/datachannel":      {module + "/internal/display"},
	"tunnel/mux":              {},
	"cmd/pgkeyless":           {module + "/internal/causes", module + "/internal/config", module + "/auth", module + "/internal/discover", module + "/internal/doctor", module + "/internal/evidence", module + "/internal/policy", module + "/internal/servicefile", module + "/proxy", module + "/tunnel", "github.com/aws/aws-sdk-go-v2/...", "github.com/spf13/cobra", "github.com/spf13/pflag"},
	"cmd/pgkeyless-demo":      {module + "/integration/..."},
	"integration":             {module + "/integration/..."},
	"integration/awsemu":      {"github.com/xtaci/smux", "github.com/coder/websocket"},
	"integration/fidelity":    {},
	"integration/lab":         {module + "/integration/awsemu", module + "/integration/pgserver"},
	"integration/pluginrun":   {"github.com/aws/aws-sdk-go-v2/..."},
	"integration/benchkit":    {module + "/integration/...", "github.com/jackc/pgx/v5/pgconn"},
	"integration/proxybench":  {module + "/integration/...", "github.com/jackc/pgx/v5/pgconn", "github.com/jackc/pgx/v5/pgproto3"},
	"integration/tunnelbench": {module + "/integration/...", "github.com/jackc/pgx/v5/pgconn"},
	"integration/suites":      {module + "/integration/...", "github.com/jackc/pgx/v5"},
	"integration/soak":        {module + "/integration/...", "github.com/jackc/pgx/v5/..."},
	"scripts/testreport":      {},
	"integration/pgserver":    {"github.com/jimlambrt/gldap", "github.com/jackc/pgx/v5/..."},

	"integration/clients":                          {module + "/integration/...", "github.com/jackc/pgx/v5"},
	"integration/clients/harness/checks":           {},
	"integration/clients/harness/checks/sqlchecks": {module + "/integration/clients/harness/checks"},
}

// emulators must not share code with what they check, in their tests neither.
var emulators = []string{"integration/awsemu", "integration/pgserver"}

type goPackage struct {
	ImportPath, Name                   string
	Imports, TestImports, XTestImports []string
}

func TestImportArrows(t *testing.T) {
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		allowed, ok := arrows[name]
		if !ok {
			t.Errorf("package %s has no row of allowed imports", name)
			continue
		}
		for _, imported := range p.Imports {
			if !standard(imported) && !slices.ContainsFunc(allowed, func(a string) bool { return covers(a, imported) }) {
				t.Errorf("%s imports %s", name, imported)
			}
		}
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if strings.HasPrefix(imported, module+"/cmd/") {
				t.Errorf("%s imports %s; nothing imports a command", name, imported)
			}
			if slices.Contains(emulators, name) && strings.HasPrefix(imported, module+"/") && !strings.HasPrefix(imported, module+"/integration/") {
				t.Errorf("%s imports %s, which it is there to check", name, imported)
			}
		}
		if slices.Contains([]string{"util", "utils", "common", "helpers", "misc", "shared"}, path.Base(name)) {
			t.Errorf("package %s is named for nothing it does", name)
		}
	}
}

// listPackages asks the go command, with all its files for this system.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Imports,TestImports,XTestImports", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var packages []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("go list's answer: %v", err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 5 {
		t.Fatalf("go list found %d packages", len(packages))
	}
	return packages
}

// standard: only other modules have a dot in the first element of their paths.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

func covers(pattern, imported string) bool {
	prefix, all := strings.CutSuffix(pattern, "/...")
	return imported == prefix || all && strings.HasPrefix(imported, prefix+"/")
}
