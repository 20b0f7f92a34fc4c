package kit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

const openers = 8 // connections opened at once

// ClientConfig is for a client that means the lab's database and dials address.
// tls is a piece of a connection string.
func ClientConfig(address, tls string) (*pgconn.Config, error) {
	config, err := pgconn.ParseConfig(fmt.Sprintf("host=%s user=%s dbname=%s connect_timeout=0 %s", lab.Host, pgserver.AppUser, pgserver.Database, tls))
	if err != nil {
		return nil, err
	}
	config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
	config.DialFunc = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	return config, nil
}

// Token is a password for the lab's database, good for 15 minutes, made by the
// pgkeyless at binary with env and home.
func Token(ctx context.Context, binary, home string, env []string) (string, error) {
	cmd := exec.CommandContext(ctx, binary, "token", lab.Host+"?user="+pgserver.AppUser)
	cmd.Env = append(env, "PATH="+os.Getenv("PATH"), "HOME="+home)
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("making a token: %w", err)
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}

// OpenMany opens n connections, some at once, and returns those that came up.
func OpenMany(ctx context.Context, config *pgconn.Config, n int) ([]*pgconn.PgConn, error) {
	var (
		mu   sync.Mutex
		all  []*pgconn.PgConn
		errs []error
		work sync.WaitGroup
	)
	turns := make(chan struct{}, n)
	for range n {
		turns <- struct{}{}
	}
	close(turns)
	for range min(openers, n) {
		work.Go(func() {
			for range turns {
				c, err := pgconn.ConnectConfig(ctx, config)
				mu.Lock()
				if err == nil {
					all = append(all, c)
				} else {
					errs = append(errs, err)
				}
				failed := len(errs) > 0
				mu.Unlock()
				if failed {
					return
				}
			}
		})
	}
	work.Wait()
	return all, errors.Join(errs...)
}

// Idle opens ever more connections, up to each of counts in turn, and calls
// measure when none has said anything for settle. At the end all of them must
// answer.
func Idle(ctx context.Context, config *pgconn.Config, counts []int, settle time.Duration, measure func(count int)) error {
	var all []*pgconn.PgConn
	defer func() {
		for _, c := range all {
			HangUp(c)
		}
	}()
	for _, n := range counts {
		more, err := OpenMany(ctx, config, n-len(all))
		all = append(all, more...)
		if err != nil {
			return fmt.Errorf("%d connections are open: %w", len(all), err)
		}
		if !Pause(ctx, settle) {
			return context.Cause(ctx)
		}
		measure(n)
	}
	for i, c := range all {
		if _, err := c.Exec(ctx, "select 1").ReadAll(); err != nil {
			return fmt.Errorf("connection %d of %d does not answer: %w", i+1, len(all), err)
		}
	}
	return nil
}

// ConnectTimes connects times times, one after the other, and calls took with how long each
// took to ReadyForQuery, but for the first skip of them. Each is closed at once; between two
// it waits for pause.
func ConnectTimes(ctx context.Context, connect func(context.Context) (*pgconn.PgConn, error), skip, times int, pause time.Duration, took func(time.Duration)) error {
	for i := range skip + times {
		begun := time.Now()
		c, err := connect(ctx)
		if err != nil {
			return err
		}
		ready := time.Since(begun)
		if err := c.Close(ctx); err != nil {
			return err
		}
		if i >= skip {
			took(ready)
		}
		if !Pause(ctx, pause) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// HangUp closes without a word, which ends whatever runs.
func HangUp(c *pgconn.PgConn) { _ = c.Conn().Close() }

// Stop ends p as a Ctrl-C does, and by force when ctx ends first.
func Stop(ctx context.Context, p *lab.Proxy) error {
	err := p.Signal(os.Interrupt)
	if err == nil {
		_, err = p.Wait(ctx)
	}
	if err != nil {
		p.Kill()
	}
	return err
}

// Pause waits; false when ctx ends first.
func Pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// Milliseconds is d as a number for people.
func Milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }
