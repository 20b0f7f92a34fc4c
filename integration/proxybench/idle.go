package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/pgkeyless/pgkeyless/integration/benchkit"
	"github.com/pgkeyless/pgkeyless/integration/pgserver"
)

// spareFiles are those that are no connections.
const spareFiles = 500

// roomFor leaves out what the system has no room for: two connections for each
// client, in this process as in the proxy.
func (b *bench) roomFor(idle []int) []int {
	room := (openFiles(2*slices.Max(idle)+spareFiles) - spareFiles) / 2
	kept := slices.DeleteFunc(slices.Clone(idle), func(n int) bool { return n > room })
	if len(kept) < len(idle) {
		fmt.Fprintf(b.log, "ulimit -n leaves room for %d idle connections only\n", room)
	}
	return kept
}

// idle reads the memory of a fresh process of the side's with ever more
// connections that say nothing.
func (b *bench) idle(s *side) error {
	fake, err := startFake(b.ca)
	if err != nil {
		return err
	}
	defer fake.close()
	fresh, err := b.startSide(b.ctx, s.name, fake.address())
	if err != nil {
		return err
	}
	err = b.holdIdle(b.ctx, fresh)
	if stopped := fresh.stop(); err == nil {
		err = stopped
	}
	return err
}

func (b *bench) holdIdle(ctx context.Context, s *side) error {
	tls := "sslmode=disable"
	if s.token {
		tls = "sslmode=verify-full sslrootcert=" + b.caFile()
	}
	config, err := benchkit.ClientConfig(s.listen, tls)
	if err != nil {
		return err
	}
	config.Password = "any" // to the database of a few lines
	if s.name == pgbouncer {
		config.User = pgserver.PlainUser
	}
	err = benchkit.Idle(ctx, config, b.plan.idle, b.plan.settle, func(count int) {
		if kib, err := benchkit.ProcessRSS(s.pid); err == nil {
			b.samples.Add(s.name, fmt.Sprintf("rss_%d", count), float64(kib)/1024)
		}
	})
	if err == nil {
		b.samples.Add(s.name, "idle_connections", float64(slices.Max(b.plan.idle)))
	}
	return err
}
