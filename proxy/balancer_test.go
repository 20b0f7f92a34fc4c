package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// binaryHeader is a PROXY protocol header of version 2: this file's own codec.
func binaryHeader(command, family byte, body ...byte) []byte {
	h := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20|command, family)
	return append(binary.BigEndian.AppendUint16(h, uint16(len(body))), body...)
}

// proxied says that the client is at from.
func proxied(from string) []byte {
	at := netip.MustParseAddrPort(from)
	family := byte(0x11)
	if at.Addr().Is6() {
		family = 0x21
	}
	body := append(at.Addr().AsSlice(), make([]byte, at.Addr().BitLen()/8)...)
	return binaryHeader(1, family, append(binary.BigEndian.AppendUint16(body, at.Port()), 0x15, 0x38)...)
}

var localHeader = binaryHeader(0, 0)

func TestReadHeader(t *testing.T) {
	values := append(proxied("203.0.113.9:4711"), 0x04, 0, 1, 0) // PP2_TYPE_NOOP
	binary.BigEndian.PutUint16(values[14:], 16)
	long := binaryHeader(1, 0x11, make([]byte, maxHeader)...)
	for name, test := range map[string]struct {
		said, want string // want: the address; "" for none
		fails      error  // errAny for whatever
	}{
		"version 2, IPv4":       {said: string(proxied("203.0.113.9:4711")), want: "203.0.113.9:4711"},
		"version 2, IPv6":       {said: string(proxied("[2001:db8::9]:4711")), want: "[2001:db8::9]:4711"},
		"IPv4 within IPv6":      {said: string(proxied("[::ffff:203.0.113.9]:4711")), want: "203.0.113.9:4711"},
		"with values":           {said: string(values), want: "203.0.113.9:4711"},
		"with as many as may":   {said: string(long), want: "0.0.0.0:0"},
		"local":                 {said: string(localHeader)},
		"local with an address": {said: string(binaryHeader(0, 0x11, make([]byte, 12)...))},
		"over a Unix socket":    {said: string(binaryHeader(1, 0x31, make([]byte, 216)...))},
		"version 1, IPv4":       {said: "PROXY TCP4 203.0.113.9 192.0.2.1 4711 5432\r\n", want: "203.0.113.9:4711"},
		"version 1, IPv6":       {said: "PROXY TCP6 2001:db8::9 2001:db8::1 4711 5432\r\n", want: "[2001:db8::9]:4711"},
		"version 1, unknown":    {said: "PROXY UNKNOWN\r\n"},

		"a StartupMessage":    {said: string(plainStartup), fails: errNoHeader},
		"TLS":                 {said: "\x16\x03\x01", fails: errNoHeader},
		"HTTP":                {said: "POST / HTTP/1.1\r\n", fails: errNoHeader},
		"nearly version 2":    {said: "\r\n\r\n\x00\r\nQUIT\r", fails: errNoHeader},
		"nothing":             {said: "", fails: errClientGone},
		"half a signature":    {said: "\r\n\r\n", fails: errClientGone},
		"half a line":         {said: "PROXY TCP4 203", fails: errClientGone},
		"half an address":     {said: string(proxied("203.0.113.9:1")[:20]), fails: errClientGone},
		"too long":            {said: string(binaryHeader(1, 0x11, make([]byte, maxHeader+1)...)), fails: errAny},
		"too long a line":     {said: "PROXY TCP4 " + strings.Repeat("2", 200) + "\r\n", fails: errAny},
		"an unknown command":  {said: string(binaryHeader(7, 0x11, make([]byte, 12)...)), fails: errAny},
		"an unknown family":   {said: string(binaryHeader(1, 0x13, make([]byte, 12)...)), fails: errAny},
		"UDP":                 {said: string(binaryHeader(1, 0x12, make([]byte, 12)...)), fails: errAny},
		"too short for IPv6":  {said: string(binaryHeader(1, 0x21, make([]byte, 12)...)), fails: errAny},
		"a name for address":  {said: "PROXY TCP4 localhost localhost 1 2\r\n", fails: errAny},
		"a port that is none": {said: "PROXY TCP4 203.0.113.9 192.0.2.1 99999 5432\r\n", fails: errAny},
	} {
		t.Run(name, func(t *testing.T) {
			in := strings.NewReader(test.said + "rest")
			if test.fails == errClientGone {
				in = strings.NewReader(test.said)
			}
			got, err := readHeader(in)
			switch {
			case test.fails == errAny && (err == nil || errors.Is(err, errNoHeader) || errors.Is(err, errClientGone)), test.fails != errAny && !errors.Is(err, test.fails):
				t.Fatalf("got %v, %v; want %v", got, err, test.fails)
			case err != nil:
				return
			}
			if left, _ := io.ReadAll(in); string(left) != "rest" {
				t.Errorf("%q is left to read, want %q", left, "rest")
			}
			if test.want == "" && got.IsValid() || test.want != "" && got.String() != test.want {
				t.Errorf("got %v, want %q", got, test.want)
			}
		})
	}
}

