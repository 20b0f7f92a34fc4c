package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

const thinkTime = 20 * time.Millisecond // between two queries: the asker is no load

// selectUnderBulk times select 1 on a connection made while another downloads.
func (b *bench) selectUnderBulk(s *side) error {
	d, err := startBulk(b.ctx, s)
	if err != nil {
		return err
	}
	defer d.end()
	if !kit.Pause(b.ctx, b.plan.stagger) {
		return context.Cause(b.ctx)
	}
	c, err := s.connect(b.ctx)
	if err != nil {
		return err
	}
	defer kit.HangUp(c)
	return b.ask(s, c, "select_under_bulk")
}

// selectBeforeBulk times select 1 on a connection that is there before another
// begins to download; before that, it times it alone.
func (b *bench) selectBeforeBulk(s *side) error {
	c, err := s.connect(b.ctx)
	if err != nil {
		return err
	}
	defer kit.HangUp(c)
	if err := b.ask(s, c, "select_alone"); err != nil {
		return err
	}
	d, err := startBulk(b.ctx, s)
	if err != nil {
		return err
	}
	defer d.end()
	return b.ask(s, c, "select_before_bulk")
}

// ask asks again and again and notes each time in milliseconds.
func (b *bench) ask(s *side, c *pgconn.PgConn, what string) error {
	for begun := time.Now(); time.Since(begun) < b.plan.asking; {
		asked := time.Now()
		if _, err := c.Exec(b.ctx, "select 1").ReadAll(); err != nil {
			return err
		}
		b.samples.Add(s.name, what, kit.Milliseconds(time.Since(asked)))
		if !kit.Pause(b.ctx, thinkTime) {
			return context.Cause(b.ctx)
		}
	}
	return nil
}
