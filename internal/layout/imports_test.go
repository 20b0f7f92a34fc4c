package layout

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const (
	module      = "github.com/pgkeyless/pgkeyless"
	integration = module + "/integration"
)

// arrows says what each package may import beside the standard library, test
// files aside. A path ending in /... takes in all beneath it. A package without
// a row must not exist: add the row with the package.
var arrows = map[string][]string{
	"proxy":              {module + "/proxy/eventloop", module + "/internal/causes", module + "/internal/display", module + "/internal/peercred", module + "/internal/secret", module + "/internal/slow", "github.com/jackc/pgx/v5/pgproto3", "github.com/pires/go-proxyproto", "github.com/xdg-go/scram", "golang.org/x/sys/unix"},
	"proxy/eventloop":    {"golang.org/x/sys/unix"},
	"tunnel":             {module + "/tunnel/datachannel", module + "/tunnel/mux", module + "/internal/awsapi", module + "/internal/awsapi/ssm", module + "/internal/awserror", module + "/internal/causes", module + "/internal/clock", module + "/internal/display", module + "/internal/iampolicy", module + "/internal/loopback", module + "/internal/partition", module + "/internal/secret", module + "/internal/shell", "github.com/aws/aws-sdk-go-v2/aws/...", "github.com/aws/smithy-go", "github.com/coder/websocket"},
	"tunnel/datachannel": {module + "/internal/agentversion", module + "/internal/display"},
	"tunnel/mux":         {},
	"auth":               {module + "/internal/causes", module + "/internal/credentials", module + "/internal/database", module + "/internal/iampolicy", module + "/internal/ownfile", module + "/internal/partition", module + "/internal/secret", "github.com/aws/aws-sdk-go-v2/..."},

	// Facts, at the bottom.
	"internal/agentversion":   {},
	"internal/awserror":       {"github.com/aws/smithy-go"},
	"internal/causes":         {module + "/internal/agentversion", module + "/internal/display"},
	"internal/causes/gendoc":  {module + "/internal/causes"},
	"internal/clock":          {},
	"internal/database":       {},
	"internal/dbuser":         {},
	"internal/display":        {},
	"internal/environ":        {},
	"internal/iampolicy":      {},
	"internal/loopback":       {},
	"internal/ownfile":        {"golang.org/x/sys/windows"},
	"internal/partition":      {},
	"internal/peercred":       {"golang.org/x/sys/unix"},
	"internal/secret":         {},
	"internal/shell":          {},
	"internal/serviceaccount": {},
	"internal/slow":           {},

	// What AWS, the user's files and the user say.
	"internal/config":      {module + "/internal/display", module + "/internal/loopback", module + "/internal/ownfile", module + "/internal/partition", module + "/internal/serviceaccount", "go.yaml.in/yaml/v3"},
	"internal/markedfile":  {module + "/internal/causes", module + "/internal/ownfile"},
	"internal/servicefile": {module + "/internal/causes", module + "/internal/markedfile"},
	"internal/passfile":    {module + "/internal/causes", module + "/internal/environ", module + "/internal/markedfile", module + "/internal/secret"},
	"internal/sharedfiles": {},
	"internal/credentials": {module + "/internal/awserror", module + "/internal/causes", module + "/internal/clock", module + "/internal/display", module + "/internal/loopback", module + "/internal/ownfile", module + "/internal/secret", module + "/internal/sharedfiles", module + "/internal/shell", "github.com/aws/aws-sdk-go-v2/...", "github.com/aws/smithy-go/..."},
	"internal/awsapi":      {module + "/internal/loopback", module + "/internal/partition", "github.com/aws/aws-sdk-go-v2/aws/...", "github.com/aws/smithy-go/..."},
	"internal/dsql":        {module + "/internal/awsapi", module + "/internal/causes", "github.com/aws/aws-sdk-go-v2/aws"},
	"internal/discover":    {module + "/auth", module + "/internal/awsapi", module + "/internal/awsapi/...", module + "/internal/awserror", module + "/internal/causes", module + "/internal/database", module + "/internal/display", module + "/internal/dsql", module + "/internal/iampolicy", module + "/internal/partition", "github.com/aws/aws-sdk-go-v2/aws/arn", "golang.org/x/net/dns/dnsmessage"},
	"internal/secretstore": {module + "/internal/awsapi", module + "/internal/awserror", module + "/internal/causes", module + "/internal/display", module + "/internal/iampolicy", module + "/internal/partition", module + "/internal/secret", module + "/internal/shell", "github.com/aws/aws-sdk-go-v2/aws/..."},
	"internal/evidence":    {module + "/internal/awsapi", module + "/internal/awserror", module + "/internal/credentials", module + "/internal/partition", "github.com/aws/aws-sdk-go-v2/aws/..."},
	"internal/prompt":      {module + "/internal/credentials", module + "/internal/display", "golang.org/x/term"},
	"internal/signals":     {},
	"internal/policy":      {module + "/internal/agentversion", module + "/internal/database", module + "/internal/dbuser", module + "/internal/iampolicy"},
	"internal/localca":     {module + "/internal/ownfile"},
	"internal/truststore":  {},
	"internal/doctor":      {},

	// What single services of AWS say.
	"internal/awsapi/autoscaling": {module + "/internal/awsapi", "github.com/aws/aws-sdk-go-v2/aws"},
	"internal/awsapi/ecs":         {module + "/internal/awsapi", "github.com/aws/aws-sdk-go-v2/aws"},
	"internal/awsapi/rds":         {module + "/internal/awsapi", "github.com/aws/aws-sdk-go-v2/aws"},
	"internal/awsapi/ssm":         {module + "/internal/awsapi", "github.com/aws/aws-sdk-go-v2/aws"},
	"internal/awsapi/apitest":     {"github.com/aws/aws-sdk-go-v2/aws"},

	// What a run is made of.
	"internal/running":  {module + "/auth", module + "/internal/causes", module + "/internal/config", module + "/internal/environ", module + "/internal/ownfile", module + "/internal/passfile", module + "/internal/secret", "golang.org/x/sys/windows"},
	"internal/program":  {module + "/internal/prompt"},
	"internal/refusals": {module + "/auth", module + "/internal/partition", module + "/internal/causes", module + "/internal/clock", module + "/internal/credentials", module + "/internal/dbuser", module + "/internal/iampolicy"},
	"internal/targets":  {module + "/internal/refusals", module + "/auth", module + "/tunnel", module + "/proxy", module + "/internal/awsapi/...", module + "/internal/causes", module + "/internal/clock", module + "/internal/config", module + "/internal/credentials", module + "/internal/database", module + "/internal/discover", module + "/internal/display", module + "/internal/dsql", module + "/internal/secretstore", module + "/internal/shell", module + "/internal/slow", "github.com/aws/aws-sdk-go-v2/aws/..."},
	"internal/setup":    {module + "/internal/causes", module + "/internal/config", module + "/internal/display", module + "/internal/ownfile", "charm.land/bubbletea/v2", "charm.land/huh/v2"},
	"internal/status":   {module + "/internal/display"},
	"internal/audit":    {module + "/proxy", module + "/internal/causes", module + "/internal/display"},
	"internal/control":  {module + "/internal/causes", module + "/internal/display", module + "/internal/running", module + "/internal/secret", module + "/internal/status"},
	"internal/access":   {module + "/proxy", module + "/internal/causes", module + "/internal/display", module + "/internal/markedfile", module + "/internal/ownfile", module + "/internal/passfile", module + "/internal/peercred", module + "/internal/secret", module + "/internal/serviceaccount", "github.com/coreos/go-oidc/v3/oidc", "github.com/go-jose/go-jose/v4", "github.com/xdg-go/scram", "golang.org/x/sys/windows", "golang.org/x/sys/unix"},
	"internal/admin":    {module + "/internal/admin/page", module + "/proxy", module + "/tunnel", module + "/internal/causes", module + "/internal/config", module + "/internal/credentials", module + "/internal/display", module + "/internal/loopback", module + "/internal/metrics", module + "/internal/ownfile", module + "/internal/running", module + "/internal/secret", module + "/internal/status", module + "/internal/targets", "github.com/aws/aws-sdk-go-v2/aws/...", "github.com/mmcloughlin/professor"},
	"internal/serving":  {module + "/internal/access", module + "/internal/audit", module + "/internal/admin", module + "/internal/status", module + "/proxy", module + "/internal/causes", module + "/internal/config", module + "/internal/credentials", module + "/internal/display", module + "/internal/localca", module + "/internal/ownfile", module + "/internal/passfile", module + "/internal/prompt", module + "/internal/running", module + "/internal/shell", module + "/internal/signals", module + "/internal/supervisor", module + "/internal/targets"},
	"internal/metrics":  {module + "/proxy", module + "/tunnel", module + "/internal/causes", module + "/internal/credentials", module + "/internal/display", "github.com/prometheus/client_golang/...", "github.com/prometheus/client_model/go"},
	"internal/checkup":  {module + "/auth", module + "/tunnel", module + "/proxy", module + "/internal/agentversion", module + "/internal/causes", module + "/internal/clock", module + "/internal/config", module + "/internal/credentials", module + "/internal/database", module + "/internal/dbuser", module + "/internal/discover", module + "/internal/display", module + "/internal/doctor", module + "/internal/evidence", module + "/internal/iampolicy", module + "/internal/partition", module + "/internal/policy", module + "/internal/secretstore", module + "/internal/shell", module + "/internal/targets", "github.com/aws/aws-sdk-go-v2/aws/..."},

	// What people see of a run.
	"internal/admin/page": {"maragu.dev/gomponents/...", module + "/internal/display", module + "/internal/status"},

	// Who starts a run, and watches over it.
	"internal/service":    {module + "/internal/causes", module + "/internal/ownfile", module + "/internal/shell", "golang.org/x/sys/windows", "golang.org/x/sys/windows/svc", "golang.org/x/sys/windows/svc/mgr"},
	"internal/supervisor": {module + "/internal/causes", "github.com/coreos/go-systemd/v22/activation", "github.com/coreos/go-systemd/v22/daemon", "golang.org/x/sys/unix", "golang.org/x/sys/windows/svc"},

	// The command line, which may use every package beneath it.
	"internal/cli":           {module + "/proxy", module + "/internal/...", "github.com/spf13/cobra", "github.com/spf13/pflag"},
	"cmd/pgkeyless":          {module + "/internal/cli"},
	"internal/layout":        {},
	"internal/reference":     {module + "/internal/cli", module + "/internal/config", module + "/internal/doctor", "github.com/spf13/cobra", "github.com/spf13/pflag"},
	"internal/reference/gen": {module + "/internal/reference"},
	"internal/testenv":       {module + "/internal/config"},
	"scripts/testreport":     {},
}

// integrationArrows is the same for the module in integration.
var integrationArrows = map[string][]string{
	"rig":                {integration + "/rig/...", "github.com/charmbracelet/x/vt", "github.com/jackc/pgx/v5/...", "golang.org/x/net/dns/dnsmessage", "golang.org/x/sys/unix"},
	"rig/awsemu":         {integration + "/rig/awsemu/gateway"},
	"rig/lab":            {integration + "/rig/awsemu/...", integration + "/rig/awsemu", integration + "/rig/dsql", integration + "/rig/pgserver", integration + "/rig/rdsproxy", "golang.org/x/sys/windows"},
	"rig/awsemu/gateway": {"github.com/xtaci/smux", "github.com/coder/websocket"},
	"rig/pgserver":       {"github.com/jimlambrt/gldap", "github.com/jackc/pgx/v5/..."},
	"rig/dsql":           {integration + "/rig/pgserver"},
	"rig/rdsproxy":       {integration + "/rig/pgserver", "github.com/jackc/pgx/v5/pgconn"},

	"e2e":          {},
	"e2e/access":   {},
	"e2e/admin":    {},
	"e2e/causes":   {},
	"e2e/cluster":  {},
	"e2e/commands": {},
	"e2e/discover": {},
	"e2e/doctor":   {},
	"e2e/dsql":     {},
	"e2e/faults":   {},
	"e2e/fresh":    {},
	"e2e/hostile":  {},
	"e2e/login":    {},
	"e2e/metrics":  {},
	"e2e/office":   {},
	"e2e/page":     {},
	"e2e/people":   {},
	"e2e/rdsproxy": {},
	"e2e/ready":    {},
	"e2e/secrets":  {},
	"e2e/service":  {},
	"e2e/serving":  {},
	"e2e/trust":    {},

	"e2e/cluster/shop": {"github.com/jackc/pgx/v5"},

	"conformance/awsapi":    {},
	"conformance/clients":   {integration + "/rig/...", "github.com/jackc/pgx/v5"},
	"conformance/fidelity":  {},
	"conformance/pluginrun": {integration + "/rig/lab", "github.com/aws/aws-sdk-go-v2/..."},
	"conformance/smux":      {},
	"conformance/suites":    {integration + "/rig/...", "github.com/jackc/pgx/v5"},

	"bench/kit":    {integration + "/rig/...", "github.com/jackc/pgx/v5/pgconn"},
	"bench/proxy":  {integration + "/rig/...", integration + "/bench/kit", "github.com/jackc/pgx/v5/pgconn", "github.com/jackc/pgx/v5/pgproto3"},
	"bench/tunnel": {integration + "/rig/...", integration + "/bench/kit", integration + "/conformance/pluginrun", "github.com/jackc/pgx/v5/pgconn"},
	"demo":         {integration + "/rig/..."},
	"cabundle":     {"golang.org/x/crypto/x509roots/fallback/bundle"},
	"manpages":     {module + "/internal/cli", module + "/internal/config", "github.com/spf13/cobra", "github.com/spf13/cobra/doc", "github.com/spf13/pflag"},
	"soak":         {integration + "/rig/...", "github.com/jackc/pgx/v5/..."},
}

