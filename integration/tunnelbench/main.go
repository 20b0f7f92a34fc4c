package main

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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run measures, prints the table to stdout and how it goes to stderr. The code
// is 1 when something of pgkeyless's could not be measured.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("tunnelbench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("json", "", "also write the numbers to this `file`")
	quick := flags.Bool("quick", false, "only see whether everything works; the numbers mean little")
	binary := flags.String("pgkeyless", "bin/pgkeyless", "the pgkeyless `binary` to measure")
	only := flags.String("only", "", "only cells whose name matches this `expression`")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if err := measure(ctx, *binary, *quick, *only, *file, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "tunnelbench: error:", err)
		return 1
	}
	return 0
}

func measure(ctx context.Context, binary string, quick bool, only, file string, stdout, stderr io.Writer) error {
	p := full
	if quick {
		p = brief
	}
	cells, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	b, err := newBench(ctx, p, binary, stderr)
	if err != nil {
		return err
	}
	defer b.close()
	b.run(ctx, cells)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	n := b.numbers()
	fmt.Fprint(stdout, table(n))
	if file != "" {
		text, err := json.MarshalIndent(n, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	return errors.Join(b.failures...)
}
