package markedfile

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

func shown(p Parts) string {
	return fmt.Sprintf("%q, %q, %q, marked %v", p.Before, p.Inside, p.After, p.Marked)
}

func TestSplitFindsTheMarks(t *testing.T) {
	for name, test := range map[string]struct{ before, inside, after string }{
		"in the middle":    {"a\r\n", "x\ny\n", "b"},
		"at the start":     {"", "x\n", "b\n"},
		"with nothing":     {"a\n", "", ""},
		"indented":         {"a\n", "x\r\n", "b\n"},
		"other words long": {"a\n# pgkeyless\n", "# x\n", "# begin\n"},
	} {
		begin, end := Begin+" (words)\n", End+"\n"
		if name == "indented" {
			begin, end = " \t"+Begin+"\r\n", "\t"+End+" and more\r\n"
		}
		got, err := Split([]byte(test.before + begin + test.inside + end + test.after))
		if err != nil || !got.Marked || string(got.Before) != test.before || string(got.Inside) != test.inside || string(got.After) != test.after {
			t.Errorf("%s: %s, %v", name, shown(got), err)
		}
	}
	if got, err := Split([]byte("a\nb")); err != nil || got.Marked || string(got.Before) != "a\nb" {
		t.Errorf("without marks: %s, %v", shown(got), err)
	}
	for want, text := range map[string]string{
		"a begin mark without its end mark": Begin + "\nx\n",
		"line 2: an end mark without":       "x\n" + End,
		"line 3: a second begin mark":       "x\n" + Begin + "\n" + Begin + "\n" + End,
		"line 3: an end mark without":       Begin + "\n" + End + "\n" + End,
	} {
		if _, err := Split([]byte(text)); !causes.Misused(err) || !strings.Contains(err.Error(), want) || causes.Hint(err) == "" {
			t.Errorf("%q: %v, want %q and a hint", text, err, want)
		}
	}
}

func TestBlockIsWhatSplitFinds(t *testing.T) {
	block := Block("(words)", []byte("x\n"))
	if got, err := Split(block); err != nil || string(got.Inside) != "x\n" || len(got.Before)+len(got.After) > 0 || !bytes.HasSuffix(block, []byte("\n")) {
		t.Errorf("%q is split into %s, %v", block, shown(got), err)
	}
}

// Nothing of a file is lost or made up.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("a\n" + Begin + "\nx\n" + End + "\nb"))
	f.Add([]byte(End))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Split(text)
		if err != nil {
			return
		}
		if !bytes.HasPrefix(text, got.Before) || !bytes.HasSuffix(text, got.After) || !bytes.Contains(text, got.Inside) ||
			!got.Marked && !bytes.Equal(text, got.Before) || len(got.Before)+len(got.Inside)+len(got.After) > len(text) {
			t.Errorf("%q is split into %s", text, shown(got))
		}
	})
}
