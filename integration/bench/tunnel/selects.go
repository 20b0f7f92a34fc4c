package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

// askers are the numbers of clients that ask small questions at once.
var askers = []int{1, 8, 32}

func selectKey(clients int) string { return fmt.Sprintf("select_tps_%d", clients) }

func messagesKey(clients int) string { return fmt.Sprintf("messages_per_query_%d", clients) }

// selects counts the small queries that some clients ask, each as soon as its last
// is answered, and the messages that they cost, both ways, acknowledgements
// included. One client has asked for some time before: what its weight is, is known.
func selects(clients int) func(*bench, *side) error {
	return func(b *bench, s *side) error {
		first, err := s.connect(b.ctx)
		if err != nil {
			return err
		}
		defer kit.HangUp(first)
		if _, err := b.askAll([]*pgconn.PgConn{first}, b.plan.known); err != nil {
			return err
		}
		all, err := kit.OpenMany(b.ctx, s.config, clients)
		defer func() {
			for _, c := range all {
				kit.HangUp(c)
			}
		}()
		if err != nil {
			return err
		}
		before, begun := b.messages(), time.Now()
		asked, err := b.askAll(all, b.plan.asking)
		if err != nil {
			return err
		}
		took, messages := time.Since(begun), b.messages()-before
		b.samples.Add(s.name, selectKey(clients), float64(asked)/took.Seconds())
		b.samples.Add(s.name, messagesKey(clients), float64(messages)/float64(asked))
		return nil
	}
}

// askAll has all ask for so long, and returns how often they did.
func (b *bench) askAll(all []*pgconn.PgConn, span time.Duration) (int64, error) {
	var asked atomic.Int64
	var asking sync.WaitGroup
	errs := make([]error, len(all))
	begun := time.Now()
	for i, c := range all {
		asking.Go(func() {
			for time.Since(begun) < span {
				if _, err := c.Exec(b.ctx, "select 1").ReadAll(); err != nil {
					errs[i] = err
					return
				}
				asked.Add(1)
			}
		})
	}
	asking.Wait()
	return asked.Load(), errors.Join(errs...)
}

// messages are all that have passed the emulated service.
func (b *bench) messages() (n int64) {
	for _, s := range b.aws.Sessions() {
		n += s.MessagesIn + s.MessagesOut
	}
	return n
}

// coldDownloads times eight clients that come to a fresh process at once, each for
// the same number of bytes, until the last of them has all: MB/s by the clock.
func coldDownloads(key string, long bool) func(*bench, *side) error {
	return func(b *bench, s *side) error {
		const clients = 8
		size := b.plan.cold
		if long {
			size = b.plan.coldLong
		}
		ctx, cancel := context.WithCancel(b.ctx)
		defer cancel()
		var all sync.WaitGroup
		var bytes atomic.Int64
		errs := make([]error, clients)
		begun := time.Now()
		for i := range clients {
			all.Go(func() {
				c, err := s.connect(ctx)
				if err != nil {
					errs[i] = err
					return
				}
				defer kit.HangUp(c)
				m := newMeter()
				_, errs[i] = c.CopyTo(ctx, m, downloadSQL(size/1024))
				bytes.Add(m.n.Load())
			})
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		b.samples.Add(s.name, key, float64(bytes.Load())/1e6/time.Since(begun).Seconds())
		return nil
	}
}
