package main

import (
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
)

const openers = 8 // connections opened at once

// idle opens more and more connections and reads the process's memory while
// none says anything. At the end all of them must answer.
func (b *bench) idle(s *side) error {
	var all []*pgconn.PgConn
	defer func() {
		for _, c := range all {
			hangUp(c)
		}
	}()
	for _, n := range b.plan.idle {
		more, err := b.openMany(s, n-len(all))
		all = append(all, more...)
		if err != nil {
			return fmt.Errorf("%d connections are open: %w", len(all), err)
		}
		if !pause(b.ctx, b.plan.settle) {
			return b.ctx.Err()
		}
		if kib, err := processRSS(s.pid); err == nil {
			b.samples.add(s.name, fmt.Sprintf("rss_%d", n), float64(kib)/1024)
		}
	}
	for i, c := range all {
		if _, err := c.Exec(b.ctx, "select 1").ReadAll(); err != nil {
			return fmt.Errorf("connection %d of %d does not answer: %w", i+1, len(all), err)
		}
	}
	b.samples.add(s.name, "idle_connections", float64(len(all)))
	return nil
}

// openMany opens n connections, some at once, and returns those that came up.
func (b *bench) openMany(s *side, n int) ([]*pgconn.PgConn, error) {
	var (
		mu   sync.Mutex
		all  []*pgconn.PgConn
		errs []error
		work sync.WaitGroup
	)
	turns := make(chan struct{}, n)
	for range n {
		turns <- struct{}{}
	}
	close(turns)
	for range min(openers, n) {
		work.Go(func() {
			for range turns {
				c, err := s.connect(b.ctx)
				mu.Lock()
				if err == nil {
					all = append(all, c)
				} else {
					errs = append(errs, err)
				}
				failed := len(errs) > 0
				mu.Unlock()
				if failed {
					return
				}
			}
		})
	}
	work.Wait()
	return all, errors.Join(errs...)
}
