package lab

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// BuildProxy builds pgkeyless into dir and returns its path. It has the race
// detector when the caller has it.
func BuildProxy(ctx context.Context, dir string) (string, error) { return build(ctx, dir, buildFlags) }

// BuildPlainProxy is BuildProxy without the race detector, for who counts memory.
func BuildPlainProxy(ctx context.Context, dir string) (string, error) { return build(ctx, dir, nil) }

func build(ctx context.Context, dir string, flags []string) (string, error) {
	binary := filepath.Join(dir, "pgkeyless")
	args := append([]string{"build", "-o", binary}, flags...)
	build := exec.CommandContext(ctx, "go", append(args, "github.com/pgkeyless/pgkeyless/cmd/pgkeyless")...)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building pgkeyless: %w\n%s", err, out)
	}
	return binary, nil
}
