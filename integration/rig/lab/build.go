package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// BuildProxy builds pgkeyless into dir and returns its path. It has the race
// detector when the caller has it.
func BuildProxy(ctx context.Context, dir string) (string, error) { return build(ctx, dir, buildFlags) }

// BuildProxyWith is BuildProxy with variables of packages set by the linker, as
// "import/path.name=value": what a test cannot wait for.
func BuildProxyWith(ctx context.Context, dir string, variables ...string) (string, error) {
	return build(ctx, dir, slices.Concat(buildFlags, []string{"-ldflags=-X " + strings.Join(variables, " -X ")}))
}

// build keeps what it has built in bin/tests of the tree: the go command leaves a
// binary alone that is up to date, and so the first of many test binaries links it
// for all. They get a link or a copy, which a later build does not change.
func build(ctx context.Context, dir string, flags []string) (string, error) {
	tree, err := SourceTree(ctx)
	if err != nil {
		return "", err
	}
	kept := filepath.Join(tree, "bin", "tests", "pgkeyless"+strings.NewReplacer("/", "_", " ", "_").Replace(strings.Join(flags, "")))
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(kept+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close() // and so unlocks it
	if err := lockFile(lock); err != nil {
		return "", fmt.Errorf("waiting for others that build pgkeyless: %w", err)
	}
	args := append([]string{"build", "-C", tree, "-o", kept}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/pgkeyless")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building pgkeyless: %w\n%s", err, out)
	}
	binary := filepath.Join(dir, "pgkeyless")
	if os.Link(kept, binary) == nil {
		return binary, nil
	}
	return binary, copyProgram(binary, kept) // dir is in another file system
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

func copyProgram(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
