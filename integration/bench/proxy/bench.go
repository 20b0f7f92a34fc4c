package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

const (
	startLimit = time.Minute     // for the database and its tables, and for each proxy
	cellLimit  = 4 * time.Minute // for one cell with one side: ten thousand handshakes take time
	stopLimit  = 10 * time.Second
)

// bench owns the database and the proxies, and collects what is measured.
type bench struct {
	plan     plan
	binary   string // pgkeyless
	dir      string // removed at the end
	keys     lab.Credentials
	ca       *pgserver.CA
	database *pgserver.Server
	sides    map[string]*side
	log      io.Writer
	ctx      context.Context // of the cell being taken

	samples  kit.Samples
	failures []error // of pgkeyless
}

// newBench starts the parts. The caller must close it.
func newBench(ctx context.Context, p plan, binary string, log io.Writer) (*bench, error) {
	b := &bench{
		plan: p, binary: binary, keys: lab.NewCredentials(), sides: map[string]*side{},
		log: log, samples: kit.Samples{},
	}
	if err := b.start(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bench) start(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	b.plan.idle, b.plan.tunnelIdle = b.roomFor(b.plan.idle, 2), b.roomFor(b.plan.tunnelIdle, 1)
	if b.dir, err = os.MkdirTemp("", "pgkb-"); err != nil { // short: a Unix socket goes there
		return err
	}
	if err := os.Chmod(b.dir, 0o755); err != nil { // PgBouncer reads there, as nobody
		return err
	}
	if b.ca, err = pgserver.NewCA("pgkeyless bench CA"); err != nil {
		return err
	}
	if err := os.WriteFile(b.caFile(), b.ca.PEM(), 0o644); err != nil {
		return err
	}
	b.database, err = lab.StartDatabase(ctx, b.keys, func(c *pgserver.Config) {
		c.CA = b.ca
		c.CertAlso = []string{"localhost"} // PgBouncer verifies the name that it dials
		c.ExtraConf = "max_connections = 1300\nshared_buffers = 512MB"
	})
	if err != nil {
		return err
	}
	if err := b.fill(ctx); err != nil {
		return fmt.Errorf("filling the tables: %w", err)
	}
	for _, name := range tcpSides {
		s, err := b.startSide(ctx, name, b.database.Address())
		if s != nil {
			b.sides[name] = s
		}
		if err != nil {
			return fmt.Errorf("starting %s: %w", name, err)
		}
	}
	if b.sides[scraped], err = b.startScraped(ctx, b.database.Address()); err != nil {
		delete(b.sides, scraped)
		return fmt.Errorf("starting %s: %w", scraped, err)
	}
	sockets, err := filepath.Glob(filepath.Join(b.dir, "s*", ".s.PGSQL.*"))
	if err == nil && len(sockets) == 1 {
		b.sides[oursUnix] = bySocket(b.sides[ours], filepath.Dir(sockets[0]))
	}
	return err
}

// close ends what start has started.
func (b *bench) close() error {
	var errs []error
	for _, s := range b.sides {
		errs = append(errs, s.stop())
	}
	if b.database != nil {
		errs = append(errs, b.database.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}

// caFile holds the authority of the databases' certificates.
func (b *bench) caFile() string { return filepath.Join(b.dir, "ca.pem") }

// env has what makes tokens. No AWS service is ever asked.
func (b *bench) env() []string { return b.keys.Env("http://127.0.0.1:1") }

// most is how many connections one side has at most.
func (b *bench) most() int { return slices.Max(append(b.plan.idle, clients...)) }

// run takes the cells whose name matches, round by round, until ctx ends, and
// returns how many rounds are whole. What fails is told and leaves its samples
// out.
func (b *bench) run(ctx context.Context, which *regexp.Regexp) (rounds int) {
	for round := range b.plan.rounds {
		for _, c := range cells() {
			if !which.MatchString(c.name) || c.once && round > 0 {
				continue
			}
			begun := time.Now()
			for i := range c.sides {
				if ctx.Err() != nil {
					return round
				}
				b.take(ctx, c, b.sides[c.sides[(i+round)%len(c.sides)]])
			}
			fmt.Fprintf(b.log, "round %d of %d, %-14s %5.1f s\n", round+1, b.plan.rounds, c.name, time.Since(begun).Seconds())
		}
	}
	return b.plan.rounds
}

// interrupted tells an end from outside from a cell's own limit.
func interrupted(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }

// take takes one cell with one side.
func (b *bench) take(ctx context.Context, c cell, s *side) {
	ctx, cancel := context.WithTimeout(ctx, cellLimit)
	defer cancel()
	b.ctx = ctx
	if err := c.take(b, s); err != nil && !interrupted(ctx) {
		err = fmt.Errorf("%s with %s: %w", c.name, s.name, err)
		fmt.Fprintln(b.log, err)
		if s.name == ours || s.name == oursUnix || s.name == scraped {
			b.failures = append(b.failures, err)
		}
	}
}
