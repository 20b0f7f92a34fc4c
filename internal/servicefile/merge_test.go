package servicefile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/markedfile"
)

var orders = Section{"orders", []Param{{"host", "/run/user/1000/pgkeyless"}, {"port", "5432"}, {"user", "app user"}}}

const (
	beginLine = markedfile.Begin + " " + about
	endLine   = markedfile.End
)

const ordersBlock = beginLine + "\n[orders]\nhost=/run/user/1000/pgkeyless\nport=5432\nuser=app user\n" + endLine + "\n"

func TestMergeKeepsWhatIsOutside(t *testing.T) {
	theirs := "# mine\r\n\n[theirs]\r\nhost = x \n"
	for _, tt := range []struct {
		name, old string
		sections  []Section
		want      string
	}{
		{"nothing yet", "", []Section{orders}, ordersBlock},
		{"behind theirs", theirs, []Section{orders}, theirs + ordersBlock},
		{"behind a line without end", "[a]\nhost=x", []Section{orders}, "[a]\nhost=x\n" + ordersBlock},
		{"again", theirs + ordersBlock, []Section{orders}, theirs + ordersBlock},
		{"between theirs", theirs + "# pgkeyless: begin, older words\n[old]\nhost=y\n  # pgkeyless: end\r\n[z]", []Section{orders}, theirs + ordersBlock + "[z]"},
		{"none any more", theirs + ordersBlock + "[z]", nil, theirs + "[z]"},
		{"two", "", []Section{orders, {"billing", []Param{{"host", "h"}}}}, strings.TrimSuffix(ordersBlock, endLine+"\n") + "[billing]\nhost=h\n" + endLine + "\n"},
		{"a name that begins like another", "[orders2]\nhost=x\n", []Section{orders}, "[orders2]\nhost=x\n" + ordersBlock},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Merge([]byte(tt.old), tt.sections)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
			again, err := Merge(got, tt.sections)
			if err != nil || !bytes.Equal(again, got) {
				t.Errorf("a second time: %q (%v), want no change", again, err)
			}
		})
	}
}

func TestMergeRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, old string
		sections  []Section
		line      int
		want      string
	}{
		{"no end mark", "x\n" + beginLine + "\n[a]\n", nil, 0, "a begin mark without its end mark"},
		{"no begin mark", "x\n" + endLine + "\n", nil, 2, "an end mark without"},
		{"two pairs", ordersBlock + ordersBlock, nil, 7, "a second begin mark"},
		{"two end marks", ordersBlock + endLine, nil, 7, "an end mark without"},
		{"name before the marks", "\n [orders]\nhost=x\n" + ordersBlock, []Section{orders}, 2, "a section [orders] is there already"},
		{"name behind the marks", ordersBlock + "\n[orders] # mine\n", []Section{orders}, 8, "a section [orders] is there already"},
		{"name twice", "", []Section{orders, orders}, 0, `two sections named "orders"`},
		{"no name", "", []Section{{}}, 0, "cannot name a service"},
		{"name with a bracket", "", []Section{{Name: "a]b"}}, 0, "cannot name a service"},
		{"name with a line break", "", []Section{{Name: "a\nb"}}, 0, "cannot name a service"},
		{"value with a line break", "", []Section{{"a", []Param{{"user", "x\ny"}}}}, 0, "libpq cannot read this value of user"},
		{"value that ends in a space", "", []Section{{"a", []Param{{"user", "x "}}}}, 0, "libpq cannot read this value of user"},
		{"long value", "", []Section{{"a", []Param{{"user", strings.Repeat("x", 1018)}}}}, 0, "libpq cannot read this value of user"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Merge([]byte(tt.old), tt.sections)
			where := ""
			if tt.line > 0 {
				where = fmt.Sprintf("line %d: ", tt.line)
			}
			problem, atLine := strings.CutPrefix(fmt.Sprint(err), where)
			if !causes.Misused(err) || !atLine || strings.HasPrefix(problem, "line ") || !strings.Contains(problem, tt.want) || causes.Hint(err) == "" {
				t.Errorf("got %q, %#v; want line %d, %q and a hint", got, err, tt.line, tt.want)
			}
		})
	}
}

// What stands before and behind the marks is there afterwards, whatever it is.
func FuzzMerge(f *testing.F) {
	f.Add([]byte("[a]\nhost=x"), []byte("\r\n[b]\n"), "orders")
	f.Add([]byte(""), []byte(ordersBlock), "x")
	f.Add([]byte("# pgkeyless: end\n"), []byte("#"), "")
	f.Fuzz(func(t *testing.T, before, after []byte, name string) {
		old := bytes.Join([][]byte{before, []byte(beginLine), []byte("[old]"), []byte(endLine), after}, []byte("\n"))
		got, err := Merge(old, []Section{{name, []Param{{"host", "h"}}}})
		if err != nil {
			return
		}
		if len(before) > 0 && !bytes.HasPrefix(got, append(bytes.Clone(before), '\n')) || !bytes.HasSuffix(got, after) {
			t.Fatalf("%q became %q", old, got)
		}
		if !bytes.Contains(got, []byte("\n["+name+"]\nhost=h\n")) {
			t.Fatalf("%q lacks the section %q", got, name)
		}
	})
}

func TestUpdateReplacesTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pg_service.conf")
	check := func(wantChanged bool, want string, mode os.FileMode) {
		t.Helper()
		changed, err := Update(path, []Section{orders})
		got, readErr := os.ReadFile(path)
		if err != nil || readErr != nil || changed != wantChanged || string(got) != want {
			t.Fatalf("changed %t, %v, %v, file %q; want %t and %q", changed, err, readErr, got, wantChanged, want)
		}
		if info, _ := os.Stat(path); runtime.GOOS != "windows" && info.Mode().Perm() != mode {
			t.Errorf("mode %v, want %v", info.Mode(), mode)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	check(true, ordersBlock, 0o600)
	check(false, ordersBlock, 0o600)
	if err := os.WriteFile(path, []byte("[a]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	check(true, "[a]\n"+ordersBlock, 0o644)
}

func TestUpdateFollowsALink(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links take rights on Windows")
	}
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("real", link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "real"), []byte("[a]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Update(link, []Section{orders}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "real"))
	if info, _ := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink || string(got) != "[a]\n"+ordersBlock {
		t.Errorf("%v, %v, %q; want a link to the new file", err, info.Mode(), got)
	}
}

func TestUpdateRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := Update(dir, []Section{orders}); err == nil {
		t.Error("a directory was taken")
	}
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, make([]byte, markedfile.Most+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Update(big, []Section{orders}); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a huge file: %v", err)
	}
}

func TestUpdateWhereNoFileCanBe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	_, err := Update(filepath.Join(dir, "services"), []Section{{Name: "orders"}})
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), dir+": ") {
		t.Errorf("got %v, want one about %s alone", err, dir)
	}
}
