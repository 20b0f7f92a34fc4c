package proxy

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// stuckListener accepts nobody.
type stuckListener struct {
	net.Listener
	closed chan struct{}
	once   sync.Once
}

func (l *stuckListener) Accept() (net.Conn, error) {
	<-l.closed
	return nil, net.ErrClosed
}

func (l *stuckListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

func listenOn(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAliveCountsNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	r := newRig(t, nil, func(cfg *Config) {
		cfg.Routes[0].Listen = []net.Listener{listenOn(t, "tcp4", "127.0.0.1:0"), listenOn(t, "tcp", "[::]:0"), listenOn(t, "unix", path)}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for errors.Is(r.server.Alive(ctx), ErrNotServing) { // Serve has not begun
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			for range 20 {
				if err := r.server.Alive(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	if got := r.server.Snapshot(); got.Accepted != 0 || got.Open != 0 || len(got.Unstarted) != 0 {
		t.Errorf("probes are counted: %+v", got)
	}
	r.stop()
	if len(r.log.bytes()) != 0 {
		t.Errorf("probes are logged: %s", r.log.bytes())
	}
	if err := r.server.Alive(ctx); !errors.Is(err, ErrNotServing) {
		t.Errorf("after the end: %v", err)
	}
}

func TestAliveNamesTheListenerThatIsStuck(t *testing.T) {
	stuck := &stuckListener{Listener: listenOn(t, "tcp", "127.0.0.1:0"), closed: make(chan struct{})}
	r := newRig(t, nil, func(cfg *Config) { cfg.Routes[0].Listen = []net.Listener{stuck} })
	late := errors.New("no answer in time")
	alive := func(limit time.Duration) error {
		ctx, cancel := context.WithTimeoutCause(t.Context(), limit, late)
		defer cancel()
		return r.server.Alive(ctx)
	}
	limit := 100 * time.Millisecond
	err := alive(limit)
	for errors.Is(err, ErrNotServing) { // Serve has not begun
		err = alive(limit)
	}
	for err != nil && !errors.Is(err, late) && limit < time.Minute { // a busy machine was not connected in time
		limit *= 2
		err = alive(limit)
	}
	if err == nil || !strings.Contains(err.Error(), stuck.Addr().String()) || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("got %v, want the address and what was waited for", err)
	}
	r.stop()
}
