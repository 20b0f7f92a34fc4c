package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/ownfile"
)

// Manager manages this user's service. Its errors have hints.
type Manager interface {
	// Print is the text of the service, as Install would write it.
	Print(ctx context.Context, u Unit) (string, error)
	// Install writes it, and has it started at each login. It may be repeated. next
	// says what to do then, a line each.
	Install(ctx context.Context, u Unit) (next []string, err error)
	// Uninstall stops it and takes it out again.
	Uninstall(ctx context.Context) error
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// Run runs a program to its end and returns its output. Its errors hold what the
// program said on stderr.
type Run func(ctx context.Context, name string, args ...string) (stdout string, err error)

// Exec is a Run for programs of this machine.
func Exec(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if text := strings.TrimSpace(said.String()); err != nil && text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return out.String(), err
}

// notInstalled is the error of what needs a service, where there is none.
func notInstalled() error {
	return causes.Misuse("no service is installed", "install it first: pgkeyless service install")
}

// write puts text at path, in place of a file that pgkeyless has written, or of none.
func write(path, text string) error {
	if _, err := ours(path); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return causes.MisuseOf(err, "make the directory, then try again")
	}
	if err := ownfile.Replace(path, []byte(text), 0o644); err != nil {
		return causes.MisuseOf(err, "check the rights of its directory, then try again")
	}
	return nil
}

// remove removes the file at path, if pgkeyless has written it.
func remove(path string) error {
	there, err := ours(path)
	if err != nil {
		return err
	}
	if !there {
		return notInstalled()
	}
	if err := os.Remove(path); err != nil {
		return causes.MisuseOf(err, "check the rights of its directory, then try again")
	}
	return nil
}

// maxUnit is far more than the text of a service takes, in bytes.
const maxUnit = 64 << 10

// ours reports whether there is a file at path. It is an error if pgkeyless has not
// written it.
func ours(path string) (there bool, err error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, causes.MisuseOf(err, "check the rights of its directory, then try again")
	}
	foreign := causes.Misuse(path+" was not written by pgkeyless", "move it away, then try again; `pgkeyless service print` prints what pgkeyless would write")
	if !info.Mode().IsRegular() || info.Size() > maxUnit {
		return true, foreign
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return true, causes.MisuseOf(err, "check its rights, then try again")
	}
	if !bytes.Contains(text, []byte(mark)) {
		return true, foreign
	}
	return true, nil
}
