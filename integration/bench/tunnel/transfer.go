package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

// flowing is the bytes after which a download counts as started.
const flowing = 16 << 10

// downloadSQL copies n rows out; the server makes them as they go, and faster
// than any tunnel. In FROM, generate_series would make them all first.
func downloadSQL(n int) string {
	return fmt.Sprintf("copy (select repeat(md5(g::text), 31) || repeat('x', 31) from (select generate_series(1, %d) g) s) to stdout", n)
}

const endless = 1 << 30 // rows

// meter counts the bytes written to it and tells when the first of them flow.
type meter struct {
	n     atomic.Int64
	flows chan struct{} // closed once a download counts as started
}

func newMeter() *meter { return &meter{flows: make(chan struct{})} }

func (m *meter) Write(p []byte) (int, error) {
	n := m.n.Add(int64(len(p)))
	if n >= flowing && n-int64(len(p)) < flowing {
		close(m.flows)
	}
	return len(p), nil
}

// bulk is a download that goes on until it is ended.
type bulk struct {
	*meter
	conn *pgconn.PgConn
	done chan error
}

// startBulk connects, and returns once bytes flow.
func startBulk(ctx context.Context, s *side) (*bulk, error) {
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	b := &bulk{newMeter(), c, make(chan error, 1)}
	go func() {
		_, err := c.CopyTo(ctx, b.meter, downloadSQL(endless))
		b.done <- err
	}()
	select {
	case <-b.flows:
		return b, nil
	case err := <-b.done:
		kit.HangUp(c)
		return nil, fmt.Errorf("the download ended at its start: %w", err)
	case <-ctx.Done():
		b.end()
		return nil, context.Cause(ctx)
	}
}

func (b *bulk) end() {
	kit.HangUp(b.conn)
	<-b.done
}

// upload times COPY FROM on one connection, to the server's last word.
func (b *bench) upload(s *side) error {
	size := b.plan.upload
	if s.name == plugin {
		size /= 16
	}
	c, err := s.connect(b.ctx)
	if err != nil {
		return err
	}
	defer kit.HangUp(c)
	if _, err := c.Exec(b.ctx, kit.CreateSinkSQL).ReadAll(); err != nil {
		return err
	}
	cpu, known := s.cpu()
	begun := time.Now()
	if _, err := c.CopyFrom(b.ctx, kit.NewSource(size), kit.UploadSQL); err != nil {
		return err
	}
	b.samples.Add(s.name, "upload", float64(size)/1e6/time.Since(begun).Seconds())
	b.addCPU(s, "cpu_up", cpu, known, int64(size))
	return nil
}

// startBulks starts n downloads and returns those that came up. They come at
// once, or one after the other, so that each finds the others at work; the
// plugin has one session whatever the order, and there that would only take time.
func (b *bench) startBulks(s *side, n int, atOnce bool) (all []*bulk, err error) {
	if atOnce || s.name == plugin {
		started := make([]*bulk, n)
		errs := make([]error, n)
		var starts sync.WaitGroup
		for i := range n {
			starts.Go(func() { started[i], errs[i] = startBulk(b.ctx, s) })
		}
		starts.Wait()
		all = slices.DeleteFunc(started, func(d *bulk) bool { return d == nil })
		return all, errors.Join(errs...)
	}
	for range n {
		d, err := startBulk(b.ctx, s)
		if err != nil {
			return all, err
		}
		all = append(all, d)
		if !kit.Pause(b.ctx, b.plan.stagger) {
			return all, context.Cause(b.ctx)
		}
	}
	return all, nil
}

// download times COPY TO on some connections at once, in a window in which all
// of them flow.
func download(connections int, atOnce bool) func(*bench, *side) error {
	return func(b *bench, s *side) error {
		all, err := b.startBulks(s, connections, atOnce)
		defer func() {
			var ends sync.WaitGroup
			for _, d := range all {
				ends.Go(d.end)
			}
			ends.Wait()
		}()
		if err != nil {
			return err
		}
		sum := func() (n int64) {
			for _, d := range all {
				n += d.n.Load()
			}
			return n
		}
		before := sum()
		cpu, known := s.cpu()
		begun := time.Now()
		if !kit.Pause(b.ctx, b.plan.window) {
			return context.Cause(b.ctx)
		}
		carried := sum() - before
		b.samples.Add(s.name, downloadKey(connections, atOnce), float64(carried)/1e6/time.Since(begun).Seconds())
		b.addCPU(s, "cpu_down", cpu, known, carried)
		for _, d := range all {
			select {
			case err := <-d.done:
				d.done <- err
				return fmt.Errorf("a download ended early: %w", err)
			default:
			}
		}
		return nil
	}
}

func downloadKey(connections int, atOnce bool) string {
	key := fmt.Sprintf("download%d", connections)
	if atOnce {
		key += "_at_once"
	}
	return key
}

// addCPU notes what the process has used since, and for how many bytes.
func (b *bench) addCPU(s *side, what string, since time.Duration, known bool, bytes int64) {
	if now, ok := s.cpu(); known && ok {
		b.samples.Add(s.name, what+"_seconds", (now - since).Seconds())
		b.samples.Add(s.name, what+"_gb", float64(bytes)/1e9)
	}
}
