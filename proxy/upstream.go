package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/proxy/eventloop"
)

// maxRefusal bounds what is read of an error sent instead of an answer to
// SSLRequest.
const maxRefusal = 1024

// long ago, as a deadline, ends reads and writes at once.
var longAgo = time.Unix(1, 0)

// upstream is a verified TLS connection to a database. There is no other way
// to make one than Route.connect, so who holds it may send a token.
type upstream struct {
	*tls.Conn
	raw   net.Conn // beneath TLS
	end   *streamEnd
	since time.Time // when the handshake was over, by the wall clock alone
	// address reaches the same server again: a name may have several, and a
	// CancelRequest must go to the one that runs the query.
	address  string
	boundary boundary // where the client is in what the database says
	begun    []byte   // of a message that came behind ReadyForQuery, and is held back
	// ready is the login made before the client came, as long as it has asked nothing.
	ready *readyLogin
}

// retire says that the way up came is not to be taken again, where there are
// others. It is safe for concurrent use.
func (up *upstream) retire(reason string) {
	if way, ok := up.raw.(retirer); ok {
		way.Retire(reason)
	}
}

// unanswered is a dialled conn that gave an error, or nothing in time, instead
// of a first byte. It has been retired: another dial may do better.
type unanswered struct{ error }

func (u *unanswered) Unwrap() error { return u.error }

// openOneWay connects to the database at address: dial, SSLRequest unless DirectTLS,
// handshake. It does so a second time, with nothing retired and no haste any
// more, when the conn was unanswered: a second failure says more about the
// database than about the way to it. And once more when the certificate came
// from an unknown authority and RefreshTLS finds new ones. ctx bounds all of it.
func (r *Route) openOneWay(ctx context.Context, address string, patience time.Duration, watch *stopwatch) (*upstream, error) {
	up, err := r.connect(ctx, address, patience, watch)
	if errors.As(err, new(*unanswered)) {
		up, err = r.connect(ctx, address, 0, watch)
	}
	if r.RefreshTLS == nil || !errors.Is(err, causes.CertificateUntrusted) { // of a dial, others may be
		return up, err
	}
	if why := r.RefreshTLS(ctx, err); why != nil {
		return nil, r.stillUntrusted(err, why)
	}
	return r.connect(ctx, address, 0, watch)
}

// stillUntrusted is err, the failure of a handshake, with the Detail and Hint of
// why nothing could be done about it, when that has any.
func (r *Route) stillUntrusted(err, why error) error {
	if failed, ok := errors.AsType[*causes.Error](err); ok {
		err = failed.Unwrap()
	}
	facts := causes.Facts{"database": r.Name, "server name": r.TLS().ServerName, "said": display.Line(err.Error())}
	return causes.CertificateUntrusted.New(facts, errors.Join(why, err))
}

// connect dials once. A patience other than zero is how long a conn that can be
// retired has for its first byte; without one it is unanswered.
func (r *Route) connect(ctx context.Context, address string, patience time.Duration, watch *stopwatch) (*upstream, error) {
	cfg := r.TLS()
	if cfg == nil || cfg.ServerName == "" {
		return nil, errors.New("no server name to verify the database's certificate for")
	}
	watch.enter(r.dialing(), time.Now())
	raw, err := r.Dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, causes.DatabaseUnreachable.New(causes.Facts{"database": r.Name, "address": address}, err)
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		address = tcp.RemoteAddr().String()
	}
	raw = eventloop.Wrap(raw)
	watch.enter(StageTLS, time.Now())
	conn, err := r.converse(ctx, raw, cfg, patience)
	if err != nil {
		raw.Close()
		return nil, err
	}
	// The monotonic clock stands still while the computer sleeps; the database's goes on.
	since := time.Now().Round(0)
	return &upstream{Conn: conn, raw: raw, end: conn.NetConn().(*streamEnd), since: since, address: address}, nil
}

// dialing is the stage in which the Dialer works.
func (r *Route) dialing() Stage {
	if r.Tunnel {
		return StageTunnel
	}
	return StageDial
}

// converse secures raw, and retires it when it is unanswered.
func (r *Route) converse(ctx context.Context, raw net.Conn, cfg *tls.Config, patience time.Duration) (*tls.Conn, error) {
	ctx, cancel := r.hasty(ctx)
	defer cancel()
	defer interrupt(ctx, raw)()
	way, ok := raw.(retirer)
	if !ok || patience == 0 {
		return r.secure(raw, cfg)
	}
	wait := awaitFirstByte(raw, patience)
	conn, err := r.secure(wait, cfg)
	late, came := wait.giveUp()
	switch {
	case err == nil || came && !late:
		return conn, err
	case late:
		way.Retire(fmt.Sprintf("no byte from the database within %v", patience))
	case foreignState(err) == stateCannotConnect:
		way.Retire("connection to the database refused")
	default: // it closed, say, for reasons of its own
		return nil, err
	}
	return nil, &unanswered{err}
}

