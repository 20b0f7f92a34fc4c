package commands

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// shownCode writes the first block of language in a guide to a file, with port in
// place of 5432.
func shownCode(t *testing.T, guide, language, name, port string) string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/howto/" + guide)
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "```"+language+"\n")
	block, _, ok := strings.Cut(block, "```")
	if !ok || !strings.Contains(block, "5432") {
		t.Fatalf("%s shows no code in %s that names a port", guide, language)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(block, "5432", port)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The programs of the guides for Go and Java say whom they are logged in as. Those for
// the other languages need packages that only scripts/test-clients installs.
func TestProgramsOfTheGuides(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	_, port, err := net.SplitHostPort(w.Proxy.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{"go", "run", shownCode(t, "go.md", "go", "main.go", port)},
		{"java", "-cp", "/usr/share/java/postgresql.jar", shownCode(t, "java.md", "java", "App.java", port)},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // the go command has to compile pgx
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Dir = "../.." // whose go.mod has pgx
		out, err := cmd.CombinedOutput()
		cancel()
		if got := strings.TrimSpace(string(out)); err != nil || got != pgserver.AppUser {
			t.Errorf("%s printed %q, %v; want %q", command[0], got, err, pgserver.AppUser)
		}
	}
}
