package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// spareFiles are those of a proxy's that are no connections.
const spareFiles = 100

// roomFor are the counts with those that the system has no room for in one
// process brought down to what it has: a proxy takes some files for each client.
func (b *bench) roomFor(counts []int, files int) []int {
	room := (openFiles(files*slices.Max(counts)+spareFiles) - spareFiles) / files
	fit := make([]int, len(counts))
	for i, n := range counts {
		fit[i] = min(n, room)
	}
	if slices.Max(counts) > room {
		fmt.Fprintf(b.log, "ulimit -n leaves room for %d idle connections of %d files only\n", room, files)
	}
	return slices.Compact(fit)
}

// idle reads the memory of a fresh process of the side's with ever more
// connections that say nothing.
func (b *bench) idle(s *side) error {
	return b.idleWith(b.plan.idle, func(f *fakeProcess) (*side, error) {
		return b.startSide(b.ctx, s.name, f.Address)
	})
}

// idleTunnel does so with pgkeyless and SSM sessions, whose websockets carry
// thousands of connections to the database each.
func (b *bench) idleTunnel(*side) error {
	return b.idleWith(b.plan.tunnelIdle, func(f *fakeProcess) (*side, error) {
		return b.runOurs(b.ctx, tunnel, lab.TargetArg(b.caFile()), f.Env)
	})
}

func (b *bench) idleWith(counts []int, start func(*fakeProcess) (*side, error)) error {
	f, err := b.startFakeProcess(b.ctx)
	if err != nil {
		return err
	}
	defer f.end()
	s, err := start(f)
	if err != nil {
		return err
	}
	err = b.holdIdle(b.ctx, s, counts)
	if stopped := s.stop(); err == nil {
		err = stopped
	}
	return err
}

func (b *bench) holdIdle(ctx context.Context, s *side, counts []int) error {
	config, err := b.clientConfig(s)
	if err != nil {
		return err
	}
	config.Password = "any" // to the database of a few lines
	// PgBouncer has no connection to the database for a client that never asked,
	// and a proxy's buffers have grown once something large has gone through.
	config.AfterConnect = func(ctx context.Context, c *pgconn.PgConn) error {
		_, err := c.Exec(ctx, bulkQuery).ReadAll()
		return err
	}
	err = kit.Idle(ctx, config, counts, b.plan.settle, func(count int) {
		if kib, err := kit.ProcessRSS(s.pid); err == nil {
			b.samples.Add(s.name, fmt.Sprintf("rss_%d", count), float64(kib)/1024)
		}
	})
	if err == nil {
		b.samples.Add(s.name, "idle_connections", float64(slices.Max(counts)))
	}
	return err
}
