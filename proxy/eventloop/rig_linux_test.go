package eventloop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"testing"
	"time"
)

// socketPair returns the two ends of a TCP connection.
func socketPair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{c, s} {
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(time.Minute)) // a test that hangs says where
	}
	s.SetDeadline(time.Time{})
	return s.(*net.TCPConn), c.(*net.TCPConn)
}

// certificate is for no name in particular.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// secured does the handshake between near and far. keys, if any, gets a key log.
func secured(t *testing.T, near, far net.Conn, keys io.Writer) (*tls.Conn, *tls.Conn) {
	t.Helper()
	inner := tls.Client(near, &tls.Config{InsecureSkipVerify: true, KeyLogWriter: keys})
	outer := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{certificate(t)}, SessionTicketsDisabled: true})
	failed := make(chan error, 1)
	go func() { failed <- outer.Handshake() }()
	if err := inner.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	return inner, outer
}

// rig is one relayed pair: the near conns are relayed, the far ones belong to the
// test.
type rig struct {
	t                        *testing.T
	group                    *Group
	nearClient, nearDatabase net.Conn
	client, database         net.Conn
	farClient, farDatabase   *net.TCPConn // beneath them
	early                    []byte
	seen                     func([]byte)
	cancel                   context.CancelFunc
	result                   chan Result
}

// newRig makes a pair, secure or not on either side.
func newRig(t *testing.T, group *Group, clientTLS, databaseTLS bool) *rig {
	t.Helper()
	r := &rig{t: t, group: group, result: make(chan Result, 1)}
	var near *net.TCPConn
	near, r.farClient = socketPair(t)
	r.nearClient, r.client = Wrap(near), r.farClient
	near, r.farDatabase = socketPair(t)
	r.nearDatabase, r.database = Wrap(near), r.farDatabase
	if clientTLS {
		r.nearClient, r.client = secured(t, Records(r.nearClient), r.farClient, nil)
	}
	if databaseTLS {
		r.nearDatabase, r.database = secured(t, Records(r.nearDatabase), r.farDatabase, nil)
	}
	return r
}

// start begins to relay.
func (r *rig) start() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel = cancel
	r.relay(ctx)
	r.t.Cleanup(cancel)
}

// relay begins to relay until ctx ends.
func (r *rig) relay(ctx context.Context) {
	r.t.Helper()
	if !r.group.Relay(ctx, r.nearClient, r.nearDatabase, r.early, r.seen, nil, func(ended Result) { r.result <- ended }) {
		r.t.Fatal("cannot relay two sockets")
	}
}

// newGroup returns a group that is closed, and seen to end, after the test.
func newGroup(t *testing.T) *Group {
	g := new(Group)
	t.Cleanup(g.Close)
	return g
}

func randomBytes(seed byte, n int) []byte {
	p := make([]byte, n)
	mathrand.NewChaCha8([32]byte{seed}).Read(p)
	return p
}
