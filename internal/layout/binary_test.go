package layout

import (
	"bufio"
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The linker drops methods that nothing calls, unless something in the binary looks
// methods up by name. The AWS clients have thousands: with a single such function the
// binary is twice its size. text/template has one; importing it is harmless until one
// of its templates is executed.
func TestTheLinkerCanDropMethods(t *testing.T) {
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-dumpdep", "-o", filepath.Join(t.TempDir(), "pgkeyless"), "../../cmd/pgkeyless")
	build.Env = append(build.Environ(), "CGO_ENABLED=0") // as it is shipped, and as other checks have compiled it
	dependencies, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v: %.2000s", err, dependencies)
	}
	if !bytes.Contains(dependencies, []byte("main.main -> ")) {
		t.Fatal("the linker has not printed what depends on what")
	}
	lines := bufio.NewScanner(bytes.NewReader(dependencies))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if by, what, _ := strings.Cut(lines.Text(), " -> "); strings.HasSuffix(what, "<ReflectMethod>") {
			t.Errorf("%s looks methods up by name; %s reaches it", what, by)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}
