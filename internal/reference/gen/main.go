// Command gen writes the pages of docs/reference. `go generate
// ./internal/reference` runs it.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/pgkeyless/pgkeyless/internal/reference"
)

// directory is seen from internal/reference, where go generate runs.
const directory = "../../docs/reference"

func main() {
	if err := write(directory); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range reference.Pages() {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
