package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

// fromHere is where the pages are, seen from the test.
const fromHere = "../../docs/man"

func TestManPagesAreFresh(t *testing.T) {
	all, err := pages()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range all {
		got, err := os.ReadFile(filepath.Join(fromHere, name))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("docs/man/%s is stale: run `go generate ./internal/reference`", name)
		}
	}
	entries, err := os.ReadDir(fromHere)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := all[e.Name()]; !ok {
			t.Errorf("docs/man/%s is the page of no command", e.Name())
		}
	}
}

func TestManPageHasEveryOption(t *testing.T) {
	all, err := pages()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range config.All() {
		flag := `\fB--` + o.Name + `\fP`
		if page := string(all["pgkeyless.1"]); !strings.Contains(page, flag) {
			t.Errorf("pgkeyless(1) lacks --%s", o.Name)
		}
		if page := string(all["pgkeyless-serve.1"]); strings.Contains(page, flag) {
			t.Errorf("pgkeyless-serve(1) repeats --%s", o.Name)
		}
	}
}
