package main

import (
	"slices"
	"strings"
	"testing"
)

func TestLostTestsAreThoseThatPassDirectlyOnly(t *testing.T) {
	direct, err := parse(strings.NewReader(`{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"words\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestB/x"}
{"Action":"fail","Package":"p","Test":"TestC"}
{"Action":"pass","Package":"p","Test":"TestD"}
{"Action":"fail","Package":"p"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := direct["p.TestA"], (result{"pass", "words\n"}); got != want {
		t.Errorf("p.TestA is %+v, want %+v", got, want)
	}
	proxied := results{"p.TestA": {how: "pass"}, "p.TestB/x": {how: "fail"}, "p.TestC": {how: "pass"}, "p.TestD": {how: "skip"}}
	missing := lost(direct, proxied)
	if want := []string{"p.TestB/x", "p.TestD"}; !slices.Equal(missing, want) {
		t.Errorf("lost %q, want %q", missing, want)
	}
	if got, want := functions(missing), []string{"p.TestB", "p.TestD"}; !slices.Equal(got, want) {
		t.Errorf("functions %q, want %q", got, want)
	}
}

// TestPanicTakesNoTestsAway has the events of a package in which TestB panicked
// while TestC waited for its turn, and before TestD.
func TestPanicTakesNoTestsAway(t *testing.T) {
	first, err := parse(strings.NewReader(`{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestC"}
{"Action":"run","Package":"p","Test":"TestC/x"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"fail","Package":"p"}`))
	if err != nil {
		t.Fatal(err)
	}
	left := first.unfinished([]string{"p.TestA", "p.TestB", "p.TestC", "p.TestD"})
	if want := []string{"p.TestC", "p.TestD"}; !slices.Equal(left, want) {
		t.Fatalf("to be run again: %q, want %q", left, want)
	}
	first.replace(left, results{"p.TestC": {how: "pass"}, "p.TestC/y": {how: "pass"}, "p.TestD": {how: "skip"}})
	if got, want := first.that("pass"), []string{"p.TestA", "p.TestC", "p.TestC/y"}; !slices.Equal(got, want) {
		t.Errorf("passed %q, want %q", got, want)
	}
	if left := first.that("run"); len(left) > 0 {
		t.Errorf("%q are left over from the run that panicked", left)
	}
}

func TestNamesWithTemporaryDirectoriesAreTheSame(t *testing.T) {
	for _, dir := range []string{"/tmp/TestX322185023/001", "/tmp/TestX7/002"} {
		got, err := parse(strings.NewReader(`{"Action":"pass","Package":"p","Test":"TestX/file='` + dir + `/f'"}`))
		if want := "p.TestX/file='TMP/f'"; err != nil || got[want].how != "pass" {
			t.Errorf("%s: got %v, %v, want %s", dir, got, err, want)
		}
	}
}

func TestFunctionOfAName(t *testing.T) {
	for name, want := range map[string]string{
		"github.com/a/b.v5.TestX":             "github.com/a/b.v5.TestX",
		"github.com/a/b.TestX/part/of.TestY":  "github.com/a/b.TestX",
		"github.com/a/b.ExampleX_y":           "github.com/a/b.ExampleX_y",
		"github.com/a/b.FuzzX/seed#0":         "github.com/a/b.FuzzX",
		"github.com/a/b.BenchmarkIsNotATest/": "",
	} {
		if got := function(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
