package main

import (
	"slices"
	"strings"
	"testing"
)

func TestLostTestsAreJudgedByTheList(t *testing.T) {
	direct, err := parse(strings.NewReader(`{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestB/x"}
{"Action":"fail","Package":"p","Test":"TestC"}
{"Action":"pass","Package":"p","Test":"TestD"}
{"Action":"fail","Package":"p"}`))
	if err != nil {
		t.Fatal(err)
	}
	proxied := results{"p.TestA": "pass", "p.TestB/x": "fail", "p.TestC": "pass", "p.TestD": "skip"}
	missing := lost(direct, proxied)
	if want := []string{"p.TestB/x", "p.TestD"}; !slices.Equal(missing, want) {
		t.Errorf("lost %q, want %q", missing, want)
	}
	if got, want := topLevel(missing), []string{"TestB", "TestD"}; !slices.Equal(got, want) {
		t.Errorf("functions %q, want %q", got, want)
	}
	known, err := parseDifferences("# a comment\n\ns p.TestB/x: of another kind: really\ns p.TestE: gone\n")
	if err != nil || known["s"]["p.TestB/x"] != "of another kind: really" {
		t.Fatalf("list %q, %v", known, err)
	}
	complaints := judge(missing, known["s"])
	if len(complaints) != 2 || !strings.HasPrefix(complaints[0], "p.TestD passes") || !strings.HasPrefix(complaints[1], "p.TestE is listed") {
		t.Errorf("complaints %q, want one of TestD and one of TestE", complaints)
	}
}

func TestNamesWithTemporaryDirectoriesAreTheSame(t *testing.T) {
	for _, dir := range []string{"/tmp/TestX322185023/001", "/tmp/TestX7/002"} {
		got, err := parse(strings.NewReader(`{"Action":"pass","Package":"p","Test":"TestX/file='` + dir + `/f'"}`))
		if want := "p.TestX/file='TMP/f'"; err != nil || got[want] != "pass" {
			t.Errorf("%s: got %v, %v, want %s", dir, got, err, want)
		}
	}
}

func TestListIsWellFormed(t *testing.T) {
	known, err := parseDifferences(differences)
	if err != nil {
		t.Fatal(err)
	}
	for name := range known {
		if !slices.ContainsFunc(suites, func(s suite) bool { return s.name == name }) {
			t.Errorf("%q is no suite", name)
		}
	}
	if _, err := parseDifferences("pgx TestX without a reason\n"); err == nil {
		t.Error("a line without a reason was taken")
	}
}

func TestBuildFailureIsNoResult(t *testing.T) {
	if _, err := parse(strings.NewReader(`{"Action":"build-fail","ImportPath":"p"}`)); err == nil {
		t.Error("packages that do not build were taken for tests")
	}
}