var errAny = errors.New("any other error")

// FuzzHeader reads what may be a header, with something behind it, which must be left
// alone. As much as a header may have is read at most.
func FuzzHeader(f *testing.F) {
	for _, said := range []string{string(proxied("203.0.113.9:4711")), string(proxied("[2001:db8::9]:4711")), string(localHeader),
		string(binaryHeader(1, 0x31, make([]byte, 216)...)), "PROXY TCP4 203.0.113.9 192.0.2.1 4711 5432\r\n", "PROXY UNKNOWN\r\n", "PROXY TCP6 ::1 ::1 1 1\r\n"} {
		f.Add([]byte(said))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		in := bytes.NewReader(said)
		got, err := readHeader(in)
		read := len(said) - in.Len()
		if read > len(headerStart)+4+maxHeader {
			t.Fatalf("%d bytes were read", read)
		}
		if err != nil {
			return
		}
		// The same bytes alone are the same header, and without the last there is none.
		alone, err := readHeader(bytes.NewReader(said[:read]))
		if err != nil || alone != got {
			t.Errorf("%q: %v, %v; with more behind it %v", said[:read], alone, err, got)
		}
		if cut, err := readHeader(bytes.NewReader(said[:read-1])); !errors.Is(err, errClientGone) {
			t.Errorf("%q: %v, %v, want the client gone", said[:read-1], cut, err)
		}
		if got.IsValid() && (got.Addr().Is4In6() || got.Addr().Zone() != "") {
			t.Errorf("%q: address %v", said, got)
		}
	})
}

// dialFrom connects a client that seems to come from address.
func (r *rig) dialFrom(address string) *client {
	r.t.Helper()
	near, far := net.Pipe()
	r.listener.conns <- fromConn{far, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))}
	return &client{near, r.t}
}

// notes are taken from many goroutines.
type notes struct {
	mu  sync.Mutex
	all []string
}

func (n *notes) add(note string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, note)
}

// behind makes a Config whose balancer is 192.0.2.5. What Admit and Peer are asked about
// is noted.
func behind(asked *notes) func(*Config) {
	return func(cfg *Config) {
		cfg.Balancers = []netip.Prefix{netip.MustParsePrefix("192.0.2.5/32"), netip.MustParsePrefix("127.0.0.0/8")}
		cfg.Admit = func(c net.Conn) error {
			asked.add("admit " + c.RemoteAddr().String())
			if c.RemoteAddr().String() == "127.0.0.1:666" {
				return causes.OtherUser.New(causes.Facts{"owner": "ada", "user": "bob"}, nil)
			}
			return nil
		}
		cfg.Peer = func(c net.Conn) string { return "owner of " + c.RemoteAddr().String() }
		cfg.Audit = func(e AuditEvent) error {
			asked.add(e.Kind + " " + e.Client + " via " + e.Via)
			return nil
		}
	}
}

