package lab

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// BuildProxy builds pgkeyless into dir and returns its path. It has the race
// detector when the caller has it.
func BuildProxy(ctx context.Context, dir string) (string, error) { return build(ctx, dir, buildFlags) }

// BuildPlainProxy is BuildProxy without the race detector, for who counts memory.
func BuildPlainProxy(ctx context.Context, dir string) (string, error) { return build(ctx, dir, nil) }

func build(ctx context.Context, dir string, flags []string) (string, error) {
	binary := filepath.Join(dir, "pgkeyless")
	args := append([]string{"build", "-o", binary}, flags...)
	build := exec.CommandContext(ctx, "go", append(args, "./cmd/pgkeyless")...)
	var err error
	if build.Dir, err = SourceTree(ctx); err != nil {
		return "", err
	}
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building pgkeyless: %w\n%s", err, out)
	}
	return binary, nil
}

// SourceTree is the directory of the project's go.mod. It needs the go command, and
// a working directory inside one of the project's modules.
func SourceTree(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/pgkeyless/pgkeyless").Output()
	if err != nil {
		return "", fmt.Errorf("looking for the project's tree: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
