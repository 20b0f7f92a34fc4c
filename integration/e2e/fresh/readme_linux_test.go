//go:build linux && fresh

package fresh

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// root is the project's directory.
const root = "../../.."

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// readmeLines are the command lines of a section of the README, without what it says
// about them.
func readmeLines(t *testing.T, section string) []string {
	t.Helper()
	_, text, _ := strings.Cut(read(t, root+"/README.md"), "\n## "+section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var lines []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			command, _, _ := strings.Cut(line, " #")
			lines = append(lines, strings.TrimSpace(command))
		}
	}
	return lines
}

// readmeLine is the one that begins so.
func readmeLine(t *testing.T, section, prefix string) string {
	t.Helper()
	for _, line := range readmeLines(t, section) {
		if strings.HasPrefix(line, prefix) {
			return line
		}
	}
	t.Fatalf("the README's section %s has no line %q", section, prefix)
	return ""
}

// Each way to install that the README has leads to what the release has.
func TestWaysToInstall(t *testing.T) {
	release := filepath.Dir(packagePath(t))
	ways := map[string]func(t *testing.T, line string){
		"brew install ":     func(t *testing.T, line string) { checkFormula(t, release, line) },
		"sudo apt install ": nil, // TestPackageTakesAStrangerToPsql runs it
		"sudo dnf install ": func(t *testing.T, line string) {
			pattern := strings.TrimPrefix(line, "sudo dnf install ./")
			if found, err := filepath.Glob(filepath.Join(release, pattern)); err != nil || len(found) != 1 {
				t.Errorf("%s would install %q, %v; want one package", line, found, err)
			}
		},
		"docker run ": checkImage,
		"go install ": func(t *testing.T, line string) {
			bin := t.TempDir()
			cmd := exec.Command("sh", "-c", strings.TrimSuffix(line, "@latest")) // the one of this tree
			cmd.Dir, cmd.Env = root, append(os.Environ(), "GOBIN="+bin)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", cmd, err, out)
			}
			if out, err := exec.Command(filepath.Join(bin, "pgkeyless"), "version").Output(); err != nil || !strings.HasPrefix(string(out), "pgkeyless ") {
				t.Errorf("pgkeyless version: %q, %v", out, err)
			}
		},
	}
	for _, line := range readmeLines(t, "Install") {
		known := false
		for prefix, check := range ways {
			if !strings.HasPrefix(line, prefix) {
				continue
			}
			known = true
			delete(ways, prefix)
			if check != nil {
				t.Run(strings.Fields(prefix)[0], func(t *testing.T) { check(t, line) })
			}
		}
		if !known {
			t.Errorf("nothing here tries %q", line)
		}
	}
	for prefix := range ways {
		t.Errorf("the README has no line %q", prefix)
	}
}

// checkFormula looks at the formula that line would install: whether it is the one of
// the tap, and whether its archives have the checksums that it says.
func checkFormula(t *testing.T, release, line string) {
	tap := regexp.MustCompile(`repository: \{owner: (\S+), name: homebrew-([^\s,}]+)`).FindStringSubmatch(read(t, root+"/.goreleaser.yaml"))
	if tap == nil || line != "brew install "+tap[1]+"/"+tap[2]+"/pgkeyless" {
		t.Fatalf("%s, and the tap is %q", line, tap)
	}
	formula := read(t, filepath.Join(release, "homebrew/Formula/pgkeyless.rb"))
	archives := regexp.MustCompile(`url "https://github\.com/pgkeyless/pgkeyless/releases/download/[^"/]+/([^"/]+)"\s+sha256 "([0-9a-f]+)"`).FindAllStringSubmatch(formula, -1)
	if len(archives) != 4 {
		t.Errorf("the formula has %d archives, want those of Linux and macOS on two architectures:\n%s", len(archives), formula)
	}
	for _, a := range archives {
		sum := sha256.Sum256([]byte(read(t, filepath.Join(release, a[1]))))
		if got := hex.EncodeToString(sum[:]); got != a[2] {
			t.Errorf("%s has the checksum %s, and the formula says %s", a[1], got, a[2])
		}
	}
}

// checkImage looks whether the workflow pushes the image of that name, and what its
// arguments do: they are pgkeyless's own.
func checkImage(t *testing.T, line string) {
	image := regexp.MustCompile(`\n  IMAGE: (\S+)\n`).FindStringSubmatch(read(t, root+"/.github/workflows/release.yml"))
	if image == nil {
		t.Fatal("the workflow names no image")
	}
	_, args, found := strings.Cut(line, " "+image[1]+" ")
	if !found {
		t.Fatalf("%s does not run %s", line, image[1])
	}
	if _, stderr, code := rig.Run(t, nil, strings.Fields(args)...); code != 0 {
		t.Errorf("pgkeyless %s: code %d: %s", args, code, stderr)
	}
}
