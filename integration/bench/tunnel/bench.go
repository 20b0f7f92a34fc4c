package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
	"github.com/pgkeyless/pgkeyless/integration/conformance/pluginrun"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

const (
	startLimit = 3 * time.Minute // for the database and for building the plugin
	cellLimit  = 5 * time.Minute // for one cell with one side
)

// bench owns the emulated AWS and the database, and collects what is measured.
type bench struct {
	plan     plan
	binary   string // pgkeyless
	plugin   string // the plugin's binary
	dir      string // removed at the end
	keys     lab.Credentials
	database *pgserver.Server
	aws      *awsemu.Emulator
	log      io.Writer
	ctx      context.Context // of the cell being taken

	samples  kit.Samples
	failures []error // of pgkeyless
}

// newBench builds the plugin and starts the parts. The caller must close it.
func newBench(ctx context.Context, p plan, binary string, log io.Writer) (*bench, error) {
	b := &bench{plan: p, binary: binary, keys: lab.NewCredentials(), log: log, samples: kit.Samples{}}
	if err := b.start(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	var err error
	if b.dir, err = os.MkdirTemp("", "pgkb-"); err != nil { // short: Unix sockets go there
		return err
	}
	fmt.Fprintln(b.log, "building the session-manager-plugin")
	if b.plugin, err = pluginrun.Build(ctx, b.dir); err != nil {
		return err
	}
	most := slices.Max(slices.Concat(b.plan.idle, b.plan.storms))
	b.database, err = lab.StartDatabase(ctx, b.keys, func(c *pgserver.Config) {
		c.ExtraConf = fmt.Sprintf("max_connections = %d", most+100)
	})
	if err != nil {
		return err
	}
	// One set of rules for both sides. Two cores do not always answer in a second.
	b.aws, err = lab.StartAWS(b.keys, b.database.Address(), func(c *awsemu.Config) {
		c.OfficialClient, c.AckWithin = true, time.Minute
	})
	return err
}

// close ends what start has started.
func (b *bench) close() {
	if b.aws != nil {
		_ = b.aws.Close()
	}
	if b.database != nil {
		_ = b.database.Close()
	}
	_ = os.RemoveAll(b.dir)
}

// run takes the cells whose name matches, round by round, until ctx ends. What
// fails is told and leaves its samples out.
func (b *bench) run(ctx context.Context, which *regexp.Regexp) {
	for round := range b.plan.rounds {
		for _, c := range cells(b.plan) {
			if !which.MatchString(c.name) || c.once && round > 0 {
				continue
			}
			order := []string{ours, plugin, direct}
			if c.only == "" {
				order = order[:2]
			}
			if round%2 == 1 {
				slices.Reverse(order)
			}
			for _, name := range order {
				if ctx.Err() != nil {
					return
				}
				if c.only == "" || c.only == name {
					b.take(ctx, round, c, name)
				}
			}
		}
	}
}

// take takes one cell with a fresh process of the side.
func (b *bench) take(ctx context.Context, round int, c cell, name string) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, cellLimit)
	defer cancel()
	b.ctx = ctx
	b.aws.SetNetwork(gateway.Network{RoundTrip: time.Duration(c.trip) * time.Millisecond})
	s, err := b.startSide(name, c)
	if err == nil {
		err = errors.Join(c.take(b, s), s.stop())
	}
	word := "done"
	if err != nil {
		err = fmt.Errorf("%s with %s: %w", c.name, name, err)
		word = err.Error()
		if name == ours {
			b.failures = append(b.failures, err)
		}
	}
	fmt.Fprintf(b.log, "round %d, %-18s %-9s %5.1f s: %s\n", round+1, c.name, name, time.Since(begun).Seconds(), word)
}

// numbers condenses the samples and adds what is known of the run.
func (b *bench) numbers() kit.Numbers {
	n := condense(b.samples, b.plan)
	n["rounds"] = float64(b.plan.rounds)
	n["protocol_violations"] = float64(len(b.aws.Violations()))
	for _, v := range b.aws.Violations() {
		fmt.Fprintln(b.log, "protocol violation:", v)
	}
	return n
}
