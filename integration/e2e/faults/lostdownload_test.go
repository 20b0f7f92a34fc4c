package faults

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
)

// Each client hears why its session ends, also in the middle of a download, where
// the stream hardly ever ends between two rows.
func TestLostDownloadIsExplained(t *testing.T) {
	tests := []struct {
		name  string
		end   func(w *rig.World)
		state string
	}{
		{"by the agent's death", func(w *rig.World) { w.AWS.KillAgents() }, "08006"},
		{"by the account's limit", func(w *rig.World) { w.AWS.ExpireSessions() }, "57P01"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := rig.Start(t, rig.Setup{Emulator: func(c *awsemu.Config) { c.Pace = 0 }})
			const clients = 4
			var begun, ended sync.WaitGroup
			begun.Add(clients)
			for i := range clients {
				conn := w.Connect("")
				ended.Go(func() {
					sink := &midway{w: discard{}, at: 300_000, do: begun.Done}
					ctx, cancel := context.WithTimeout(t.Context(), rig.ExactLimit)
					defer cancel()
					_, err := conn.PgConn().CopyTo(ctx, sink, "copy (select repeat(md5(i::text), 1 + i % 40) from generate_series(1, 1000000) i) to stdout")
					var told *pgconn.PgError
					if !errors.As(err, &told) || told.Severity != "FATAL" || told.Code != test.state ||
						!strings.Contains(told.Detail, "SSM session ") || told.Hint == "" {
						t.Errorf("client %d: %v, want FATAL %s with DETAIL and HINT", i, err, test.state)
					}
				})
			}
			begun.Wait()
			test.end(w)
			ended.Wait()
		})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
