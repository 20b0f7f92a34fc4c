package display

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscaping(t *testing.T) {
	for _, tt := range []struct{ s, want string }{
		{"plain, größer, 日本語, 🐘\n\tand \u00a0 spaces", "plain, größer, 日本語, 🐘\n\tand \u00a0 spaces"},
		{"red \x1b[31mtext\a\r", `red \u001b[31mtext\u0007\u000d`},
		{"CSI \u009b2J", `CSI \u009b2J`},
		{"pay \u202eeman\u202c", `pay \u202eeman\u202c`},
		{"tag \U000e0041", `tag \udb40\udc41`},
		{"line\u2028sep", `line\u2028sep`},
		{"bad \xff\xfe", `bad \xff\xfe`},
		{"a replacement \ufffd", "a replacement \ufffd"},
	} {
		var out bytes.Buffer
		n, err := Escaping(&out).Write([]byte(tt.s))
		if out.String() != tt.want || n != len(tt.s) || err != nil {
			t.Errorf("%q: wrote %q, %d, %v; want %q, %d", tt.s, out.String(), n, err, tt.want, len(tt.s))
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestEscapingReportsErrors(t *testing.T) {
	if n, err := Escaping(broken{}).Write([]byte("\x1b")); n != 0 || err == nil {
		t.Errorf("%d, %v; want the error", n, err)
	}
}

// What is JSON stays JSON, of the same value.
func FuzzEscapingJSON(f *testing.F) {
	for _, s := range []string{"plain", "\u009b", "\u202e\U000e0041", "\x1b\\", "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		var out bytes.Buffer
		if err := json.NewEncoder(Escaping(&out)).Encode(s); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || got != s {
			t.Errorf("%q became %q: %q, %v", s, out.String(), got, err)
		}
		if strings.ContainsAny(out.String(), "\x1b\u009b\u202e\u2066") {
			t.Errorf("%q has what a terminal obeys", out.String())
		}
	})
}
