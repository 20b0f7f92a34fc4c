package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

const (
	// headerTimeout is how long a balancer may take for its header. Most send it with
	// the connection's first packet; some wait for the client's first byte.
	headerTimeout = 10 * time.Second
	// maxHeader bounds what follows the fixed part of a header of version 2: addresses
	// take 36 bytes, and balancers add values of their own.
	maxHeader = 4096
	// maxLine is the longest header of version 1, a line of text.
	maxLine = 107
)

// Headers begin with one of these, and PostgreSQL packets with neither: as a length
// both are far over maxStartup.
var (
	lineStart    = []byte("PROXY ")
	headerStart  = []byte("\r\n\r\n\x00\r\nQUIT\n")
	headerStarts = []string{string(lineStart[:4]), string(headerStart[:4])}
)

// isHeader reports whether a packet that begins with these four bytes is a header.
func isHeader(head []byte) bool { return slices.Contains(headerStarts, string(head)) }

// balancers are where connections come from that begin with a PROXY protocol header,
// which says where their client is. It is safe for concurrent use.
type balancers []netip.Prefix

// trust reports whether what comes from address a begins with a header.
func (b balancers) trust(a netip.Addr) bool {
	return a.IsValid() && slices.ContainsFunc(b, func(p netip.Prefix) bool { return p.Contains(a.WithZone("")) })
}

// hello is what a connection of this process's own begins with, from that address, to a
// server that trusts the same balancers: nothing, or that it is no client's.
func (b balancers) hello(from netip.Addr) []byte {
	if !b.trust(from) {
		return nil
	}
	header := proxyproto.Header{Version: 2, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}
	bytes, _ := header.Format() // which fails for addresses alone
	return bytes
}

// settleOrigin reads the header of a balancer. Without one it does nothing. A header
// moves the client's address in everything that is told of the session, and in the
// bounds for each source. It moves nothing in who may connect: Config.Admit and
// Config.Peer have seen the connection itself.
func (s *session) settleOrigin(ctx context.Context) error {
	balancer := hostAddr(s.client.RemoteAddr())
	if !s.server.balancers.trust(balancer) {
		return nil
	}
	missing := causes.ProxyHeaderMissing.New(causes.Facts{"address": balancer.String()}, nil)
	ctx, cancel := context.WithTimeoutCause(ctx, headerTimeout, missing)
	defer cancel()
	defer interrupt(ctx, s.client)()
	origin, err := readHeader(s.client)
	var without *noHeader
	switch {
	case errors.As(err, &without): // a client like others, which can read an error where it expects one
		s.client = &unreadConn{Conn: s.client, unread: []byte{without.first}}
		if s.barred == nil {
			s.barred = &barred{missing}
		}
		return nil
	case errors.Is(context.Cause(ctx), missing), errors.Is(err, errNoHeader):
		return missing
	case errors.Is(err, errClientGone):
		return err
	case err != nil:
		return causes.ProxyHeaderMalformed.New(causes.Facts{"address": balancer.String()}, err)
	case !origin.IsValid():
		return nil // the balancer's own: a health check
	}
	s.origin, s.log = origin, s.log.With("client", origin.String())
	s.server.tally.edit(s.entry, func(e *SessionSnapshot) { e.Via, e.Client = e.Client, origin.String() })
	return nil
}

// source is the address that bounds for each source go by.
func (s *session) source() netip.Addr {
	if s.origin.IsValid() {
		return s.origin.Addr()
	}
	return hostAddr(s.client.RemoteAddr())
}

// errNoHeader is a connection that begins with something else.
var errNoHeader = errors.New("no PROXY protocol header")

// noHeader is errNoHeader at the first byte: nothing is lost yet.
type noHeader struct{ first byte }

func (*noHeader) Error() string { return errNoHeader.Error() }
func (*noHeader) Unwrap() error { return errNoHeader }

// readHeader reads a PROXY protocol header of version 1 or 2, and not a byte more. It
// returns the client's address; the zero value where the header names none, as for
// connections that a balancer makes for itself. c must carry a deadline.
//
// Something else is errNoHeader as soon as that can be seen, and a header that is too
// long is found before it is read.
//
// Source: HAProxy's doc/proxy-protocol.txt, 2.1 and 2.2.
func readHeader(c io.Reader) (origin netip.AddrPort, err error) {
	first, err := readFirst(c)
	if err != nil {
		return origin, err
	}
	header := []byte{first}
	switch first {
	case headerStart[0]:
		header, err = readBinaryHeader(c, header)
	case lineStart[0]:
		header, err = readHeaderLine(c, header)
	default:
		err = &noHeader{first}
	}
	if err != nil {
		return origin, err
	}
	parsed, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(header)))
	if err != nil {
		return origin, err
	}
	if parsed.Command.IsLocal() || parsed.TransportProtocol.IsUnspec() {
		return origin, nil
	}
	switch source := parsed.SourceAddr.(type) {
	case *net.TCPAddr:
		at := source.AddrPort()
		return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), nil
	case *net.UnixAddr:
		return origin, nil
	}
	return origin, errors.New("it is for another protocol than TCP")
}

// readBinaryHeader reads the rest of a header of version 2.
func readBinaryHeader(c io.Reader, header []byte) ([]byte, error) {
	if err := more(c, &header, len(headerStart)); err != nil {
		return nil, err
	}
	if !bytes.Equal(header, headerStart) {
		return nil, errNoHeader
	}
	fixed := len(headerStart) + 4
	if err := more(c, &header, fixed); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint16(header[fixed-2:]))
	if length > maxHeader {
		return nil, errors.New("it is too long")
	}
	return header, more(c, &header, fixed+length)
}

// readHeaderLine reads the rest of a header of version 1, byte by byte: nothing but its
// end says how long it is.
func readHeaderLine(c io.Reader, header []byte) ([]byte, error) {
	for header[len(header)-1] != '\n' {
		if len(header) == maxLine {
			return nil, errors.New("it is too long")
		}
		if err := more(c, &header, len(header)+1); err != nil {
			return nil, err
		}
		if n := min(len(header), len(lineStart)); !bytes.Equal(header[:n], lineStart[:n]) {
			return nil, errNoHeader
		}
	}
	return header, nil
}

// more reads until header has n bytes.
func more(c io.Reader, header *[]byte, n int) error {
	had := len(*header)
	*header = append(*header, make([]byte, n-had)...)
	if _, err := io.ReadFull(c, (*header)[had:]); err != nil {
		return clientGone(err)
	}
	return nil
}
