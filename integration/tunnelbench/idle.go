package main

import (
	"fmt"
	"slices"

	"github.com/pgkeyless/pgkeyless/integration/benchkit"
)

// idle reads the process's memory with ever more connections that say nothing.
func (b *bench) idle(s *side) error {
	err := benchkit.Idle(b.ctx, s.config, b.plan.idle, b.plan.settle, func(count int) {
		if kib, err := benchkit.ProcessRSS(s.pid); err == nil {
			b.samples.Add(s.name, fmt.Sprintf("rss_%d", count), float64(kib)/1024)
		}
	})
	if err == nil {
		b.samples.Add(s.name, "idle_connections", float64(slices.Max(b.plan.idle)))
	}
	return err
}