// emulators must not share code with what they check, in their tests neither.
var emulators = []string{"rig/awsemu", "rig/awsemu/gateway", "rig/pgserver", "rig/dsql", "rig/rdsproxy"}

type goPackage struct {
	ImportPath, Name                   string
	Imports, TestImports, XTestImports []string
}

func TestImportArrows(t *testing.T) {
	checkArrows(t, "../..", module, arrows)
	checkArrows(t, "../../integration", integration, integrationArrows)
}

// checkArrows holds the packages of the module in dir to their rows.
func checkArrows(t *testing.T, dir, root string, arrows map[string][]string) {
	t.Helper()
	packages := listPackages(t, dir)
	for name := range arrows {
		if !slices.ContainsFunc(packages, func(p goPackage) bool { return p.ImportPath == path.Join(root, name) }) {
			t.Errorf("a row for %s, which is no package of %s", name, root)
		}
	}
	for _, p := range packages {
		name := cmp.Or(strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, root), "/"), ".")
		allowed, ok := arrows[name]
		if !ok {
			t.Errorf("package %s has no row of allowed imports", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if !standard(imported) && !slices.ContainsFunc(allowed, func(a string) bool { return covers(a, imported) }) {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if strings.HasPrefix(imported, module+"/cmd/") {
				t.Errorf("%s imports %s; nothing imports a command", p.ImportPath, imported)
			}
			if root == module && strings.HasPrefix(imported, integration+"/") {
				t.Errorf("%s imports %s; what tests the product is no part of it", p.ImportPath, imported)
			}
			if slices.Contains(emulators, name) && strings.HasPrefix(imported, module+"/") && !strings.HasPrefix(imported, integration+"/") {
				t.Errorf("%s imports %s, which it is there to check", p.ImportPath, imported)
			}
		}
		if slices.Contains([]string{"util", "utils", "common", "helpers", "misc", "shared"}, path.Base(name)) {
			t.Errorf("package %s is named for nothing it does", p.ImportPath)
		}
	}
}

// listPackages asks the go command for the packages of the module in dir, with all
// their files for this system.
func listPackages(t *testing.T, dir string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = dir
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
		t.Fatalf("go list found %d packages in %s", len(packages), dir)
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
