package main

import (
	"io"
	"strings"
	"testing"
)

func TestRepeatable(t *testing.T) {
	const ok = `{"Action":"pass","Package":"m/e2e/q","Test":"TestGood"}` + "\n"
	failed := func(pkg, test string, output ...string) string {
		var b strings.Builder
		for _, line := range output {
			b.WriteString(`{"Action":"output","Package":"` + pkg + `","Test":"` + test + `","Output":"` + line + `\n"}` + "\n")
		}
		return b.String() + `{"Action":"fail","Package":"` + pkg + `","Test":"` + test + `"}` + "\n"
	}
	ended := func(pkg string) string { return `{"Action":"fail","Package":"` + pkg + `"}` + "\n" }
	const said = "    a_test.go:1: it took 11 s, want 10"
	for _, tt := range []struct{ name, in, want string }{
		{"nothing failed", ok, ""},
		{"one test", ok + failed("m/e2e/p", "TestA", said) + ended("m/e2e/p"), "m/e2e/p ^TestA$\n"},
		{
			"a subtest, without those around it",
			ok + failed("m/e2e/p", "TestA/x+y/1", said) + failed("m/e2e/p", "TestA/x+y") + failed("m/e2e/p", "TestA", "=== RUN   TestA") + ended("m/e2e/p"),
			`m/e2e/p ^TestA$/^x\+y$/^1$` + "\n",
		},
		{
			"a test that failed itself, with its subtests",
			ok + failed("m/e2e/p", "TestA/x", said) + failed("m/e2e/p", "TestA/y", said) + failed("m/e2e/p", "TestA/z", said) + failed("m/e2e/p", "TestA", said) + ended("m/e2e/p"),
			"m/e2e/p ^TestA$\n",
		},
		{"a name that begins alike", ok + failed("m/e2e/p", "TestA", said) + failed("m/e2e/p", "TestAB", said), "m/e2e/p ^TestA$\nm/e2e/p ^TestAB$\n"},
		{"three tests", ok + failed("m/e2e/p", "TestA", said) + failed("m/e2e/p", "TestB", said) + failed("m/e2e/q", "TestC", said), ""},
		{"a test of another module", ok + failed("m/proxy", "TestA", said) + ended("m/proxy"), ""},
		{"one of two is of another module", ok + failed("m/e2e/p", "TestA", said) + failed("m/proxy", "TestB", said), ""},
		{"a path that begins alike", ok + failed("m/e2ee", "TestA", said), ""},
		{"a data race in the test", ok + failed("m/e2e/p", "TestA", "WARNING: DATA RACE"), ""},
		{"a data race in pgkeyless", ok + failed("m/e2e/p", "TestA", said, "        WARNING: DATA RACE"), ""},
		{"a panic in pgkeyless", ok + failed("m/e2e/p", "TestA", said, "        panic: boom"), ""},
		{
			"a test that crashed",
			ok + `{"Action":"output","Package":"m/e2e/p","Test":"TestA","Output":"exit status 2\n"}` + "\n" + ended("m/e2e/p"), "",
		},
		{"a package that did not build", ok + failed("m/e2e/p", "TestA", said) + ended("m/e2e/q"), ""},
		{
			"a data race between tests",
			ok + failed("m/e2e/p", "TestA", said) + `{"Action":"output","Package":"m/e2e/p","Output":"WARNING: DATA RACE\n"}` + "\n" + ended("m/e2e/p"), "",
		},
		{"a skip", ok + failed("m/e2e/p", "TestA", said) + `{"Action":"skip","Package":"m/e2e/p","Test":"TestB"}` + "\n", ""},
		{"nothing passed", failed("m/e2e/p", "TestA", said), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r report
			if err := r.read(strings.NewReader(tt.in), io.Discard); err != nil {
				t.Fatalf("read: %v", err)
			}
			if got := patterns(r.repeatable("m/e2e")); got != tt.want {
				t.Errorf("repeatable are %q, want %q", got, tt.want)
			}
		})
	}
}
