package serving

import (
	"context"
	"log/slog"
	"sync"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

// warmUp has the tunnels started that are to be there before the first client. It waits
// for targets that have to be looked up, until ctx ends.
func warmUp(ctx context.Context, log *slog.Logger, f front) {
	var all sync.WaitGroup
	for i, t := range f.targets {
		if !t.Warm {
			continue
		}
		all.Go(func() {
			if err := f.routes[i].Prepare(ctx); err != nil && ctx.Err() == nil {
				log.Warn("the tunnel starts with the first client", "route", t.Name, "error", display.Line(err.Error()), "hint", display.Line(causes.Hint(err)))
			}
		})
	}
	all.Wait()
}
