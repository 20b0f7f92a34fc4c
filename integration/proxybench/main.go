package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pgkeyless/pgkeyless/integration/benchkit"
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == asFake {
		if err := serveFake(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, "proxybench: error:", err)
			os.Exit(1)
		}
		return
	}
	benchkit.Main("proxybench", measure)
}

func measure(ctx context.Context, o benchkit.Options, log io.Writer) (benchkit.Numbers, string, error) {
	p := full
	if o.Quick {
		p = brief
	}
	b, err := newBench(ctx, p, o.Binary, log)
	if err != nil {
		return nil, "", err
	}
	defer b.close()
	b.run(ctx, o.Only)
	if ctx.Err() != nil {
		return nil, "", context.Cause(ctx)
	}
	n := condense(b.samples, b.plan)
	return n, table(n, b.plan), errors.Join(b.failures...)
}
