package lab

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// BuildProxy builds pgkeyless into dir and returns its path. It has the race
// detector when the caller has it.
func BuildProxy(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "pgkeyless")
	args := append([]string{"build", "-o", binary}, buildFlags...)
	build := exec.CommandContext(ctx, "go", append(args, "github.com/pgkeyless/pgkeyless/cmd/pgkeyless")...)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building pgkeyless: %w\n%s", err, out)
	}
	return binary, nil
}
