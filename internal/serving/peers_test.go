package serving

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

func TestPeersAreLookedUpAnew(t *testing.T) {
	if peersOf(config.Run{}) != nil {
		t.Error("peers without a name")
	}
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		answer, failure := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::ffff:10.0.0.2")}, error(nil)
		p := &peers{host: "peers", port: 5433, turn: make(chan struct{}, 1), lookup: func(_ context.Context, network, host string) ([]netip.Addr, error) {
			asked++
			if host != "peers" || network != "ip" {
				t.Errorf("asked for %s of %s", network, host)
			}
			return answer, failure
		}}
		want := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:5433"), netip.MustParseAddrPort("10.0.0.2:5433")}
		for range 3 {
			if got, err := p.find(t.Context()); err != nil || !slices.Equal(got, want) {
				t.Errorf("found %v, %v; want %v", got, err, want)
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times, want once", asked)
		}
		time.Sleep(peersFor)
		answer = slices.Repeat(answer[:1], 100)
		if got, err := p.find(t.Context()); err != nil || len(got) != maxPeers || asked != 2 {
			t.Errorf("later found %d, %v, asked %d times", len(got), err, asked)
		}
		time.Sleep(peersFor)
		failure = errors.New("no DNS")
		if _, err := p.find(t.Context()); !errors.Is(err, failure) {
			t.Errorf("got %v", err)
		}
	})
}

// A client that leaves while DNS is slow ends its own wait alone, and fails nobody else's.
func TestPeersAreAwaitedOnlyAsLongAsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan struct{})
		p := &peers{host: "peers", turn: make(chan struct{}, 1), lookup: func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			select {
			case <-answers:
				return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}
		first, leave := context.WithCancel(t.Context())
		left := make(chan error, 2)
		go func() { _, err := p.find(first); left <- err }()
		synctest.Wait()
		second, leaveToo := context.WithCancel(t.Context())
		go func() { _, err := p.find(second); left <- err }()
		synctest.Wait()
		leaveToo()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who waited for its turn got %v", err)
		}
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who had asked DNS got %v", err)
		}
		close(answers)
		if found, err := p.find(t.Context()); err != nil || len(found) != 1 {
			t.Errorf("the next found %v, %v", found, err)
		}
	})
}
