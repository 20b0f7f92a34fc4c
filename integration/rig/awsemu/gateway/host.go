package gateway

import (
	"context"
	"sync"
	"time"
)

// host is the processor of one jump host, which the workers of its sessions share:
// the start of each, and every message that it takes or sends, costs time of it.
type host struct {
	mu      sync.Mutex
	workers int              // that have begun to start
	left    []*time.Duration // what each start under way still needs
	looked  time.Time        // when left was right
	change  chan struct{}    // closed when a start begins or ends
	free    time.Time        // when the processor has done all messages so far
}

func newHost() *host { return &host{change: make(chan struct{})} }

// start waits until a worker has started that would need the time work(n) if it
// started alone, as number n of the host; several share the processor. False: ctx
// ended first.
func (h *host) start(ctx context.Context, work func(n int) time.Duration) bool {
	h.mu.Lock()
	h.workers++
	left := max(work(h.workers), 0)
	h.enter(&left)
	defer func() { h.leave(&left); h.mu.Unlock() }()
	for left > 0 {
		rest, change := left*time.Duration(len(h.left)), h.change
		h.mu.Unlock()
		timer := time.NewTimer(rest)
		select {
		case <-timer.C:
		case <-change:
		case <-ctx.Done():
		}
		timer.Stop()
		h.mu.Lock()
		if ctx.Err() != nil {
			return false
		}
		h.advance()
	}
	return ctx.Err() == nil
}

// enter and leave change the number of starts under way; h.mu is held.
func (h *host) enter(left *time.Duration) {
	h.advance()
	h.left = append(h.left, left)
	h.changed()
}

func (h *host) leave(left *time.Duration) {
	h.advance()
	for i := range h.left {
		if h.left[i] == left {
			h.left = append(h.left[:i], h.left[i+1:]...)
			break
		}
	}
	h.changed()
}

func (h *host) changed() {
	close(h.change)
	h.change = make(chan struct{})
}

// advance shares out the time that has passed; h.mu is held.
func (h *host) advance() {
	now := time.Now()
	if n := len(h.left); n > 0 {
		share := now.Sub(h.looked) / time.Duration(n)
		for _, left := range h.left {
			*left -= share
		}
	}
	h.looked = now
}

// spend takes the processor for one message, after those before it.
func (h *host) spend(cost time.Duration) {
	if cost <= 0 {
		return
	}
	now := time.Now()
	h.mu.Lock()
	if h.free.Before(now) {
		h.free = now
	}
	h.free = h.free.Add(cost)
	wait := h.free.Sub(now)
	h.mu.Unlock()
	kernelSleep(wait)
}

// host is the one of that name, from StartSession's target.
func (g *Gateway) host(target string) *host {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.jumpHosts[target]
	if h == nil {
		h = newHost()
		g.jumpHosts[target] = h
	}
	return h
}
