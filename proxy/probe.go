package proxy

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// ProbeStage is a part of a connection as Probe reports it.
type ProbeStage int

// The stages, in their order.
const (
	ProbeDial   ProbeStage = iota // the Dialer has given a conn
	ProbeAnswer                   // the first byte has come over it
	ProbeTLS                      // the certificate is verified
	ProbeLogin                    // ReadyForQuery has come
)

// ProbeStep is the end of a stage. One with an Err is the last.
type ProbeStep struct {
	Stage ProbeStage
	Took  time.Duration // since the stage before
	Err   error         // with SQLState, Detail and Hint, as a client would be told

	TLS *tls.ConnectionState // of ProbeTLS, without an Err
}

// probeName is the application_name of a Probe.
const probeName = "pgkeyless doctor"

// Probe logs in as user to database as the proxy does for a client: dial, TLS, login.
// It calls report for each stage as it ends, on one goroutine at a time, and returns
// the connection, which the caller must Close. r needs no listener; its User and
// Database apply.
//
// It ends with ctx, and with the overdue error of a client after limit; zero is
// what a client has where Config.LoginTimeout is zero. Unlike a client's its errors
// hold all that the database says: what it was sent is known not to be private. A login
// that is refused is repeated by the Route's Alternative, as a client's is.
func Probe(ctx context.Context, r Route, user, database string, limit time.Duration, report func(ProbeStep)) (*ProbeConn, error) {
	limit = cmp.Or(limit, defaultLoginTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, newOverdue(limit, ""))
	defer cancel()
	p := &probe{began: time.Now(), last: time.Now(), report: report}
	full, err := r.resolved(ctx, false)
	if err != nil {
		p.failed(err)
		return nil, err
	}
	r = *full
	r.Dialer = &probeDialer{r.Dialer, p}

	conn, err := r.probe(ctx, p, user, database)
	if other, ok := r.alternative(ctx, err, p.began); ok {
		route := r
		route.Tokens = other.Tokens
		if c, again := route.probe(ctx, p, user, database); tokenAccepted(again) {
			conn, err = c, again
			if conn != nil {
				conn.signedFor = other.For
			}
		}
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, causes.LoginOverdue) {
			err = cause
		} else {
			err = ended(ctx, err)
		}
		p.failed(err)
		return nil, err
	}
	return conn, nil
}

func (r *Route) probe(ctx context.Context, p *probe, user, database string) (*ProbeConn, error) {
	up, err := r.open(ctx, r.Address, 0, nil)
	if err != nil {
		return nil, err
	}
	state := up.ConnectionState()
	p.done(ProbeStep{Stage: ProbeTLS, TLS: &state})
	defer interrupt(ctx, up.raw)()
	var told bytes.Buffer
	l := &login{
		client: &told,
		server: up,
		in:     messages{r: up},
		user:   user,
		route:  r,
		key:    func(uint32, []byte) {},
	}
	m := r.rewrite(startupMessage{version: 3 << 16, params: []param{
		{"user", user}, {"database", database}, {"application_name", probeName},
	}})
	l.user = m.value("user")
	if err := l.run(ctx, m); err != nil {
		up.raw.Close()
		err = r.explain(ctx, err)
		if said, ok := errors.AsType[*refusal](err); ok {
			said.open = true
		}
		return nil, err
	}
	p.done(ProbeStep{Stage: ProbeLogin})
	return newProbeConn(up, told.Bytes(), l), nil
}

// probe keeps how far a Probe has come.
type probe struct {
	began  time.Time
	mu     sync.Mutex
	next   ProbeStage
	last   time.Time
	report func(ProbeStep)
}

// done reports a stage that succeeded. A second dial's is not reported again.
func (p *probe) done(s ProbeStep) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.Stage < p.next {
		return
	}
	p.tell(s)
	p.next = s.Stage + 1
}

// failed reports the stage that did not succeed.
func (p *probe) failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tell(ProbeStep{Stage: p.next, Err: err})
}

func (p *probe) tell(s ProbeStep) {
	now := time.Now()
	s.Took, p.last = now.Sub(p.last), now
	if p.report != nil {
		p.report(s)
	}
}

// probeDialer watches what a Dialer does. Its conns cannot be retired: a Probe
// tries one way only.
type probeDialer struct {
	Dialer
	probe *probe
}

func (d *probeDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.probe.done(ProbeStep{Stage: ProbeDial})
	return &probedConn{Conn: c, probe: d.probe}, nil
}

// probedConn reports its first byte.
type probedConn struct {
	net.Conn
	probe *probe
	once  sync.Once
}

func (c *probedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.once.Do(func() { c.probe.done(ProbeStep{Stage: ProbeAnswer}) })
	}
	return n, err
}
