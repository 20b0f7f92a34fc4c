package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	long := strings.Repeat("long ", 200)
	for _, tt := range []struct {
		name, in, out string
		good          bool
	}{
		{
			name: "a good package is one line",
			in: `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"pass","Package":"p","Test":"TestA/sub"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`,
			out:  "ok  \tp\t0.1s\n2 passed, 0 failed, 0 skipped\n",
			good: true,
		},
		{
			name: "a failed test is told whole",
			in: `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`,
			out: "    a_test.go:1: got 1, want 2\nFAIL\tp\t0.1s\n0 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "what a failed test said itself comes again behind a long log",
			in: `{"Action":"output","Package":"p","Test":"TestA/x","Output":"    a_test.go:1: got 1, want 2 ` + long + `\n"}
{"Action":"output","Package":"p","Test":"TestA/x","Output":"    rig.go:22: it printed:\n"}
` + strings.Repeat(`{"Action":"output","Package":"p","Test":"TestA/x","Output":"        level=INFO msg=done\n"}`+"\n", longOutput) +
				`{"Action":"fail","Package":"p","Test":"TestA/x"}
`,
			out: "    a_test.go:1: got 1, want 2 " + long + "\n    rig.go:22: it printed:\n" + strings.Repeat("        level=INFO msg=done\n", longOutput) +
				"Once more, what p.TestA/x said itself:\n" + ("    a_test.go:1: got 1, want 2 " + long)[:longLine] + "…\n    rig.go:22: it printed:\n" +
				"0 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "a skip is told and not good",
			in: `{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:1: no psql\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
`,
			out: "SKIP p.TestB: b_test.go:1: no psql\n1 passed, 0 failed, 1 skipped\n",
		},
		{
			name: "a crash tells the test that was running",
			in: `{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"panic: boom\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`,
			out: "panic: boom\nFAIL\tp\t0.1s\n1 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "a package that doesn't build, after a failed test elsewhere",
			in: `{"Action":"fail","Package":"o","Test":"TestA"}
{"Action":"build-output","ImportPath":"p","Output":"p/a.go:1: undefined: x\n"}
{"Action":"build-fail","ImportPath":"p"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p"}
`,
			out: "p/a.go:1: undefined: x\nFAIL\tp [build failed]\n0 passed, 2 failed, 0 skipped\n",
		},
		{
			name: "the go command's own words",
			in:   "no required module provides package x",
			out:  "no required module provides package x0 passed, 0 failed, 0 skipped\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r report
			var out strings.Builder
			if err := r.read(strings.NewReader(tt.in), &out); err != nil {
				t.Fatalf("read: %v", err)
			}
			if out.String() != tt.out {
				t.Errorf("printed %q, want %q", out.String(), tt.out)
			}
			if r.good() != tt.good {
				t.Errorf("good is %v, want %v", r.good(), tt.good)
			}
		})
	}
}
