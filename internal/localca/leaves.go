package localca

import (
	"crypto"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxLeaves bounds the certificates that are kept, as clients choose the names. One
// more makes room by dropping all: making them anew takes a fraction of a handshake.
const maxLeaves = 200

// Leaves makes the certificates of listeners, and makes each anew before it
// expires. It is safe for concurrent use.
type Leaves struct {
	open func(now time.Time) (*Authority, error)
	key  crypto.Signer

	mu        sync.Mutex
	authority *Authority
	made      map[string]*tls.Certificate // by what they are for
}

// NewLeaves opens the CA in dir, which it makes if need be.
func NewLeaves(dir string, now time.Time) (*Leaves, error) {
	open := func(now time.Time) (*Authority, error) { return Open(dir, now) }
	authority, err := open(now)
	if err != nil {
		return nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	return &Leaves{open: open, key: key, authority: authority, made: map[string]*tls.Certificate{}}, nil
}

// Certificate is for tls.Config.GetCertificate.
func (l *Leaves) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	var local net.IP
	if a, ok := hello.Conn.LocalAddr().(*net.TCPAddr); ok {
		local = a.IP
	}
	return l.at(time.Now(), hello.ServerName, local)
}

// at is the certificate to show at now to a client that asks for serverName, or for
// none, at the address local.
func (l *Leaves) at(now time.Time, serverName string, local net.IP) (*tls.Certificate, error) {
	names := []string{permittedName}
	if name := strings.ToLower(strings.TrimSuffix(serverName, ".")); beneath(name) {
		names = append(names, name)
	}
	addresses := []net.IP{net.IPv4(127, 0, 0, 1).To4(), net.IPv6loopback}
	if four := local.To4(); four != nil && four.IsLoopback() && !four.Equal(addresses[0]) {
		addresses = append(addresses, four) // 127.0.0.2, say
	}
	what := strings.Join(names, " ") + " " + local.String()

	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.made[what]; c != nil && fresh(c, now) {
		return c, nil
	}
	// The CA may have been replaced since. If it cannot be read now, the old one does.
	if a, err := l.open(now); err == nil && !slices.Equal(a.Certificate.Raw, l.authority.Certificate.Raw) {
		l.authority = a
		clear(l.made)
	}
	c, err := l.authority.leaf(now, l.key, names, addresses)
	if err != nil {
		return nil, err
	}
	if len(l.made) >= maxLeaves {
		clear(l.made)
	}
	l.made[what] = c
	return c, nil
}

// fresh reports whether c is in the first half of its life.
func fresh(c *tls.Certificate, now time.Time) bool {
	return !now.Before(c.Leaf.NotBefore) && now.Add(leafLife/2).Before(c.Leaf.NotAfter)
}

// beneath reports whether name is a host name beneath localhost that a certificate
// may have.
func beneath(name string) bool {
	labels, ok := strings.CutSuffix(name, "."+permittedName)
	if !ok || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(labels, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
