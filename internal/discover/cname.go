package discover

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

// maxAliases bounds the CNAMEs that are followed.
const maxAliases = 16

// Aliases returns the names that a host name is another name of, the nearest
// first, as DNS has them; none when it has addresses of its own. A name that does
// not exist is a *net.DNSError with IsNotFound.
type Aliases func(ctx context.Context, host string) ([]string, error)

// LookupAliases asks the system's name servers.
//
// net.Resolver tells the last name of a chain only, and the endpoint that is
// looked for is often not the last: a cluster's is a CNAME of its writer's. So
// the answers are read along.
func LookupAliases(ctx context.Context, host string) ([]string, error) {
	return lookupAliases(ctx, host, func(address string) string { return address })
}

// lookupAliases dials server(address) in place of a name server's address.
func lookupAliases(ctx context.Context, host string, server func(string) string) ([]string, error) {
	var seen answers
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, server(address))
		if err != nil {
			return nil, err
		}
		switch c := c.(type) {
		case *net.UDPConn:
			return &tapped{c, seen.note}, nil
		case *net.TCPConn: // after an answer that was cut to fit a datagram
			return &tappedStream{TCPConn: c, note: seen.note}, nil
		}
		return c, nil
	}}
	final, err := r.LookupCNAME(ctx, host)
	chain := seen.chain(host)
	if len(chain) == 0 && err != nil {
		final, err = net.DefaultResolver.LookupCNAME(ctx, host) // the system knows ways that Go's does not
	}
	if len(chain) == 0 && err == nil && !same(final, host) {
		chain = []string{clearName(final)}
	}
	if len(chain) > 0 {
		return chain, nil // a name at the end without an address is no matter here
	}
	return nil, err
}

// tapped notes every datagram that is read.
type tapped struct {
	*net.UDPConn
	note func([]byte)
}

func (t *tapped) Read(p []byte) (int, error) {
	n, err := t.UDPConn.Read(p)
	if err == nil {
		t.note(p[:n])
	}
	return n, err
}

// tappedStream notes every message that is read from a stream, where each has its
// length before it.
//
// Source: RFC 1035, section 4.2.2.
type tappedStream struct {
	*net.TCPConn
	note func([]byte)
	read []byte // of a message that is not whole yet: two bytes of length and at most 64 KiB
}

func (t *tappedStream) Read(p []byte) (int, error) {
	n, err := t.TCPConn.Read(p)
	t.read = append(t.read, p[:n]...)
	for len(t.read) >= 2 {
		end := 2 + int(binary.BigEndian.Uint16(t.read))
		if len(t.read) < end {
			break
		}
		t.note(t.read[2:end])
		t.read = t.read[end:]
	}
	return n, err
}

// answers collects the CNAMEs of DNS answers.
type answers struct {
	mu sync.Mutex
	to map[string]string
}

// note reads a DNS message. One that cannot be read has none.
func (a *answers) note(message []byte) {
	var p dnsmessage.Parser
	if h, err := p.Start(message); err != nil || !h.Response || p.SkipAllQuestions() != nil {
		return
	}
	for {
		h, err := p.AnswerHeader()
		if err != nil {
			return
		}
		if h.Type != dnsmessage.TypeCNAME {
			if p.SkipAnswer() != nil {
				return
			}
			continue
		}
		r, err := p.CNAMEResource()
		if err != nil {
			return
		}
		a.mu.Lock()
		if a.to == nil {
			a.to = map[string]string{}
		}
		if len(a.to) < maxAliases {
			a.to[clearName(h.Name.String())] = clearName(r.CNAME.String())
		}
		a.mu.Unlock()
	}
}

// chain follows host's CNAMEs.
func (a *answers) chain(host string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var chain []string
	for name := clearName(host); len(chain) < maxAliases; {
		next, ok := a.to[name]
		if !ok {
			break
		}
		chain = append(chain, next)
		name = next
	}
	return chain
}

func clearName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func same(a, b string) bool { return clearName(a) == clearName(b) }

// aliasTimeout bounds one look-up in DNS.
const aliasTimeout = 5 * time.Second

// Endpoint returns the endpoint of AWS that host is another name of: the first
// of its aliases that isEndpoint knows. Errors are *causes.Error, Final when DNS
// answered and host leads to none.
func Endpoint(ctx context.Context, aliases Aliases, host string, isEndpoint func(string) bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, aliasTimeout)
	defer cancel()
	chain, err := aliases(ctx, host)
	for _, name := range chain {
		if isEndpoint(name) {
			return name, nil
		}
	}
	notFound, isDNS := errors.AsType[*net.DNSError](err)
	var leads string
	switch {
	case len(chain) > 0:
		leads = "is another name of " + chain[len(chain)-1] + ", which is no endpoint of a database at AWS"
	case err == nil:
		leads = "is no endpoint of a database at AWS, and no CNAME of one"
	case isDNS && notFound.IsNotFound:
		leads = "is no endpoint of a database at AWS, and DNS does not know it here"
	default:
		return "", causes.AliasUnanswered.New(causes.Facts{"host": host, "said": display.Line(err.Error())}, err)
	}
	return "", causes.NotAnAlias.New(causes.Facts{"host": host, "leads": leads}, about{ErrNotFound, err})
}
