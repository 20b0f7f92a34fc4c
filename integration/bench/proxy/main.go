package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == asFake {
		if err := serveFake(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, "proxybench: error:", err)
			os.Exit(1)
		}
		return
	}
	kit.Main("proxybench", measure)
}

func measure(ctx context.Context, o kit.Options, log io.Writer) (kit.Numbers, string, error) {
	p := full
	if o.Quick {
		p = brief
	}
	p.rounds = cmp.Or(o.Rounds, p.rounds)
	b, err := newBench(ctx, p, o.Binary, log)
	if err != nil {
		return nil, "", err
	}
	defer b.close()
	rounds := b.run(ctx, o.Only)
	n := condense(b.samples, b.plan)
	n.Set("rounds", float64(rounds))
	return n, table(n, b.plan), errors.Join(append(b.failures, context.Cause(ctx))...)
}
