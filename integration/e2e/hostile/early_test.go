//go:build linux

package hostile

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// Records of TLS, and one that says unsupported_extension.
//
// Source: RFC 8446, sections 5.1 and 6.
const (
	recordHandshake   = 22
	recordApplication = 23
	unsupported       = "\x15\x03\x03\x00\x02\x02\x6e"
)

// helloBefore is the ClientHello of a client that resumes a session which nobody
// gave it, and begins to talk at once (0-RTT), where early is set. Else it has
// neither, and is as any client's.
//
// Source: RFC 8446, sections 4.1.2 and 4.2.
func helloBefore(early bool) []byte {
	vector := func(width int, parts ...[]byte) []byte { // with its length before it
		body := bytes.Join(parts, nil)
		length := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
		return append(length[4-width:], body...)
	}
	extension := func(kind uint16, body []byte) []byte {
		return append(binary.BigEndian.AppendUint16(nil, kind), vector(2, body)...)
	}
	random := func(n int) []byte {
		b := make([]byte, n)
		rand.Read(b)
		return b
	}
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // there is no randomness
	}
	extensions := [][]byte{
		extension(10, vector(2, []byte{0, 29})),                                     // supported_groups: x25519
		extension(13, vector(2, []byte{4, 3, 8, 4})),                                // signature_algorithms: ECDSA and RSA-PSS
		extension(16, vector(2, vector(1, []byte("postgresql")))),                   // ALPN
		extension(43, vector(1, []byte{3, 4})),                                      // supported_versions: TLS 1.3
		extension(51, vector(2, []byte{0, 29}, vector(2, key.PublicKey().Bytes()))), // key_share
		extension(45, vector(1, []byte{1})),                                         // psk_key_exchange_modes: psk_dhe_ke
	}
	if early {
		extensions = append(extensions,
			extension(42, nil), // early_data
			extension(41, slices.Concat( // pre_shared_key, which must be the last
				vector(2, vector(2, random(120)), random(4)),
				vector(2, vector(1, random(32))))))
	}
	hello := slices.Concat([]byte{3, 3}, random(32), vector(1, random(32)), vector(2, []byte{0x13, 1}), vector(1, []byte{0}), vector(2, extensions...))
	return slices.Concat([]byte{recordHandshake, 3, 1}, vector(2, []byte{1}, vector(3, hello)))
}

// saysEarly sends a StartupMessage behind its ClientHello, without having been
// answered: in clear, since nobody has the keys.
func saysEarly(first []byte, early bool) func(net.Conn) (string, error) {
	record := slices.Concat([]byte{recordApplication, 3, 3}, binary.BigEndian.AppendUint16(nil, uint16(len(whoIAm))), whoIAm)
	return func(c net.Conn) (string, error) {
		c.Write(first)
		if _, err := io.ReadFull(c, make([]byte, len(first)/8)); err != nil {
			return "", err
		}
		return says(helloBefore(early), record)(c)
	}
}

// resumes asks for TLS of version with the ticket of another server, and for a
// session inside. The answer is what came there, unless the session was resumed
// or another ticket given.
func resumes(version uint16) func(net.Conn) (string, error) {
	return func(c net.Conn) (string, error) {
		cache := &foreignTickets{session: ticketOfAnother(version)}
		cfg := unverified("postgresql")
		cfg.MaxVersion, cfg.ClientSessionCache, cfg.ServerName = version, cache, "localhost"
		secure := tls.Client(c, cfg)
		if err := secure.Handshake(); err != nil {
			return err.Error(), nil
		}
		if secure.ConnectionState().DidResume {
			return "resumed", nil
		}
		answer, err := says(sslRequest)(secure)
		if cache.offered == 0 || cache.given {
			return "no ticket offered, or one given", nil
		}
		return answer, err
	}
}

// foreignTickets is a cache with one session, for whichever server.
type foreignTickets struct {
	session *tls.ClientSessionState
	offered int
	given   bool
}

func (f *foreignTickets) Get(string) (*tls.ClientSessionState, bool) {
	f.offered++
	return f.session, true
}

func (f *foreignTickets) Put(_ string, session *tls.ClientSessionState) {
	f.given = f.given || session != nil
}

// ticketOfAnother returns a session with a server made for that.
var ticketOfAnother = func() func(uint16) *tls.ClientSessionState {
	var mu sync.Mutex
	made := make(map[uint16]*tls.ClientSessionState)
	return func(version uint16) *tls.ClientSessionState {
		mu.Lock()
		defer mu.Unlock()
		if made[version] == nil {
			made[version] = newTicket(version)
		}
		return made[version]
	}
}()

func newTicket(version uint16) *tls.ClientSessionState {
	certificate := keyPair(rig.Shared.Database.CA().Issue("localhost"))
	near, far := net.Pipe()
	defer near.Close()
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() {
		c := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"postgresql"}})
		c.Write([]byte("S")) // behind the ticket
		c.Close()
	})
	cache := tls.NewLRUClientSessionCache(1)
	cfg := unverified("postgresql")
	cfg.MaxVersion, cfg.ClientSessionCache, cfg.ServerName = version, cache, "localhost"
	io.ReadAll(tls.Client(near, cfg))
	session, _ := cache.Get("localhost")
	return session
}

// keyPair makes a certificate, or panics: there is no test to fail here.
func keyPair(chain, key []byte, err error) tls.Certificate {
	if err != nil {
		panic(err)
	}
	certificate, err := tls.X509KeyPair(chain, key)
	if err != nil {
		panic(err)
	}
	return certificate
}
