package discover

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// message is a DNS answer with pairs of CNAMEs and an address at the end.
func message(t testing.TB, pairs ...string) []byte {
	t.Helper()
	name := func(s string) dnsmessage.Name { return dnsmessage.MustNewName(s + ".") }
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 1, Response: true},
		Questions: []dnsmessage.Question{{Name: name(pairs[0]), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: name(pairs[i]), Type: dnsmessage.TypeCNAME, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.CNAMEResource{CNAME: name(pairs[i+1])},
		})
	}
	m.Answers = append(m.Answers, dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: name(pairs[len(pairs)-1]), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
		Body:   &dnsmessage.AResource{A: [4]byte{10, 0, 0, 1}},
	})
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestChainOfCNAMEs(t *testing.T) {
	var a answers
	a.note(message(t, "Orders.corp.example", "ledger.cluster-abc.eu-central-1.rds.amazonaws.com", "ledger.cluster-abc.eu-central-1.rds.amazonaws.com", "ledger-1.abc.eu-central-1.rds.amazonaws.com"))
	a.note(message(t, "a.example", "b.example", "b.example", "a.example")) // a loop
	want := []string{"ledger.cluster-abc.eu-central-1.rds.amazonaws.com", "ledger-1.abc.eu-central-1.rds.amazonaws.com"}
	if got := a.chain("orders.corp.example."); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := a.chain("a.example"); len(got) != maxAliases {
		t.Errorf("a loop: %d names", len(got))
	}
	if got := a.chain("c.example"); got != nil {
		t.Errorf("a name without: %q", got)
	}
}

func FuzzDNSAnswer(f *testing.F) {
	f.Add(message(f, "a.example", "b.example"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var a answers
		a.note(b)
		if len(a.to) > maxAliases {
			t.Errorf("%d aliases kept", len(a.to))
		}
	})
}

func TestCustomNameLeadsToTheEndpoint(t *testing.T) {
	const cluster, member = "ledger.cluster-abc.eu-central-1.rds.amazonaws.com", "ledger-1.abc.eu-central-1.rds.amazonaws.com"
	isEndpoint := func(name string) bool { return strings.HasSuffix(name, ".rds.amazonaws.com") }
	for _, test := range []struct {
		name    string
		chain   []string
		err     error
		want    string
		final   bool
		message string
	}{
		{"the cluster, not its writer's instance", []string{"db.internal", cluster, member}, nil, cluster, false, ""},
		{"known, though the last name has no address", []string{cluster}, &net.DNSError{IsNotFound: true}, cluster, false, ""},
		{"elsewhere", []string{"db.other.example"}, nil, "", true, "another name of db.other.example"},
		{"addresses of its own", nil, nil, "", true, "no CNAME of one"},
		{"unknown", nil, &net.DNSError{Err: "no such host", IsNotFound: true}, "", true, "DNS does not know it"},
		{"no DNS", nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}, "", false, "server misbehaving"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Endpoint(t.Context(), func(context.Context, string) ([]string, error) { return test.chain, test.err }, "orders.corp.example", isEndpoint)
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if test.want != "" && err == nil {
				return
			}
			e, ok := errors.AsType[*causes.Error](err)
			if !ok || Final(err) != test.final || !strings.Contains(e.Error(), test.message) || e.Hint() == "" {
				t.Errorf("got %v, want %q", err, test.message)
			}
		})
	}
}

// dnsAnswer is what a name server says to the question asked: the chain of names, of
// which at most some are told.
func dnsAnswer(t *testing.T, asked []byte, some int, names ...string) []byte {
	var q, m dnsmessage.Message
	if q.Unpack(asked) != nil || len(q.Questions) != 1 {
		return nil
	}
	var pairs []string
	for i := range len(names) - 1 {
		pairs = append(pairs, names[i], names[i+1])
	}
	if m.Unpack(message(t, pairs...)) != nil {
		return nil
	}
	m.Header.ID, m.Header.RecursionAvailable, m.Questions = q.Header.ID, true, q.Questions
	if len(m.Answers) > some {
		m.Header.Truncated, m.Answers = true, m.Answers[:some]
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// onePort listens on a port of UDP and on that of TCP, which somebody else may have.
func onePort(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for try := 1; ; try++ {
		datagrams, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		stream, err := net.Listen("tcp", datagrams.LocalAddr().String())
		if err == nil {
			return datagrams, stream
		}
		datagrams.Close()
		if try == 10 {
			t.Fatal(err)
		}
	}
}

// TestChainIsReadFromTheWire lets Go's resolver ask a name server of ours, whose
// answer may be too long for a datagram and comes whole over TCP then.
func TestChainIsReadFromTheWire(t *testing.T) {
	names := []string{"orders.corp.example", "ledger.cluster-abc.example", "ledger-1.example"}
	for room, name := range map[int]string{3: "in one datagram", 1: "cut after one name", 0: "cut to nothing"} {
		t.Run(name, func(t *testing.T) {
			server, stream := onePort(t)
			var serving sync.WaitGroup
			serving.Go(func() {
				for buf := make([]byte, 1500); ; {
					n, from, err := server.ReadFrom(buf)
					if err != nil {
						return
					}
					server.WriteTo(dnsAnswer(t, buf[:n], room, names...), from)
				}
			})
			serving.Go(func() {
				for {
					c, err := stream.Accept()
					if err != nil {
						return
					}
					var length [2]byte
					if _, err := io.ReadFull(c, length[:]); err == nil {
						asked := make([]byte, binary.BigEndian.Uint16(length[:]))
						if _, err := io.ReadFull(c, asked); err == nil {
							whole := dnsAnswer(t, asked, len(names), names...)
							c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(whole))), whole...))
						}
					}
					c.Close()
				}
			})
			defer func() { server.Close(); stream.Close(); serving.Wait() }()
			got, err := lookupAliases(t.Context(), names[0]+".", func(string) string { return server.LocalAddr().String() })
			if err != nil || !slices.Equal(got, names[1:]) {
				t.Errorf("got %q, %v; want %q", got, err, names[1:])
			}
		})
	}
}
