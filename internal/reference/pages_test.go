package reference

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

const directory = "../../docs/reference"

func TestPagesAreFresh(t *testing.T) {
	pages := Pages()
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join(directory, name))
		if err != nil {
			t.Error(err)
		} else if string(got) != want {
			t.Errorf("docs/reference/%s is stale: run `go generate ./internal/reference`", name)
		}
	}
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := pages[e.Name()]; !ok {
			t.Errorf("docs/reference/%s is not written by this package", e.Name())
		}
	}
}

func TestEveryOptionIsExplained(t *testing.T) {
	pages := Pages()
	for _, o := range config.All() {
		for page, want := range map[string]string{"options.md": "--" + o.Name, "environment.md": o.Variable()} {
			if !strings.Contains(pages[page], want) {
				t.Errorf("%s lacks %s", page, want)
			}
		}
		if o.InFile() && !strings.Contains(pages["config-file.md"], "| `"+o.Name+"` |") {
			t.Errorf("config-file.md lacks %s", o.Name)
		}
	}
}

func TestHelpTextBecomesMarkdown(t *testing.T) {
	got := blocks("Run psql.\n\n  pgkeyless connect orders\n  pgkeyless connect ledger\n\nThe exit code is psql's.")
	want := "Run psql.\n\n```\npgkeyless connect orders\npgkeyless connect ledger\n```\n\nThe exit code is psql's."
	if got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
