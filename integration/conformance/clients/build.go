package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// language says how a program is made ready and run; a directory is of the
// first language whose file it has. Commands run in a copy of the directory,
// beside a copy of harness/, with $SOURCE leading back to the directory.
type language struct {
	File  string
	Build string // for sh; empty: nothing to do
	Run   []string
}

var languages = []language{
	{File: "client.sh", Run: []string{"bash", "client.sh"}},
	{File: "client.py", Run: []string{"/usr/bin/python3", "-B", "client.py"}}, // Debian's, which has Debian's packages
	{File: "client.rb", Run: []string{"/usr/bin/ruby", "client.rb"}},
	{File: "client.pl", Run: []string{"/usr/bin/perl", "client.pl"}},
	{File: "client.php", Run: []string{"/usr/bin/php", "client.php"}},
	{File: "client.R", Run: []string{"/usr/bin/Rscript", "--vanilla", "client.R"}},
	{File: "client.mjs", Build: "npm ci --no-audit --no-fund --loglevel=error && if [ -x ./prepare ]; then ./prepare; fi", Run: []string{"node", "client.mjs"}},
	{File: "Client.java", Build: "javac -Xlint:all -Werror -cp /usr/share/java/postgresql.jar -d . Client.java", Run: []string{"java", "-cp", ".:/usr/share/java/postgresql.jar", "Client"}},
	{File: "client.pgc", Build: `ecpg -o client.c client.pgc && cc -O1 -Wall -DVERSION="\"$(ecpg --version | sed "s/.*) \([^ ]*\).*/\1/")\"" -o client client.c $(pkg-config --cflags --libs libecpg libpq)`, Run: []string{"./client"}},
	{File: "client.c", Build: `cc -O1 -Wall -Wextra -Werror -pthread -o client client.c $(pkg-config --cflags --libs libpq)`, Run: []string{"./client"}},
	{File: "client.cc", Build: `c++ -std=c++17 -O1 -Wall -Wno-deprecated-declarations -pthread -o client client.cc $(pkg-config --cflags --libs libpqxx libpq)`, Run: []string{"./client"}},
	{File: "main.go", Build: `CGO_ENABLED=0 go build -C "$SOURCE" -trimpath -o "$PWD/client" .`, Run: []string{"./client"}},
}

// languageOf finds the language of the program in dir.
func languageOf(dir string) (language, error) {
	for _, l := range languages {
		if _, err := os.Stat(filepath.Join(dir, l.File)); err == nil {
			return l, nil
		}
	}
	return language{}, fmt.Errorf("%s has no program of a known language", dir)
}

// builtMark holds the digest of the sources that a work directory was made of.
const builtMark = ".built"

// build makes the client in dir ready in work, unless it is there from an
// earlier run of the same sources, and returns how to run it. Output of a
// failed step is part of the error.
func build(ctx context.Context, dir, work string) ([]string, error) {
	l, err := languageOf(dir)
	if err != nil {
		return nil, err
	}
	sources := os.DirFS(dir)
	digest, err := digestOf(sources)
	if err != nil {
		return nil, err
	}
	if old, err := os.ReadFile(filepath.Join(work, builtMark)); err == nil && string(old) == digest && l.File != "main.go" {
		return l.Run, nil // Go programs have sources elsewhere too, and a cache of their own
	}
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(filepath.Dir(work), 0o700), os.CopyFS(work, sources)); err != nil {
		return nil, err
	}
	if l.Build != "" {
		cmd := exec.CommandContext(ctx, "sh", "-euc", l.Build)
		cmd.Dir = work
		cmd.Env = append(os.Environ(), "SOURCE="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", l.Build, err, out)
		}
	}
	return l.Run, os.WriteFile(filepath.Join(work, builtMark), []byte(digest), 0o600)
}

// digestOf is one digest of the names and contents of all files.
func digestOf(files fs.FS) (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		fmt.Fprintf(sum, "%s %d\n%s", path, len(content), content)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}
