package main

import (
	"cmp"
	"context"
	"errors"
	"io"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

func main() { kit.Main("tunnelbench", measure) }

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
	b.run(ctx, o.Only)
	if ctx.Err() != nil {
		return nil, "", context.Cause(ctx)
	}
	n := b.numbers()
	return n, table(n), errors.Join(b.failures...)
}
