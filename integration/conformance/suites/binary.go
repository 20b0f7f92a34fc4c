package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// binary is the tests of one package, built.
type binary struct {
	path   string
	dir    string // where its tests are run
	pkg    string
	toJSON string   // the path of test2json
	tests  []string // its functions, by package and name
}

// build makes the binaries of packages, relative to dir, where a module is. With
// env they can tell their tests: some look for the database first.
func build(ctx context.Context, dir, to string, packages, env []string) ([]binary, error) {
	out, err := output(exec.CommandContext(ctx, "go", "tool", "-n", "test2json"))
	if err != nil {
		return nil, err
	}
	toJSON := strings.TrimSpace(string(out))
	var all []binary
	for i, p := range packages {
		b := binary{
			path:   filepath.Join(to, fmt.Sprint(i)+".test"),
			dir:    filepath.Join(dir, p),
			toJSON: toJSON,
		}
		inModule := func(args ...string) *exec.Cmd {
			cmd := exec.CommandContext(ctx, "go", args...)
			cmd.Dir = dir
			cmd.Env = append(cmd.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
			return cmd
		}
		if out, err = output(inModule("list", p)); err != nil {
			return nil, err
		}
		b.pkg = strings.TrimSpace(string(out))
		// Trimmed paths are the same for each temporary directory: what was
		// compiled in an earlier run is found.
		if _, err := output(inModule("test", "-c", "-trimpath", "-o", b.path, p)); err != nil {
			return nil, err
		}
		list := exec.CommandContext(ctx, b.path, "-test.list", "^(Test|Fuzz|Example)")
		list.Dir, list.Env = b.dir, append(list.Environ(), env...)
		if out, err = output(list); err != nil {
			return nil, err
		}
		for name := range strings.Lines(string(out)) {
			b.tests = append(b.tests, b.pkg+"."+strings.TrimSpace(name))
		}
		all = append(all, b)
	}
	return all, nil
}

// maxFutile is how often in a row a package may end without having run one more of
// its tests to the end.
const maxFutile = 3

// runAll runs each function among names, with env, until all have ended: two
// packages at a time, since most of their time is spent waiting.
func runAll(ctx context.Context, binaries []binary, env, names []string) (results, error) {
	all, errs := make([]results, len(binaries)), make([]error, len(binaries))
	turns := make(chan struct{}, 2)
	var done sync.WaitGroup
	for i, b := range binaries {
		todo := slices.DeleteFunc(slices.Clone(b.tests), func(name string) bool { return !slices.Contains(names, name) })
		done.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			all[i], errs[i] = b.runToTheEnd(ctx, env, todo)
		})
	}
	done.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	together := make(results)
	for _, r := range all {
		maps.Copy(together, r)
	}
	return together, nil
}

// runToTheEnd runs the functions named, and again those that a panic, or an
// example that exits, kept from ending.
func (b binary) runToTheEnd(ctx context.Context, env, names []string) (results, error) {
	all := make(results)
	for futile := 0; len(names) > 0; {
		again, err := b.run(ctx, env, names)
		if err != nil {
			return nil, err
		}
		all.replace(names, again)
		left := all.unfinished(names)
		if len(left) < len(names) {
			futile = 0
		} else if futile++; futile == maxFutile {
			return nil, fmt.Errorf("%s ended %d times without having run %q", b.pkg, futile, left)
		}
		names = left
	}
	return all, nil
}

// run runs the functions named.
func (b binary) run(ctx context.Context, env, names []string) (results, error) {
	short := make([]string, len(names))
	for i, name := range names {
		short[i] = strings.TrimPrefix(name, b.pkg+".")
	}
	cmd := exec.CommandContext(ctx, b.toJSON, "-p", b.pkg, b.path,
		"-test.v=test2json", "-test.paniconexit0", "-test.timeout=5m", "-test.run=^("+strings.Join(short, "|")+")$")
	cmd.Dir = b.dir
	cmd.Env = append(cmd.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output() // tests may fail
	all, parseErr := parse(bytes.NewReader(out))
	if parseErr != nil || len(all) == 0 {
		return nil, fmt.Errorf("running the tests of %s: %w\n%s", b.pkg, errors.Join(err, parseErr), stderr.Bytes())
	}
	return all, nil
}