// The address in a header is what is told of a client. Who may connect is settled by the
// connection itself: a header makes no remote client local, and no local one remote.
func TestHeaderNamesTheClient(t *testing.T) {
	for _, test := range []struct{ name, from, header, client, via string }{
		{"remote", "192.0.2.5:5555", string(proxied("203.0.113.9:4711")), "203.0.113.9:4711", "192.0.2.5:5555"},
		{"remote that says it is local", "192.0.2.5:5555", string(proxied("127.0.0.1:4711")), "127.0.0.1:4711", "192.0.2.5:5555"},
		{"local that says it is remote", "127.0.0.1:5555", "PROXY TCP4 203.0.113.9 192.0.2.1 4711 5432\r\n", "203.0.113.9:4711", "127.0.0.1:5555"},
		{"a health check", "192.0.2.5:5555", string(localHeader), "192.0.2.5:5555", ""},
		{"from elsewhere, without one", "198.51.100.7:5555", "", "198.51.100.7:5555", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked notes
				r := newRig(t, func(c *databaseConn) { c.logIn(); c.untilTerminate() }, behind(&asked))
				c := r.dialFrom(test.from)
				if test.header != "" {
					c.send([]byte(test.header))
				}
				c.send(plainStartup)
				c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
				got := r.server.Sessions()[0]
				if got.Client != test.client || got.Via != test.via || got.Peer != "owner of "+test.from {
					t.Errorf("the session is of %q via %q, peer %q; want %q via %q, and the connection's own peer", got.Client, got.Via, got.Peer, test.client, test.via)
				}
				if want := "admit " + test.from; len(asked.all) != 2 || asked.all[0] != want || asked.all[1] != "login "+test.client+" via "+test.via {
					t.Errorf("asked %q, want %q and a login of %s via %s", asked.all, want, test.client, test.via)
				}
				if said := r.log.hasLine("client accepted", "client="+test.client); said != (test.via != "") {
					t.Errorf("the log names the client: %v, in\n%s", said, r.log.bytes())
				}
				c.send(terminate)
				c.Close()
				synctest.Wait()
				r.stop()
			})
		})
	}
}

// Another user of this machine does not get in by a header that says somebody else is
// elsewhere, nor does a request of theirs cancel anything: neither with a key that was told
// to somebody, nor with one that may be another replica's.
func TestHeaderDoesNotAdmitAnotherUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked, became notes
		r := newRig(t, func(c *databaseConn) { c.logIn(); c.untilTerminate() }, func(cfg *Config) {
			behind(&asked)(cfg)
			cfg.ForwardCancels = true
			cfg.Audit = became.cancels
		})
		for _, header := range [][]byte{proxied("203.0.113.9:4711"), localHeader} {
			c := r.dialFrom("127.0.0.1:666")
			c.send(header, plainStartup)
			if said := c.failed(); said['C'] != "28000" {
				t.Errorf("the client got %q", said)
			}
			c.Close()
		}
		if n := len(r.db.addresses); n != 0 {
			t.Errorf("the database was dialled %d times", n)
		}
		owner := r.dialFrom("127.0.0.1:5555")
		owner.send(localHeader, plainStartup)
		owner.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
		known := codePacket(80877102, 0, 0, 0, 7, 'k', 'e', 'y', '7')
		for _, header := range [][]byte{proxied("203.0.113.9:4711"), localHeader} {
			for _, request := range [][]byte{known, strangerCancel} {
				c := r.dialFrom("127.0.0.1:666")
				c.send(header, request)
				if said := c.failed(); said['C'] != "28000" {
					t.Errorf("the client got %q", said)
				}
				c.Close()
			}
		}
		if n := len(r.db.addresses); n != 1 {
			t.Errorf("the database was dialled %d times, want once, for the session", n)
		}
		if got := r.server.Snapshot(); got.CancelsKnown+got.CancelsUnknown != 0 {
			t.Errorf("%d requests with known keys count, and %d others", got.CancelsKnown, got.CancelsUnknown)
		}
		owner.send(terminate)
		owner.Close()
		time.Sleep(10 * time.Second)
		r.stop()
		if want := []string{"refused", "refused", "refused", "refused"}; !slices.Equal(became.all, want) {
			t.Errorf("the audit log says %q, want %q", became.all, want)
		}
	})
}

func TestConnectionsThatAreRefusedForTheirHeader(t *testing.T) {
	for _, test := range []struct {
		name, from string
		said       []byte
		cause      causes.Cause
	}{
		{"untrusted, version 2", "198.51.100.7:5555", proxied("203.0.113.9:4711"), causes.ProxyHeaderUnexpected},
		{"untrusted, version 1", "198.51.100.7:5555", []byte("PROXY TCP4 203.0.113.9 192.0.2.1 4711 5432\r\n"), causes.ProxyHeaderUnexpected},
		{"twice", "192.0.2.5:5555", join(localHeader, proxied("203.0.113.9:4711")), causes.ProxyHeaderUnexpected},
		{"HTTP in its place", "192.0.2.5:5555", []byte("POST / HTTP/1.1\r\n\r\n"), causes.ProxyHeaderMissing},
		{"malformed", "192.0.2.5:5555", binaryHeader(1, 0x12, make([]byte, 12)...), causes.ProxyHeaderMalformed},
		{"silent", "192.0.2.5:5555", nil, causes.ProxyHeaderMissing},
		{"slow", "192.0.2.5:5555", localHeader[:9], causes.ProxyHeaderMissing},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked notes
				r := newRig(t, nil, behind(&asked))
				c := r.dialFrom(test.from)
				began := time.Now()
				go c.Write(test.said) // of which not all may be read
				said := c.failed()
				if said['C'] != "08P01" || said['M'] == "" || said['H'] != test.cause.New(nil, nil).Hint() {
					t.Errorf("the client got %q, want %s", said, test.cause.Name)
				}
				if took := time.Since(began); took > headerTimeout+farewell {
					t.Errorf("it took %v, want %v at most", took, headerTimeout+farewell)
				}
				c.Close()
				time.Sleep(10 * time.Second)
				got := r.server.Snapshot()
				if got.Unstarted[UnstartedProtocol] != 1 || got.Open != 0 {
					t.Errorf("counted %+v", got)
				}
				r.stop()
			})
		})
	}
}

