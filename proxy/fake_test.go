package proxy

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
)

// host is the name that the fake database's certificate is for.
const host = "orders.abc.eu-west-1.rds.amazonaws.com"

// secretToken is what fakeTokens hands out; it must never be seen elsewhere.
const secretToken = "orders:5432/?Action=connect&X-Amz-Signature=5ec4e7"

// startupPacket and message are this file's own codec, so that a mistake in the
// package's cannot hide.
func startupPacket(version uint32, params ...string) []byte {
	body := binary.BigEndian.AppendUint32(nil, version)
	for _, p := range params {
		body = append(append(body, p...), 0)
	}
	body = append(body, 0)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

func codePacket(code uint32, body ...byte) []byte {
	p := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return append(binary.BigEndian.AppendUint32(p, code), body...)
}

func message(kind byte, body ...byte) []byte {
	p := binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(body)))
	return append(p, body...)
}

func authRequest(code uint32, more ...byte) []byte {
	return message('R', append(binary.BigEndian.AppendUint32(nil, code), more...)...)
}

func keyData(pid uint32, secret []byte) []byte {
	return message('K', append(binary.BigEndian.AppendUint32(nil, pid), secret...)...)
}

func errorPacket(fields ...string) []byte {
	var body []byte
	for _, f := range fields {
		body = append(append(body, f...), 0)
	}
	return message('E', append(body, 0)...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

var (
	sslRequest    = codePacket(80877103)
	gssRequest    = codePacket(80877104)
	plainStartup  = startupPacket(3<<16, "user", "app_user", "database", "app")
	readyForQuery = message('Z', 'I')
	terminate     = message('X')
)

// maxFake bounds what a packet of a test may announce. A stream that is read from the wrong
// place announces gigabytes, which a test would take, and write into its failure.
const maxFake = 8 << 20

// readMessage reads one message, head included.
func readMessage(r io.Reader) ([]byte, error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	return readBody(r, head, binary.BigEndian.Uint32(head[1:]))
}

// readBody reads what head announces, and returns both.
func readBody(r io.Reader, head []byte, length uint32) ([]byte, error) {
	if length < 4 || length > maxFake {
		return head, fmt.Errorf("%q is no head of a packet", head)
	}
	body := make([]byte, length-4)
	_, err := io.ReadFull(r, body)
	return append(head, body...), err
}

// readStartupPacket reads one packet without a type byte.
func readStartupPacket(r io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	return readBody(r, head, binary.BigEndian.Uint32(head))
}

// authority signs certificates for a fake database.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

// serverConfig is for a database whose certificate is for name and ends after life.
func (a *authority) serverConfig(t testing.TB, name string, life time.Duration) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(life),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		Certificates:           []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		SessionTicketsDisabled: true,
	}
}

// clientConfig trusts a, for host.
func (a *authority) clientConfig() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}
}

// database is a fake behind a Dialer: each dial is a conn of its own, which
// answers SSLRequest and then runs session.
type database struct {
	t       testing.TB
	tls     *tls.Config
	direct  bool // TLS is what it wants first
	session func(c *databaseConn)
	wg      sync.WaitGroup

	mu        sync.Mutex
	addresses []string // dialled
}

type databaseConn struct {
	*tls.Conn
	t      testing.TB
	config *tls.Config
}

func (d *database) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.addresses = append(d.addresses, address)
	d.mu.Unlock()
	near, far := net.Pipe()
	d.wg.Go(func() { d.serve(newEager(far)) })
	return near, nil
}

func (d *database) serve(c net.Conn) {
	defer c.Close()
	if !d.direct {
		request, err := readStartupPacket(c)
		if err != nil || !bytes.Equal(request, sslRequest) {
			d.t.Errorf("database got %x (%v), want an SSLRequest first", request, err)
			return
		}
		c.Write([]byte{'S'})
	}
	secure := tls.Server(c, d.tls)
	if err := secure.Handshake(); err != nil {
		return // what the proxy made of it is what tests look at
	}
	d.session(&databaseConn{secure, d.t, d.tls})
	secure.Close()
}

