package main

import (
	"fmt"
	"slices"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

// idle reads the process's memory with ever more connections that say nothing.
func (b *bench) idle(s *side) error {
	err := kit.Idle(b.ctx, s.config, b.plan.idle, b.plan.settle, func(count int) {
		if kib, err := kit.ProcessRSS(s.pid); err == nil {
			b.samples.Add(s.name, fmt.Sprintf("rss_%d", count), float64(kib)/1024)
		}
	})
	if err == nil {
		b.samples.Add(s.name, "idle_connections", float64(slices.Max(b.plan.idle)))
	}
	return err
}
