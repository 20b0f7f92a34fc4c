package tunnel

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/awserror"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
)

const (
	// listedFor is how long a list of jump hosts serves: sessions that start
	// together ask once, and a host that is new is soon found.
	listedFor = 15 * time.Second

	// avoidFor is how long a jump host that refused a session comes last: an agent
	// that restarts is back sooner.
	avoidFor = 2 * time.Minute

	// maxHosts bounds the jump hosts tried in one start.
	maxHosts = 5
)

// hosts chooses jump hosts for the starts of sessions: in turn, those that
// refused one last.
type hosts struct {
	list func(context.Context) ([]string, error) // nil: only is all there is
	only string

	mu      sync.Mutex
	known   []string
	asked   time.Time            // when known was listed
	turn    int                  // that begins the next choice
	refused map[string]time.Time // when it did last
}

// choose returns the jump hosts for one start in the order to try them: one at
// least, unless there is an error. When no list can be had, the last one serves.
func (h *hosts) choose(ctx context.Context) ([]string, error) {
	if h.list == nil {
		return []string{h.only}, nil
	}
	h.mu.Lock()
	stale := len(h.known) == 0 || time.Since(h.asked) >= listedFor
	h.mu.Unlock()
	var fresh []string
	var err error
	if stale {
		fresh, err = h.list(ctx)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case len(fresh) > 0:
		h.known, h.asked = fresh, time.Now()
	case len(h.known) == 0 && err == nil:
		return nil, errors.New("there is none")
	case len(h.known) == 0:
		return nil, err
	}
	return h.order(time.Now()), nil
}

// order is known from the next turn on, those that are avoided last, the longest
// ago first. h.mu is held.
func (h *hosts) order(now time.Time) []string {
	n := h.turn % len(h.known)
	h.turn++
	turned := slices.Concat(h.known[n:], h.known[:n])
	since := func(host string) time.Time {
		if at := h.refused[host]; now.Sub(at) < avoidFor {
			return at
		}
		return time.Time{}
	}
	slices.SortStableFunc(turned, func(a, b string) int { return since(a).Compare(since(b)) })
	return turned[:min(len(turned), maxHosts)]
}

// outcome notes how a start on host went, and says whether another host may do
// better. After a refusal the list is made anew.
func (h *hosts) outcome(host string, err error) (elsewhere bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		delete(h.refused, host)
		return false
	}
	if h.list == nil || !hostsOwn(err) {
		return false
	}
	if h.refused == nil {
		h.refused = map[string]time.Time{}
	}
	h.refused[host] = time.Now()
	h.asked = time.Time{}
	return true
}

// hostsOwn says whether a failed start is the jump host's own fault and not that
// of the account, the credentials or the network here. A permission may be for
// some hosts only.
func hostsOwn(err error) bool {
	if ofCredentials(err) {
		return false
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		switch api.ErrorCode() {
		case "TargetNotConnected", "InvalidTarget", "AccessDeniedException", "AccessDenied":
			return true
		}
		return false
	}
	if _, closed := errors.AsType[*datachannel.ChannelClosedError](err); closed {
		return true
	}
	_, handshake := errors.AsType[*datachannel.HandshakeError](err)
	return handshake || errors.Is(err, datachannel.ErrHandshakeTimeout) || errors.Is(err, datachannel.ErrPeerSilent)
}

// noHost words the failure to find any jump host.
func (p place) noHost(err error) *causes.Error {
	const op = "choosing a jump host"
	facts := p.facts().With(causes.Facts{"request": display.Line(awserror.RequestID(err))})
	if worded, ok := p.inOwnWords(op, causes.Unreachable, facts, err); ok {
		return worded
	}
	return p.networkError(op, "AWS", "", err)
}