// expect reads one message and compares it.
func (c *databaseConn) expect(want []byte) {
	c.t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		c.t.Errorf("database got %q (%v), want %q", got, err, want)
	}
}

func (c *databaseConn) send(parts ...[]byte) {
	c.t.Helper()
	if _, err := c.Write(join(parts...)); err != nil {
		c.t.Errorf("database cannot send: %v", err)
	}
}

// startup reads the StartupMessage.
func (c *databaseConn) startup() []byte {
	c.t.Helper()
	p, err := readStartupPacket(c)
	if err != nil {
		c.t.Errorf("database got no StartupMessage: %v", err)
	}
	return p
}

// logIn is the database's side of a login that works, with pid 7 and a 4-byte
// secret.
func (c *databaseConn) logIn() {
	c.t.Helper()
	c.startup()
	c.send(authRequest(3))
	c.expect(message('p', append([]byte(secretToken), 0)...))
	c.send(authRequest(0), keyData(7, []byte("key7")), readyForQuery)
}

// untilTerminate reads messages until the client's Terminate, or its end.
func (c *databaseConn) untilTerminate() {
	for {
		m, err := readMessage(c)
		if err != nil || m[0] == 'X' {
			return
		}
	}
}

// eager is the end of a net.Pipe that takes what the other end writes at once,
// as a socket's buffer does: without it, an alert and a handshake message that
// cross would wait for each other forever.
type eager struct {
	net.Conn
	mu     sync.Mutex
	came   sync.Cond
	buf    bytes.Buffer
	err    error
	reader sync.WaitGroup
}

func newEager(c net.Conn) *eager {
	e := &eager{Conn: c}
	e.came.L = &e.mu
	e.reader.Go(func() {
		p := make([]byte, 32<<10)
		for {
			n, err := c.Read(p)
			e.mu.Lock()
			e.buf.Write(p[:n])
			e.err = err
			e.mu.Unlock()
			e.came.Broadcast()
			if err != nil {
				return
			}
		}
	})
	return e
}

func (e *eager) Read(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.buf.Len() == 0 && e.err == nil {
		e.came.Wait()
	}
	if e.buf.Len() > 0 {
		return e.buf.Read(p)
	}
	return 0, e.err
}

func (e *eager) Close() error {
	defer e.reader.Wait()
	return e.Conn.Close()
}

// fakeTokens hands out one token, or an error.
type fakeTokens struct {
	token string
	err   error
	mu    sync.Mutex
	users []string
}

func (f *fakeTokens) Token(ctx context.Context, user string) (Password, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users = append(f.users, user)
	return NewPassword(f.token), f.err
}

// pipeListener is a net.Listener whose clients come by dial.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

func (l *pipeListener) dial() (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, errors.New("listener closed")
	}
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// rig is a Server with one Route to a fake database, for use inside a bubble.
type rig struct {
	t        testing.TB
	server   *Server
	listener *pipeListener
	db       *database
	tokens   *fakeTokens
	log      *syncBuffer
	served   chan error
	cut      context.CancelFunc
}

// newRig starts a Server; change may alter its Config. stop must be called.
func newRig(t testing.TB, session func(*databaseConn), change func(*Config)) *rig {
	t.Helper()
	ca := newAuthority(t, "test CA")
	r := &rig{
		t:        t,
		listener: newPipeListener(),
		db:       &database{t: t, tls: ca.serverConfig(t, host, time.Hour), session: session},
		tokens:   &fakeTokens{token: secretToken},
		log:      new(syncBuffer),
		served:   make(chan error, 1),
	}
	cfg := Config{
		Routes: []Route{{
			Name:    host,
			Listen:  []net.Listener{r.listener},
			Address: host + ":5432",
			Dialer:  r.db,
			Tokens:  r.tokens,
			TLS:     ca.clientConfig,
		}},
		Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&cfg)
	}
	server, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.server = server
	ctx, cut := context.WithCancel(context.Background())
	r.cut = cut
	go func() { r.served <- server.Serve(ctx) }()
	return r
}

