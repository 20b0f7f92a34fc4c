package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

const (
	warmUps = 2  // connections made before those that are timed
	far     = 80 // the added round trip of bursts, in milliseconds
	// sessionsLimit is how long pgkeyless may take for its ready logins.
	sessionsLimit = 30 * time.Second
)

// storms are the numbers of clients that connect at the same moment. The plugin gets
// those of pluginStorms: more of them keep it busy for minutes.
var (
	storms       = []int{50, 60, 300, 2000}
	pluginStorms = []int{50, 300}
)

func connectKey(trip int) string { return fmt.Sprintf("connect_%d", trip) }

func readyKey(trip int) string { return fmt.Sprintf("connect_ready_%d", trip) }

func secondStormKey(clients int) string { return stormKey(clients) + "_ready" }

func stormKey(clients int) string { return fmt.Sprintf("connect_burst_%d", clients) }

// The first storm again: where held asks before, with no round trip added, and
// without a tunnel, which shows what the machine needs for the logins alone.
func usedStormKey() string   { return stormKey(storms[0]) + "_used" }
func nearStormKey() string   { return stormKey(storms[0]) + "_near" }
func directStormKey() string { return stormKey(storms[0]) + "_direct" }

// connectTimes times connect to first ReadyForQuery, with the SSM session up and
// something known of the database: not the first connection. Between two it waits for
// pause.
func connectTimes(key string, pause func(plan) time.Duration) func(*bench, *side) error {
	return func(b *bench, s *side) error {
		return kit.ConnectTimes(b.ctx, s.connect, warmUps, b.plan.connects, pause(b.plan), func(took time.Duration) {
			b.samples.Add(s.name, key, kit.Milliseconds(took))
		})
	}
}

// storm times clients that connect at the same moment through a tunnel that is up,
// until each has its first ReadyForQuery or an error. Each closes as soon as it has it.
// One more client is connected before, and asks for as long as asking.
func storm(key string, clients int, asking time.Duration) func(*bench, *side) error {
	return func(b *bench, s *side) error {
		held, err := s.connect(b.ctx)
		if err != nil {
			return err
		}
		defer kit.HangUp(held)
		for begun := time.Now(); time.Since(begun) < asking; {
			if _, err := held.Exec(b.ctx, "select 1").ReadAll(); err != nil {
				return err
			}
			if !kit.Pause(b.ctx, thinkTime) {
				return context.Cause(b.ctx)
			}
		}
		before, known := s.cpu()
		r := burst(b.ctx, s, clients)
		if after, ok := s.cpu(); known && ok {
			b.samples.Add(s.name, key+"_cpu", kit.Milliseconds(after-before)/float64(clients))
		}
		b.note(s, key, r)
		return r.failed()
	}
}

// secondStorm is storm after another one, for which pgkeyless has made a login ready for
// each client.
func secondStorm(clients int) func(*bench, *side) error {
	return func(b *bench, s *side) error {
		held, err := s.connect(b.ctx)
		if err != nil {
			return err
		}
		defer kit.HangUp(held)
		if r := burst(b.ctx, s, clients); r.failed() != nil {
			return r.failed()
		}
		if err := awaitSessions(b.ctx, held, clients+1); err != nil {
			return err
		}
		r := burst(b.ctx, s, clients)
		b.note(s, secondStormKey(clients), r)
		return r.failed()
	}
}

// rush is how clients fared that connected at the same moment.
type rush struct {
	took  time.Duration   // until the last one had an answer
	waits []time.Duration // of those who were served
	errs  []error         // one for each client; nil for those who were served
}

// failed returns an error where nobody was served.
func (r rush) failed() error {
	if first := errors.Join(r.errs...); len(r.waits) == 0 {
		return fmt.Errorf("none of %d was served: %.500s", len(r.errs), first.Error())
	}
	return nil
}

// burst connects clients at the same moment and waits for all of them.
func burst(ctx context.Context, s *side, clients int) rush {
	var all sync.WaitGroup
	errs, waits := make([]error, clients), make([]time.Duration, clients)
	start := make(chan struct{})
	for i := range clients {
		all.Go(func() {
			<-start
			begun := time.Now()
			var c *pgconn.PgConn
			if c, errs[i] = s.connect(ctx); errs[i] == nil {
				waits[i] = time.Since(begun)
				kit.HangUp(c)
			}
		})
	}
	begun := time.Now()
	close(start)
	all.Wait()
	r := rush{took: time.Since(begun), errs: errs}
	for i, err := range errs {
		if err == nil {
			r.waits = append(r.waits, waits[i])
		}
	}
	return r
}

// note adds r to the samples.
func (b *bench) note(s *side, key string, r rush) {
	for _, wait := range r.waits {
		b.samples.Add(s.name, key+"_wait", kit.Milliseconds(wait))
	}
	served := float64(len(r.waits))
	b.samples.Add(s.name, key+"_seconds", r.took.Seconds())
	b.samples.Add(s.name, key+"_served", served/float64(len(r.errs)))
	b.samples.Add(s.name, key+"_per_s", served/r.took.Seconds())
}

// settled is how often in succession the database must count the same sessions: after a
// burst, its clients' go while ready ones come.
const settled = 5

// awaitSessions waits until the user of c has n sessions at the database, and no longer
// than sessionsLimit.
func awaitSessions(ctx context.Context, c *pgconn.PgConn, n int) error {
	ctx, cancel := context.WithTimeout(ctx, sessionsLimit)
	defer cancel()
	for seen := 0; seen < settled; {
		rows, err := c.Exec(ctx, "select count(*) from pg_stat_activity where usename = current_user").ReadAll()
		if err != nil {
			return fmt.Errorf("waiting for %d sessions: %w", n, err)
		}
		if seen++; string(rows[0].Rows[0][0]) != strconv.Itoa(n) {
			seen = 0
		}
		if !kit.Pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("waiting for %d sessions: %w", n, context.Cause(ctx))
		}
	}
	return nil
}
