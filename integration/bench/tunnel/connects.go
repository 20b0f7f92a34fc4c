package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

const (
	warmUps = 2  // connections made before those that are timed
	far     = 80 // the added round trip of bursts, in milliseconds
)

// storms are the numbers of clients that connect at the same moment. The plugin gets
// those of pluginStorms: more of them keep it busy for minutes.
var (
	storms       = []int{50, 60, 300, 2000}
	pluginStorms = []int{50, 300}
)

func connectKey(trip int) string { return fmt.Sprintf("connect_%d", trip) }

func readyKey(trip int) string { return fmt.Sprintf("connect_ready_%d", trip) }

func stormKey(clients int) string { return fmt.Sprintf("connect_burst_%d", clients) }

// connectTimes times connect to first ReadyForQuery, with the SSM session up and
// something known of the database: not the first connection. Between two it waits for
// pause.
func connectTimes(key string, pause func(plan) time.Duration) func(*bench, *side) error {
	return func(b *bench, s *side) error {
		for i := range warmUps + b.plan.connects {
			begun := time.Now()
			c, err := s.connect(b.ctx)
			if err != nil {
				return err
			}
			took := time.Since(begun)
			if err := c.Close(b.ctx); err != nil {
				return err
			}
			if i >= warmUps {
				b.samples.Add(s.name, key, kit.Milliseconds(took))
			}
			if !kit.Pause(b.ctx, pause(b.plan)) {
				return context.Cause(b.ctx)
			}
		}
		return nil
	}
}

// storm times clients that connect at the same moment through a tunnel that is up,
// until each has its first ReadyForQuery or an error. Each closes as soon as it has it.
func storm(clients int) func(*bench, *side) error {
	return func(b *bench, s *side) error {
		held, err := s.connect(b.ctx)
		if err != nil {
			return err
		}
		defer kit.HangUp(held)
		var all sync.WaitGroup
		errs, waits := make([]error, clients), make([]time.Duration, clients)
		start := make(chan struct{})
		for i := range clients {
			all.Go(func() {
				<-start
				begun := time.Now()
				var c *pgconn.PgConn
				if c, errs[i] = s.connect(b.ctx); errs[i] == nil {
					waits[i] = time.Since(begun)
					kit.HangUp(c)
				}
			})
		}
		begun := time.Now()
		close(start)
		all.Wait()
		took, served := time.Since(begun), 0
		for i, err := range errs {
			if err == nil {
				served++
				b.samples.Add(s.name, stormKey(clients)+"_wait", kit.Milliseconds(waits[i]))
			}
		}
		b.samples.Add(s.name, stormKey(clients)+"_seconds", took.Seconds())
		b.samples.Add(s.name, stormKey(clients)+"_served", float64(served)/float64(clients))
		b.samples.Add(s.name, stormKey(clients)+"_per_s", float64(served)/took.Seconds())
		if first := errors.Join(errs...); served == 0 {
			return fmt.Errorf("none of %d was served: %.500s", clients, first.Error())
		}
		return nil
	}
}
