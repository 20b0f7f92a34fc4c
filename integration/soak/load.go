package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// hangLimit is more than any fault lasts, with its aftermath.
const hangLimit = 2 * time.Minute

// load is what clients do.
type load struct {
	address string
	log     *summary
}

// work does one thing after the other until soaking ends; what it has begun it
// brings to its end, unless ctx ends.
func (l load) work(ctx, soaking context.Context, r *rand.Rand) {
	for soaking.Err() == nil {
		kind, task := l.choose(r)
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, hangLimit)
		bytes, err := task(limited)
		hung := limited.Err() != nil && ctx.Err() == nil
		cancel()
		if ctx.Err() != nil {
			return
		}
		l.log.done(kind, began, bytes, err, hung)
		pause(soaking, time.Duration(r.IntN(200))*time.Millisecond)
	}
}

// choose draws a task with all its random choices.
func (l load) choose(r *rand.Rand) (kind string, task func(context.Context) (int, error)) {
	seed := r.Uint64()
	size := 1 << (10 + r.IntN(10)) // 1 KiB to 512 KiB
	size += r.IntN(size)
	switch n := r.IntN(10); {
	case n < 5:
		return "transfer", func(ctx context.Context) (int, error) { return l.transfer(ctx, seed, size) }
	case n < 8:
		times := 1 + r.IntN(50)
		return "queries", func(ctx context.Context) (int, error) { return l.queries(ctx, seed, times, 0) }
	case n < 9:
		idle := time.Duration(r.IntN(3000)) * time.Millisecond
		return "idle", func(ctx context.Context) (int, error) { return l.queries(ctx, seed, 2, idle) }
	default:
		after := time.Duration(r.IntN(500)) * time.Millisecond
		return "abandoned", func(ctx context.Context) (int, error) { return l.abandon(ctx, seed, 8<<20, after) }
	}
}

// warmUp logs in all clients at once.
func (l load) warmUp(ctx context.Context, clients int) error {
	errs := make([]error, clients)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, errs[i] = l.queries(ctx, uint64(i), 3, 0) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (l load) connect(ctx context.Context) (*pgx.Conn, error) {
	host, port, err := net.SplitHostPort(l.address)
	if err != nil {
		return nil, err
	}
	return pgx.Connect(ctx, fmt.Sprintf("host=%s port=%s user=%s dbname=%s sslmode=disable", host, port, pgserver.AppUser, pgserver.Database))
}

// corruption is a wrong byte.
type corruption string

func (c corruption) Error() string { return string(c) }

// transfer copies size bytes up and back down, and compares.
func (l load) transfer(ctx context.Context, seed uint64, size int) (int, error) {
	conn, err := l.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(ctx, "create temp table soak(id bigserial, line text)"); err != nil {
		return 0, err
	}
	lines := randomLines(seed, size)
	if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(lines), "copy soak(line) from stdin"); err != nil {
		return 0, fmt.Errorf("up: %w", err)
	}
	var back bytes.Buffer
	if _, err := conn.PgConn().CopyTo(ctx, &back, "copy (select line from soak order by id) to stdout"); err != nil {
		return len(lines), fmt.Errorf("down: %w", err)
	}
	if up, down := sha256.Sum256(lines), sha256.Sum256(back.Bytes()); up != down {
		return 0, corruption(fmt.Sprintf("%d bytes up with SHA-256 %x, %d down with %x", len(lines), up, back.Len(), down))
	}
	return 2 * len(lines), nil
}

// queries asks for what nobody else asks for, after waiting idle before each.
func (l load) queries(ctx context.Context, seed uint64, times int, idle time.Duration) (total int, err error) {
	conn, err := l.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.Background())
	for i := range times {
		pause(ctx, idle)
		text := fmt.Sprintf("%016x/%d ", seed, i)
		repeat := 1 + int(seed>>32+uint64(i))%300
		var got string
		if err := conn.QueryRow(ctx, "select repeat($1::text, $2)", text, repeat).Scan(&got); err != nil {
			return total, err
		}
		if got != strings.Repeat(text, repeat) {
			return total, corruption(fmt.Sprintf("asked for %d times %q, got %d bytes that differ", repeat, text, len(got)))
		}
		total += len(got)
	}
	return total, nil
}

// abandon begins a big upload and lets go of it in the midst.
func (l load) abandon(ctx context.Context, seed uint64, size int, after time.Duration) (int, error) {
	conn, err := l.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(ctx, "create temp table soak(line text)"); err != nil {
		return 0, err
	}
	leaving, leave := context.WithTimeout(ctx, after)
	defer leave()
	_, err = conn.PgConn().CopyFrom(leaving, io.LimitReader(endless{rand.NewChaCha8([32]byte{byte(seed)})}, int64(size)), "copy soak from stdin")
	if err != nil && leaving.Err() == nil {
		return 0, fmt.Errorf("up: %w", err)
	}
	return 0, nil
}

// endless is random COPY text, a byte and a line feed in turn.
type endless struct{ r *rand.ChaCha8 }

func (e endless) Read(p []byte) (int, error) {
	_, _ = e.r.Read(p)
	for i := range p {
		p[i] = 'a' + p[i]%26
	}
	if len(p) > 100 {
		p[len(p)-1] = '\n'
	}
	return len(p), nil
}

// randomLines are lines of hexadecimal digits, size bytes or a little more.
func randomLines(seed uint64, size int) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	source := rand.NewChaCha8(key)
	lines := make([]byte, 0, size+1024)
	raw := make([]byte, 250)
	for len(lines) < size {
		_, _ = source.Read(raw)
		lines = append(hex.AppendEncode(lines, raw), '\n')
	}
	return lines
}