// secure shakes hands on raw, after an SSLRequest unless DirectTLS. The client
// hello must not be sent along with that: PostgreSQL takes what it has read
// ahead for an attack. raw must carry a deadline.
//
// Source: PostgreSQL 18 docs, protocol-flow.html#PROTOCOL-FLOW-SSL.
func (r *Route) secure(raw net.Conn, cfg *tls.Config) (*tls.Conn, error) {
	if r.DirectTLS {
		cfg = cfg.Clone()
		cfg.NextProtos = []string{alpnProtocol}
	} else if err := r.askForTLS(raw); err != nil {
		return nil, err
	}
	conn := tls.Client(&streamEnd{Conn: eventloop.Records(raw)}, cfg)
	if err := conn.Handshake(); err != nil {
		return nil, r.untrusted(cfg.ServerName, err)
	}
	state := conn.ConnectionState()
	if len(state.VerifiedChains) == 0 {
		return nil, notVerified.New(causes.Facts{"database": r.Name}, nil)
	}
	if r.DirectTLS && state.NegotiatedProtocol != alpnProtocol {
		return nil, causes.DirectTLSUnsupported.New(causes.Facts{"database": r.Name, "said": "it names no ALPN protocol"}, nil)
	}
	return conn, nil
}

// askForTLS sends an SSLRequest. Of the answer exactly one byte is read: more
// would be clear text taken for the database's words (CVE-2021-23222).
func (r *Route) askForTLS(raw net.Conn) error {
	request := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, codeSSL)
	if _, err := raw.Write(request); err != nil {
		return r.lost("asking for TLS", err)
	}
	var answer [1]byte
	if _, err := io.ReadFull(raw, answer[:]); err != nil {
		return r.lost("asking for TLS", err)
	}
	switch answer[0] {
	case 'S':
		return nil
	case 'N':
		return causes.TLSRefused.New(causes.Facts{"database": r.Name}, nil)
	case 'E':
		return causes.TLSErrored.New(causes.Facts{"database": r.Name, "said": cmp.Or(readRefusal(raw), "none")}, nil)
	}
	return causes.NotPostgreSQL.New(causes.Facts{
		"database": r.Name,
		"said":     fmt.Sprintf("answered the request for TLS with byte %#02x", answer[0]),
	}, nil)
}

// lost explains an error on the way to the database before TLS.
func (r *Route) lost(doing string, err error) error {
	if closedByPeer(err) {
		err = errClosed
	}
	return causes.DatabaseUnreachable.New(causes.Facts{"database": r.Name, "address": r.Address, "said": display.Line(doing + ": " + err.Error())}, err)
}

// closedByPeer says that the other side has closed, which a read or a write may be
// the first to find.
func closedByPeer(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) }

// errClosed stands in for such an error, which tells people nothing.
var errClosed = errors.New("connection closed by the other side")

// untrusted explains a failed handshake.
func (r *Route) untrusted(name string, err error) error {
	var (
		cause     = causes.TLSFailed
		wrongName x509.HostnameError
		unknown   x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &wrongName):
		cause = causes.CertificateName
	case errors.As(err, &unknown):
		cause = causes.CertificateUntrusted
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		cause = causes.CertificateExpired
	case r.DirectTLS && !errors.As(err, new(*tls.CertificateVerificationError)):
		cause = causes.DirectTLSUnsupported
	case alerted(err): // the other side says why
	case errors.As(err, new(*net.OpError)), closedByPeer(err), errors.Is(err, os.ErrDeadlineExceeded):
		cause = causes.TLSEnded
	}
	facts := causes.Facts{"database": r.Name, "server name": name}
	if closedByPeer(err) {
		facts["said"] = errClosed.Error()
	}
	return cause.New(facts, err)
}

// alerted says whether the other side of a handshake refused it by an alert, for
// which crypto/tls exports no type.
func alerted(err error) bool {
	var e *net.OpError
	return errors.As(err, &e) && e.Op == "remote error"
}

// readRefusal returns the text of an error whose leading E has been read: an
// ErrorResponse, or a string from servers that could not even start a session.
func readRefusal(c net.Conn) string {
	c.SetReadDeadline(time.Now().Add(time.Second))
	b, _ := io.ReadAll(io.LimitReader(c, maxRefusal))
	if len(b) > 4 && b[0] == 0 {
		return display.Line(errorFields(b[4:])['M'])
	}
	return display.Line(strings.TrimRight(string(b), "\x00\n"))
}

// interrupt makes reads and writes on c fail once ctx has ended. The function
// it returns undoes that: afterwards c has no deadline.
func interrupt(ctx context.Context, c net.Conn) (release func()) {
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(fired)
		c.SetDeadline(longAgo)
	})
	return func() {
		if !stop() {
			<-fired
		}
		c.SetDeadline(time.Time{})
	}
}
