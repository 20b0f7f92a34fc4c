package serving

import (
	"context"
	"log/slog"
	"sync"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

// wallet knows of AWS credentials. *credentials.Profiles is one.
type wallet interface {
	Missing(ctx context.Context, profile string) error
}

// warnOfMissing logs once for each profile of targets that there are no credentials for
// it, so that the first client is not the one to find out. It may wait for the metadata
// service of the machine, until ctx ends.
func warnOfMissing(ctx context.Context, log *slog.Logger, targets []config.Target, from wallet) {
	asked := map[string]bool{}
	var asking sync.WaitGroup
	for _, t := range targets {
		if asked[t.Profile] {
			continue
		}
		asked[t.Profile] = true
		asking.Go(func() {
			if err := from.Missing(ctx, t.Profile); err != nil {
				log.Warn("logins will fail: "+display.Line(err.Error()), "detail", display.Line(causes.Detail(err)), "hint", causes.Hint(err))
			}
		})
	}
	asking.Wait()
}
