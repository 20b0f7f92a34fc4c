package localca

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func newLeaves(t *testing.T) *Leaves {
	t.Helper()
	l, err := NewLeaves(filepath.Join(t.TempDir(), "pgkeyless"), now)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestCertificateFitsTheNameThatIsAskedFor(t *testing.T) {
	l := newLeaves(t)
	loopback := net.IPv4(127, 0, 0, 1)
	for _, tt := range []struct {
		serverName string
		local      net.IP
		names      string
		addresses  string
	}{
		{"", loopback, "localhost", "[127.0.0.1 ::1]"},
		{"localhost", net.IPv6loopback, "localhost", "[127.0.0.1 ::1]"},
		{"orders.localhost", loopback, "localhost orders.localhost", "[127.0.0.1 ::1]"},
		{"ORDERS.eu.Localhost.", loopback, "localhost orders.eu.localhost", "[127.0.0.1 ::1]"},
		{"my_db.localhost", loopback, "localhost my_db.localhost", "[127.0.0.1 ::1]"},
		{"", net.IPv4(127, 0, 0, 2), "localhost", "[127.0.0.1 ::1 127.0.0.2]"},
		{"", net.IPv4(192, 0, 2, 1), "localhost", "[127.0.0.1 ::1]"},
		{"", nil, "localhost", "[127.0.0.1 ::1]"}, // a pipe, in a test
		{"orders.example.com", loopback, "localhost", "[127.0.0.1 ::1]"},
		{"*.localhost", loopback, "localhost", "[127.0.0.1 ::1]"},
		{".localhost", loopback, "localhost", "[127.0.0.1 ::1]"},
		{strings.Repeat("a", 64) + ".localhost", loopback, "localhost", "[127.0.0.1 ::1]"},
		{strings.Repeat("a.", 130) + "localhost", loopback, "localhost", "[127.0.0.1 ::1]"},
	} {
		c, err := l.at(now, tt.serverName, tt.local)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(c.Leaf.DNSNames, " "); got != tt.names || fmt.Sprint(c.Leaf.IPAddresses) != tt.addresses {
			t.Errorf("%q at %v: a certificate for %s %v, want %s %s", tt.serverName, tt.local, got, c.Leaf.IPAddresses, tt.names, tt.addresses)
		}
		for _, name := range c.Leaf.DNSNames {
			if err := verify(l.authority, c.Leaf, name, now); err != nil {
				t.Errorf("%q at %v: %v", tt.serverName, tt.local, err)
			}
		}
	}
}

func TestCertificatesAreRenewedBeforeTheyExpire(t *testing.T) {
	l := newLeaves(t)
	first, err := l.at(now, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := l.at(now.Add(leafLife/2-time.Minute), "", nil); again != first {
		t.Error("renewed in the first half of its life")
	}
	for at := now; at.Before(now.Add(10 * 24 * time.Hour)); at = at.Add(7 * time.Hour) {
		c, err := l.at(at, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if left := c.Leaf.NotAfter.Sub(at); left < leafLife/2-time.Minute || left > leafLife {
			t.Errorf("at %v the certificate lives for %v more", at, left)
		}
		if err := verify(l.authority, c.Leaf, "localhost", at); err != nil {
			t.Errorf("at %v: %v", at, err)
		}
	}
}

// Somebody has removed the CA, and another pgkeyless has made a new one; or the
// directory cannot be read any more.
func TestRenewalFollowsTheCA(t *testing.T) {
	l := newLeaves(t)
	old := l.authority
	next, err := newAuthority(now, "ada@laptop")
	if err != nil {
		t.Fatal(err)
	}
	l.open = func(time.Time) (*Authority, error) { return next, nil }
	later := now.Add(leafLife)
	if c, err := l.at(later, "", nil); err != nil || verify(next, c.Leaf, "localhost", later) != nil {
		t.Errorf("after the CA was replaced: %v, %v", err, verify(next, c.Leaf, "localhost", later))
	}
	l.authority = old
	l.open = func(time.Time) (*Authority, error) { return nil, errors.New("gone") }
	later = later.Add(leafLife)
	if c, err := l.at(later, "", nil); err != nil || verify(old, c.Leaf, "localhost", later) != nil {
		t.Errorf("after the CA was lost: %v", err)
	}
}

func TestClientsCannotFillTheMemoryWithNames(t *testing.T) {
	l := newLeaves(t)
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			for j := range maxLeaves {
				if _, err := l.at(now, fmt.Sprintf("a%d-%d.localhost", i, j), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(l.made) > maxLeaves {
		t.Errorf("%d certificates kept, want %d at most", len(l.made), maxLeaves)
	}
	c, err := l.at(now, "a.localhost", nil)
	if err != nil || !slices.Contains(c.Leaf.DNSNames, "a.localhost") {
		t.Errorf("afterwards: %v", err)
	}
}
