package doctor

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// broken is a walk that stops at login.
func broken(p Printer) int {
	w := New(p)
	w.Begin(Credentials)
	time.Sleep(1234 * time.Millisecond)
	w.OK("arn:aws:iam::111122223333:user/ada")
	w.Begin(Permissions)
	w.Skip("not permitted: iam:SimulatePrincipalPolicy")
	w.Begin(JumpHost)
	w.LeaveOut("via=none")
	w.Begin(Clock)
	w.Warn("2 minutes behind", "set it")
	w.Begin(Login)
	time.Sleep(250 * time.Millisecond)
	w.Fail(Result{Text: "refused", Notes: []string{"one", "two"}, Fix: "GRANT <x>", State: "28000"})
	w.Begin(Rights) // has no effect any more
	w.OK("never told")
	return w.Done()
}

func TestPlain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		if code := broken(NewPlain(&out)); code != Login.Code {
			t.Errorf("exit code %d, want %d", code, Login.Code)
		}
		want := `ok    credentials         1.234 s  arn:aws:iam::111122223333:user/ada
skip  permissions         0.000 s  not permitted: iam:SimulatePrincipalPolicy
-     jump-host           0.000 s  via=none
warn  clock               0.000 s  2 minutes behind
      fix: set it
FAIL  login               0.250 s  refused
      note: one
      note: two
      fix: GRANT <x>

stopped at login: later checks did not run
`
		if out.String() != want {
			t.Errorf("got\n%s\nwant\n%s", out.String(), want)
		}
	})
}

func TestTerminalShowsProgressAndThenThePlainLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var plain, out bytes.Buffer
		broken(NewPlain(&plain))
		broken(NewTerminal(&out))
		for _, part := range []string{"\r\x1b[K|     credentials           0.0 s", "\r\x1b[K/     credentials           0.1 s", "1.2 s"} {
			if !strings.Contains(out.String(), part) {
				t.Errorf("the terminal was never shown %q", part)
			}
		}
		var shown strings.Builder // what is left when every overwritten line is gone
		for line := range strings.Lines(out.String()) {
			shown.WriteString(line[max(0, strings.LastIndex(line, clearLine)):])
		}
		if got := strings.ReplaceAll(shown.String(), clearLine, ""); got != plain.String() {
			t.Errorf("left on the terminal:\n%s\nwant:\n%s", got, plain.String())
		}
	})
}

func TestJSONLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		broken(NewJSON(&out))
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		for _, line := range lines {
			if !json.Valid([]byte(line)) {
				t.Errorf("no JSON: %s", line)
			}
		}
		for i, want := range map[int]string{
			0: `{"stage":"credentials","status":"ok","seconds":1.234,"text":"arn:aws:iam::111122223333:user/ada"}`,
			4: `{"stage":"login","status":"failed","seconds":0.25,"text":"refused","notes":["one","two"],"fix":"GRANT <x>","sqlstate":"28000"}`,
			5: `{"result":"failed","failed_stage":"login","exit_code":20}`,
		} {
			if i >= len(lines) || lines[i] != want {
				t.Errorf("line %d of %d: want %s\n%s", i, len(lines), want, out.String())
			}
		}
		out.Reset()
		if code := New(NewJSON(&out)).Done(); code != 0 || out.String() != `{"result":"ok","exit_code":0}`+"\n" {
			t.Errorf("all good is %d, %s", code, out.String())
		}
	})
}

func TestExitCodesAreDistinct(t *testing.T) {
	seen := map[int]string{0: "", 1: "", 2: "", 129: "", 130: "", 143: ""}
	ids := map[string]bool{}
	for _, s := range Stages() {
		if _, taken := seen[s.Code]; taken && s.Code != 0 {
			t.Errorf("%s has code %d of %q", s.ID, s.Code, seen[s.Code])
		}
		if ids[s.ID] {
			t.Errorf("two stages %s", s.ID)
		}
		seen[s.Code], ids[s.ID] = s.ID, true
		if listed := strings.Contains(CodeTable(), "  "+s.ID+" "); listed != (s.Code != 0) {
			t.Errorf("%s in the table: %v", s.ID, listed)
		}
	}
}

// What asks a person has the terminal for itself, however long that takes.
func TestProgressRestsAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		w := New(NewTerminal(&out))
		w.Begin(Credentials)
		time.Sleep(150 * time.Millisecond)
		w.Aside(func() {
			if !strings.HasSuffix(out.String(), clearLine) {
				t.Errorf("the line is not empty: %q", out.String())
			}
			before := out.Len()
			time.Sleep(time.Minute)
			if out.Len() != before {
				t.Errorf("written meanwhile: %q", out.String()[before:])
			}
		})
		if !strings.HasSuffix(out.String(), "60.1 s") && !strings.HasSuffix(out.String(), "60.2 s") {
			t.Errorf("does not go on with the time that has passed: %q", out.String())
		}
		w.Aside(func() { w.OK("mine") }) // given up by the one who waited
		if last := out.String(); !strings.HasSuffix(last, "mine\n") {
			t.Errorf("spins after the end: %q", last)
		}
		w.Done()
	})
}

func TestInterruptedWalk(t *testing.T) {
	for what, test := range map[string]struct {
		printer func(*bytes.Buffer) Printer
		within  string
		between string
	}{
		"plain":    {func(b *bytes.Buffer) Printer { return NewPlain(b) }, "\ninterrupted at login\n", "\ninterrupted\n"},
		"terminal": {func(b *bytes.Buffer) Printer { return NewTerminal(b) }, clearLine + "\ninterrupted at login\n", "\ninterrupted\n"},
		"JSON": {func(b *bytes.Buffer) Printer { return NewJSON(b) }, `{"result":"interrupted","failed_stage":"login","exit_code":130}` + "\n",
			`{"result":"interrupted","exit_code":130}` + "\n"},
	} {
		for _, within := range []bool{true, false} {
			var out bytes.Buffer
			w, want := New(test.printer(&out)), test.between
			if within {
				w.Begin(Login)
				want = test.within
			}
			w.Interrupt(130)
			w.Fail(Result{Text: "context canceled"})
			w.Begin(Rights)
			if code := w.Done(); code != 130 || !strings.HasSuffix(out.String(), want) || strings.Contains(out.String(), "canceled") {
				t.Errorf("%s: code %d, %q, want 130 and %q", what, code, out.String(), want)
			}
		}
	}
}