// A client on the address of a balancer reads why it is refused where it expects an
// error: libpq shows none in place of an answer to its SSLRequest.
func TestClientWithoutAHeaderReadsWhy(t *testing.T) {
	for _, secure := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var asked notes
			r := newRig(t, nil, behind(&asked))
			c := r.dialFrom("192.0.2.5:5555")
			if secure {
				c.send(sslRequest)
				c.expect([]byte{'S'})
				c = c.secure(r.server)
			}
			c.send(plainStartup)
			if said := c.failed(); said['C'] != "08P01" || said['H'] != causes.ProxyHeaderMissing.New(nil, nil).Hint() {
				t.Errorf("TLS %v: the client got %q", secure, said)
			}
			c.Close()
			cancel := r.dialFrom("192.0.2.5:5555")
			cancel.send(strangerCancel)
			cancel.Close()
			time.Sleep(10 * time.Second)
			if got := r.server.Snapshot(); got.FailedLogins["08"] != 1 || got.Unstarted[UnstartedBarred] != 1 || got.Open != 0 {
				t.Errorf("counted %+v", got)
			}
			r.stop()
		})
	}
}

// Balancers that look whether there is somebody leave no line in the log.
func TestHealthCheckOfABalancer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked notes
		r := newRig(t, nil, behind(&asked))
		for _, said := range [][]byte{nil, localHeader} {
			c := r.dialFrom("192.0.2.5:5555")
			c.send(said)
			c.Close()
		}
		time.Sleep(time.Second)
		if got := r.server.Snapshot().Unstarted[UnstartedClosed]; got != 2 {
			t.Errorf("%d closed without a word, want 2", got)
		}
		if r.log.hasLine("level=INFO") || r.log.hasLine("level=WARN") {
			t.Errorf("the log has\n%s", r.log.bytes())
		}
		r.stop()
	})
}

// Silent connections of a balancer make room like others.
func TestSilentBalancerMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked notes
		r := newRig(t, nil, behind(&asked))
		var all []*client
		for range maxLobby + 3 {
			all = append(all, r.dialFrom("192.0.2.5:5555"))
		}
		synctest.Wait()
		if got := r.server.Snapshot(); got.Unstarted[UnstartedCrowded] != 3 {
			t.Errorf("%d made room, want 3", got.Unstarted[UnstartedCrowded])
		}
		for _, c := range all {
			c.Close()
		}
		time.Sleep(time.Minute)
		r.stop()
	})
}

// The rate of cancel requests with unknown keys is that of the client behind a balancer,
// and not of the balancer.
func TestStrangersCountBehindABalancer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked notes
		r := newRig(t, func(c *databaseConn) { readStartupPacket(c) }, func(cfg *Config) {
			behind(&asked)(cfg)
			cfg.ForwardCancels = true
		})
		cancel := func(from string) {
			c := r.dialFrom("192.0.2.5:5555")
			c.send(proxied(from), strangerCancel)
			c.expectEnd()
			c.Close()
		}
		cancel("203.0.113.9:4711")
		cancel("203.0.113.9:4712")
		cancel("203.0.113.10:4711")
		if got := len(r.db.addresses); got != 3 {
			t.Errorf("%d were forwarded, want 3", got)
		}
		for source := range r.server.strangers.sources.left {
			if source != netip.MustParseAddr("203.0.113.9") && source != netip.MustParseAddr("203.0.113.10") {
				t.Errorf("%v is a source", source)
			}
		}
		if got := len(r.server.strangers.sources.left); got != 2 {
			t.Errorf("%d sources, want 2", got)
		}
		r.stop()
	})
}
