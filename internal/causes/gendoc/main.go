// Command gendoc writes the table of causes into docs/troubleshooting.md,
// between its two marks. It is run by `go generate ./internal/causes`.
package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

const page = "../../docs/troubleshooting.md"

func main() {
	if err := write(page); err != nil {
		fmt.Fprintln(os.Stderr, "gendoc:", err)
		os.Exit(1)
	}
}

func write(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, begins := bytes.Cut(text, []byte(causes.MarkdownBegin))
	_, after, ends := bytes.Cut(rest, []byte(causes.MarkdownEnd))
	if !begins || !ends {
		return fmt.Errorf("%s lacks the marks %q and %q", path, causes.MarkdownBegin, causes.MarkdownEnd)
	}
	page := bytes.Join([][]byte{before, []byte(causes.MarkdownBegin), []byte(causes.Markdown()), []byte(causes.MarkdownEnd), after}, nil)
	return os.WriteFile(path, page, 0o644)
}
