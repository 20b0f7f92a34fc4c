package passfile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/markedfile"
)

const words = "MZXW6YTBOIMZXW6YTBOIMZXW6Y"

// block is one with these lines.
func block(lines ...string) string {
	text := markedfile.Begin + " " + about + "\n" + says + words + "\n"
	for _, line := range lines {
		text += line + ":*:*:" + words + "\n"
	}
	return text + markedfile.End + "\n"
}

var (
	localhost = Listener{"localhost", 5432}
	six       = Listener{"::1", 5432}
	orders    = Listener{"orders.localhost", 5433}
)

func TestMergeKeepsOtherLines(t *testing.T) {
	theirs := "# mine\r\n*:*:*:*:s3cret"
	for name, test := range map[string]struct {
		old         string
		add, remove []Listener
		want        string
	}{
		"before theirs":       {block() + theirs, []Listener{localhost, six}, nil, block("localhost:5432", `\:\:1:5432`) + theirs},
		"again":               {block("localhost:5432") + theirs, []Listener{localhost}, nil, block("localhost:5432") + theirs},
		"where the marks are": {theirs + "\n" + block(), []Listener{localhost}, nil, theirs + "\n" + block("localhost:5432")},
		"another process":     {block("localhost:5432"), []Listener{orders}, nil, block("orders.localhost:5433", "localhost:5432")},
		"taken out":           {block("localhost:5432", `\:\:1:5432`, "orders.localhost:5433"), nil, []Listener{localhost, six}, block("orders.localhost:5433")},
		"moved":               {block("localhost:5432"), []Listener{orders}, []Listener{localhost}, block("orders.localhost:5433")},
		"kept and named":      {block("localhost:5432"), []Listener{localhost}, []Listener{localhost}, block("localhost:5432")},
		"junk inside":         {strings.Replace(block("localhost:5432"), "localhost", "x:y\nother:1:*:*:old\r\nlocalhost", 1), nil, nil, block("localhost:5432")},
		"CRLF inside":         {strings.ReplaceAll(block("localhost:5432"), "\n", "\r\n"), nil, nil, block("localhost:5432")},
		"odd names":           {block(), []Listener{{`a\b:c`, 1}, {"x\ny", 2}, {"", 3}, {"#x", 4}}, nil, block(`a\\b\:c:1`)},
	} {
		got, err := merge([]byte(test.old), test.add, test.remove)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %v, got\n%s\nwant\n%s", name, err, got, test.want)
		}
		again, err := merge(got, test.add, nil)
		if err != nil || !bytes.Equal(again, got) {
			t.Errorf("%s: a second time\n%s, %v", name, again, err)
		}
	}
	if _, err := merge([]byte(markedfile.Begin+"\n"), nil, nil); !causes.Misused(err) {
		t.Errorf("half a pair of marks: %v", err)
	}
}

func TestPasswordIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pgpass")
	if _, ok, err := Read(path); ok || err != nil {
		t.Errorf("without a file: %v, %v", ok, err)
	}
	if err := os.WriteFile(path, []byte("*:*:*:*:s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := Read(path); ok || err != nil {
		t.Errorf("without marks: %v, %v", ok, err)
	}
	if err := Update(path, []Listener{localhost}, nil); err != nil {
		t.Fatal(err)
	}
	first, ok, err := Read(path)
	if !ok || err != nil || !isPassword(first.Reveal()) {
		t.Fatalf("%v, %v", ok, err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "\nlocalhost:5432:*:*:"+first.Reveal()+"\n") || !strings.HasSuffix(string(text), "\n*:*:*:*:s3cret") {
		t.Errorf("%q, %v", text, err)
	}
	if err := Update(path, nil, []Listener{localhost}); err != nil {
		t.Fatal(err)
	}
	if again, ok, err := Read(path); !ok || err != nil || again.Reveal() != first.Reveal() {
		t.Errorf("another password, or none: %v, %v", ok, err)
	}
	other := filepath.Join(t.TempDir(), "pgpass")
	if err := Update(other, nil, nil); err != nil {
		t.Fatal(err)
	}
	if second, _, _ := Read(other); second.Reveal() == first.Reveal() {
		t.Error("two files have one password")
	}
}

// A password that people put there counts if it is a good one.
func TestWeakPasswordIsReplaced(t *testing.T) {
	for _, weak := range []string{"", "hunter2", "a:b" + words, words + " x"} {
		got, err := merge([]byte(strings.Replace(block("localhost:5432"), says+words, says+weak, 1)), nil, nil)
		made, ok, _ := Parse(got)
		if err != nil || !ok || made.Reveal() == weak || made.Reveal() == words {
			t.Errorf("%q: %v, %v, %s", weak, err, ok, got)
		}
	}
}

// Nothing tells lines that a killed process has left from those of one that runs, so
// none is lost. Where the file would become too long, it stays as it is.
func TestNoLineOfAnotherProcessIsLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pgpass")
	many := func(host string, n int) (all []Listener) {
		for i := range n {
			all = append(all, Listener{host, i + 1})
		}
		return all
	}
	count := func(host string) int {
		text, err := markedfile.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "\n"+host+":")
	}
	for _, host := range []string{"first", "second", "third"} {
		if err := Update(path, many(host, 400), nil); err != nil {
			t.Fatal(err)
		}
	}
	if count("first") != 400 || count("second") != 400 || count("third") != 400 {
		t.Errorf("%d, %d and %d lines, want 400 of each", count("first"), count("second"), count("third"))
	}
	err := Update(path, many("far.too.many.example", 30_000), nil)
	if !causes.Misused(err) || !strings.Contains(err.Error(), "would become longer than") || !strings.Contains(causes.Hint(err), "between pgkeyless's marks") {
		t.Errorf("%v, hint %q", err, causes.Hint(err))
	}
	if err := Update(path, nil, many("second", 400)); err != nil || count("first") != 400 || count("second") != 0 || count("far.too.many.example") != 0 {
		t.Errorf("afterwards %v; %d lines of the first, %d of the second", err, count("first"), count("second"))
	}
}

func TestPathIsLibpqs(t *testing.T) {
	t.Setenv("HOME", "/home/ada")
	if got, err := Path([]string{"PGPASSFILE=/x/pass"}); err != nil || filepath.ToSlash(got) != "/x/pass" && runtime.GOOS != "windows" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := Path(nil); err != nil || runtime.GOOS != "windows" && got != "/home/ada/.pgpass" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWhatCannotBeKeptHasAHint(t *testing.T) {
	err := Update(filepath.Join(t.TempDir(), "missing", "pgpass"), nil, nil)
	if !causes.Misused(err) || !strings.Contains(causes.Hint(err), "PGPASSFILE") || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, hint %q", err, causes.Hint(err))
	}
}

// Whatever is in the file, it is there afterwards, and the password can be read.
func FuzzMerge(f *testing.F) {
	f.Add([]byte("*:*:*:*:s3cret"), "localhost", 5432)
	f.Add([]byte(block("localhost:1")+"\r\nx"), "::1", 0)
	f.Add([]byte(markedfile.Begin+"\n"), `\`, -1)
	f.Fuzz(func(t *testing.T, old []byte, host string, port int) {
		got, err := merge(old, []Listener{{host, port}}, nil)
		if err != nil {
			return
		}
		before, err := markedfile.Split(old)
		if err != nil {
			t.Fatal(err)
		}
		after, err := markedfile.Split(got)
		if err != nil {
			t.Fatalf("%q became %q: %v", old, got, err)
		}
		kept := append(bytes.Clone(after.Before), after.After...)
		if want := append(bytes.Clone(before.Before), before.After...); !bytes.Equal(kept, want) {
			t.Errorf("%q became %q", old, got)
		}
		if made, ok, err := Parse(got); !ok || err != nil || len(made.Reveal()) < 20 {
			t.Errorf("%q has no password: %v", got, err)
		}
		if again, err := merge(got, []Listener{{host, port}}, nil); err != nil || !bytes.Equal(again, got) {
			t.Errorf("a second time %q becomes %q, %v", got, again, err)
		}
	})
}
