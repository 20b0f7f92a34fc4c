package main

import (
	"slices"
	"testing"
)

func TestListsCoverPartsAndWhatTheyArePartsOf(t *testing.T) {
	all, err := parseList("# a comment\n\ns p.TestB/x: of another kind: really\ns p.TestE: gone\ns p.TestG: all parts\n")
	if err != nil || all["s"]["p.TestB/x"] != "of another kind: really" {
		t.Fatalf("list %q, %v", all, err)
	}
	l := all["s"]
	names := []string{"p.TestB", "p.TestB/x", "p.TestB/xy", "p.TestG", "p.TestG/part", "p.TestGround"}
	if got, want := l.without(names), []string{"p.TestB/xy", "p.TestGround"}; !slices.Equal(got, want) {
		t.Errorf("not covered: %q, want %q", got, want)
	}
	if got, want := l.idle(names), []string{"p.TestE"}; !slices.Equal(got, want) {
		t.Errorf("entries without a test: %q, want %q", got, want)
	}
	if got := list(nil).without([]string{"p.TestA"}); !slices.Equal(got, []string{"p.TestA"}) {
		t.Errorf("an empty list leaves %q", got)
	}
}

func TestListsAreWellFormed(t *testing.T) {
	for file, text := range map[string]string{"differences.txt": differences, "failures.txt": failures} {
		all, err := parseList(text)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for name := range all {
			if !slices.ContainsFunc(suites, func(s suite) bool { return s.name == name }) {
				t.Errorf("%s: %q is no suite", file, name)
			}
		}
	}
	if _, err := parseList("pgx TestX without a reason\n"); err == nil {
		t.Error("a line without a reason was taken")
	}
}
