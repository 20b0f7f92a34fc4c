package commands

import (
	"context"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// quickStart returns the command lines of the README's first block, and the one of
// doctor in the text.
func quickStart(t *testing.T) (lines []string, doctor string) {
	t.Helper()
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Quick start\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, block, _ := strings.Cut(section, "```sh\n")
	block, _, _ = strings.Cut(block, "```")
	for line := range strings.Lines(block) {
		command, _, _ := strings.Cut(line, " #")
		lines = append(lines, strings.TrimSpace(command))
	}
	found := regexp.MustCompile("`(pgkeyless doctor [^`]+)`").FindStringSubmatch(section)
	if len(lines) != 3 || found == nil {
		t.Fatalf("the README's quick start has the commands %q, and doctor as %q; want three and one", lines, found)
	}
	return lines, found[1]
}

// TestNoOtherCommandsInTheReadme holds the README to what tests run: the quick start
// here, the ways to install in e2e/fresh, and the two scripts by scripts/test.
func TestNoOtherCommandsInTheReadme(t *testing.T) {
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	ci, err := os.ReadFile("../../../scripts/test")
	if err != nil {
		t.Fatal(err)
	}
	started, _ := quickStart(t)
	section, scripts := "", 0
	for _, part := range regexp.MustCompile("(?ms)^## ([^\n]+)$|^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		if part[1] != "" {
			section = part[1]
			continue
		}
		if part[2] != "sh" {
			t.Errorf("a block of %q in %s: no test looks at it", part[2], section)
		}
		for line := range strings.Lines(part[3]) {
			command, _, _ := strings.Cut(line, " #")
			command = strings.TrimSpace(command)
			switch {
			case section == "Install" || slices.Contains(started, command):
			case strings.HasPrefix(command, "scripts/"):
				scripts++
				out, err := exec.Command("../../../"+command, "--help").CombinedOutput()
				if err != nil || !strings.Contains(string(out), command) {
					t.Errorf("%s --help: %v\n%s", command, err, out)
				}
			default:
				t.Errorf("no test runs %q, in %s", command, section)
			}
		}
	}
	if scripts != 2 || !strings.Contains(string(ci), `check "demo" scripts/demo --check`) || !strings.Contains(string(ci), `check "package in a fresh Debian" fresh`) {
		t.Errorf("%d scripts, want scripts/demo and scripts/test; the latter must run the former, and e2e/fresh", scripts)
	}
}

// words are the arguments of a command of pgkeyless, as a shell would pass them on.
func words(t *testing.T, line string) []string {
	t.Helper()
	args, ok := strings.CutPrefix(line, "pgkeyless ")
	if !ok {
		t.Fatalf("%q is no command of pgkeyless", line)
	}
	out, err := exec.Command("sh", "-c", "printf '%s\\n' "+args).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// The commands of the README work as they stand there, in an account that has what
// they name. Only what they leave to the environment is set: the region, the
// CA of the database, which RDS's own would need no setting for, and a free port.
func TestQuickStartOfTheReadme(t *testing.T) {
	lines, doctor := quickStart(t)
	env := func(env []string) []string {
		return append(rig.InRegion(env), "PGKEYLESS_CA_FILE="+rig.Shared.Database.CAFile())
	}
	w := rig.Start(t, rig.Setup{Args: words(t, lines[1]), Databases: rig.Account(), Fleet: awsemu.Fleet{Nodes: []awsemu.Node{{ID: lab.Target}}}, Env: env})
	own := env(append(rig.Shared.Keys.Env(w.AWS.URL()), "HOME="+w.Home))

	stdout, stderr, code := rig.Run(t, own, words(t, lines[0])...)
	if code != 0 || !strings.Contains(stdout, "orders") || !strings.Contains(stdout, lab.Target) {
		t.Errorf("%s: code %d, stdout %q, stderr %q", lines[0], code, stdout, stderr)
	}

	_, port, err := net.SplitHostPort(w.Proxy.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*rig.Limit)
	defer cancel()
	psql := exec.CommandContext(ctx, "sh", "-c", lines[2]+` -XAtw -c "select current_user"`)
	psql.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.Home, "PGPORT=" + port}
	out, err := psql.CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != pgserver.AppUser {
		t.Errorf("%s: %q, %v", lines[2], got, err)
	}

	stdout, stderr, code = rig.Run(t, own, words(t, doctor)...)
	if code != 0 || !strings.Contains(stdout, "\nall good\n") {
		t.Errorf("%s: code %d, stdout %q, stderr %q", doctor, code, stdout, stderr)
	}
}