// stop ends the Server at once and waits for everything.
func (r *rig) stop() {
	r.t.Helper()
	r.cut()
	if err := <-r.served; err != nil && !errors.Is(err, context.Canceled) {
		r.t.Errorf("Serve: %v", err)
	}
	r.db.wg.Wait()
	if bytes.Contains(r.log.bytes(), []byte(secretToken)) {
		r.t.Errorf("token in the log: %s", r.log.bytes())
	}
}

// dial connects a client.
func (r *rig) dial() *client {
	r.t.Helper()
	c, err := r.listener.dial()
	if err != nil {
		r.t.Fatal(err)
	}
	return &client{c, r.t}
}

// client is a fake client.
type client struct {
	net.Conn
	t testing.TB
}

func (c *client) send(parts ...[]byte) {
	c.t.Helper()
	if _, err := c.Write(join(parts...)); err != nil {
		c.t.Errorf("client cannot send: %v", err)
	}
}

func (c *client) expect(want []byte) {
	c.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		c.t.Errorf("client got %q (%v), want %q", got[:n], err, want)
	}
}

// expectEnd wants the connection closed with nothing more said.
func (c *client) expectEnd() {
	c.t.Helper()
	if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
		c.t.Errorf("client got %q (%v), want the end", rest, err)
	}
}

// secure puts TLS on the client's conn, as clients with sslmode=require do:
// they verify nothing, so the test hands them the proxy's own certificate.
func (c *client) secure(server *Server, protocols ...string) *client {
	c.t.Helper()
	conn := tls.Client(c.Conn, trusting(server, protocols...))
	if err := conn.Handshake(); err != nil {
		c.t.Fatalf("TLS with the proxy: %v", err)
	}
	return &client{conn, c.t}
}

func trusting(server *Server, protocols ...string) *tls.Config {
	cert, err := x509.ParseCertificate(server.tls.Certificates[0].Certificate[0])
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: protocols}
}

// failed reads an ErrorResponse and the end, and returns the fields.
func (c *client) failed() map[byte]string {
	c.t.Helper()
	m, err := readMessage(c)
	if err != nil || m[0] != 'E' {
		c.t.Errorf("client got %q (%v), want an ErrorResponse", m, err)
		return nil
	}
	c.expectEnd()
	return fieldsOf(c.t, m)
}

// fieldsOf takes an ErrorResponse apart, strictly.
func fieldsOf(t testing.TB, m []byte) map[byte]string {
	t.Helper()
	fields := make(map[byte]string)
	body := m[5:]
	for len(body) > 0 && body[0] != 0 {
		end := bytes.IndexByte(body[1:], 0)
		if end < 0 {
			t.Fatalf("unterminated field in %q", m)
		}
		if _, twice := fields[body[0]]; twice {
			t.Errorf("field %q twice in %q", body[0], m)
		}
		fields[body[0]] = string(body[1 : 1+end])
		body = body[2+end:]
	}
	if !bytes.Equal(body, []byte{0}) {
		t.Fatalf("ErrorResponse %q ends with %q, want one NUL", m, body)
	}
	return fields
}

// syncBuffer is a bytes.Buffer for concurrent use.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}

// hasLine reports whether a log line has all parts.
func (b *syncBuffer) hasLine(parts ...string) bool {
	for line := range bytes.Lines(b.bytes()) {
		all := true
		for _, p := range parts {
			all = all && bytes.Contains(line, []byte(p))
		}
		if all {
			return true
		}
	}
	return false
}

// statedError has what people are told, as the errors of other packages do.
type statedError struct{ text, state, detail, hint string }

func (e *statedError) Error() string    { return e.text }
func (e *statedError) SQLState() string { return e.state }
func (e *statedError) Detail() string   { return e.detail }
func (e *statedError) Hint() string     { return e.hint }

// dialFunc is a Dialer.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func (f dialFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}
