package kit

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
)

// Options are how a benchmark was called.
type Options struct {
	Binary string         // the pgkeyless to measure
	Quick  bool           // only see whether everything works
	Only   *regexp.Regexp // of the cells to take
	Rounds int            // in place of the plan's; 0 keeps those
}

// Bench measures, tells log how it goes, and returns what it found and the table
// of that. It returns them with an error when something of pgkeyless's could not
// be measured.
type Bench func(ctx context.Context, o Options, log io.Writer) (Numbers, string, error)

// Main is a benchmark program's. It ends the process: code 1 stands for an error
// of bench's, 2 for wrong arguments.
func Main(name string, bench Bench) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, name, bench, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run prints the table to stdout, and how it goes to stderr.
func run(ctx context.Context, name string, bench Bench, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("json", "", "also write the numbers to this `file`")
	quick := flags.Bool("quick", false, "only see whether everything works; the numbers mean little")
	binary := flags.String("pgkeyless", "bin/pgkeyless", "the pgkeyless `binary` to measure")
	only := flags.String("only", "", "only cells whose name matches this `expression`")
	rounds := flags.Int("rounds", 0, "so many rounds `N`; 0 is the plan's own number")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	cells, err := regexp.Compile(*only)
	if err == nil {
		*binary, err = filepath.Abs(*binary)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: error: %v\n", name, err)
		return 2
	}
	n, table, err := bench(ctx, Options{Binary: *binary, Quick: *quick, Only: cells, Rounds: *rounds}, stderr)
	fmt.Fprint(stdout, table)
	if n != nil && *file != "" {
		err = errors.Join(err, writeJSON(*file, n))
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: error: %v\n", name, err)
		return 1
	}
	return 0
}

func writeJSON(file string, n Numbers) error {
	text, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
