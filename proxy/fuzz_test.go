package proxy

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/internal/display"
)

// FuzzMessages compares the reader of messages, which reads ahead and in pieces,
// with a plain split of the same bytes: said, with pad zeros put in at place.
// Long inputs are made so and not given, since the fuzzer shortens each input
// that it finds interesting byte by byte, for up to a minute.
func FuzzMessages(f *testing.F) {
	f.Add(join(authRequest(3), readyForQuery, []byte("more")), 0, uint16(0), 1, uint32(100))
	f.Add([]byte{'D', 0, 0, 0x27, 0x14, 'Z', 0, 0, 0, 5, 'I'}, 5, uint16(10000), 4096, uint32(10000))
	f.Add([]byte{'D', 0, 0, 0x27, 0x14}, 5, uint16(10000), 7, uint32(9999))
	f.Add([]byte{'R', 0, 0, 0, 3}, 0, uint16(0), 1, uint32(100))
	f.Add([]byte{'R', 0xff, 0xff, 0xff, 0xff}, 5, uint16(10), 5, uint32(maxLoginBody))
	f.Fuzz(func(t *testing.T, said []byte, place int, pad uint16, chunk int, limit uint32) {
		said = slices.Insert(said, min(max(place, 0), len(said)), make([]byte, pad)...)
		limit = min(limit, maxLoginBody)
		in := messages{r: &chunkReader{said, max(1, min(chunk, 1<<16))}}
		for left := said; ; {
			ready := in.ready(limit)
			got, err := in.next(limit)
			if ready && errors.Is(err, io.EOF) {
				t.Fatal("ready, and then the end")
			}
			want, wantErr := firstMessage(left, limit)
			if !bytes.Equal(got, want) || (err == nil) != (wantErr == "") {
				t.Fatalf("of %q: got %q, %v, want %q, %q", left, got, err, want, wantErr)
			}
			if err != nil {
				if wantErr == "end" && err != io.EOF || wantErr == "cut" && err != io.ErrUnexpectedEOF {
					t.Fatalf("of %q: %v, want %s", left, err, wantErr)
				}
				if cap(in.buf) > 2*len(said)+2*readSize {
					t.Errorf("took %d bytes for %d", cap(in.buf), len(said))
				}
				return
			}
			left = left[len(want):]
		}
	})
}

func firstMessage(left []byte, limit uint32) (m []byte, err string) {
	if len(left) == 0 {
		return nil, "end"
	}
	if len(left) < 5 {
		return nil, "cut"
	}
	length := int64(binary.BigEndian.Uint32(left[1:5]))
	switch {
	case length < 4 || length-4 > int64(limit):
		return nil, "length"
	case int64(len(left)) < length+1:
		return nil, "cut"
	}
	return left[:length+1], ""
}

// FuzzRefusal makes what a client hears of any ErrorResponse in a login.
func FuzzRefusal(f *testing.F) {
	f.Add([]byte("SFATAL\x00C28P01\x00Mno\x00\x00"))
	f.Add([]byte("SFATAL\x00C28000\x00Mno\x00Dwhy\x00Hhow\x00\x00"))
	f.Add([]byte("C53300\x00M\xff\xfe\x01\x00\x00\x00"))
	f.Add([]byte("C28000\x00\x00M\x00"))
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, body []byte) {
		l := &login{route: &Route{Name: host}, user: "app_user"}
		err := l.refused(body)
		var said *refusal
		if !errors.As(err, &said) {
			if state(err) != stateRejected {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		packet := said.packet()
		if n := binary.BigEndian.Uint32(packet[1:5]); packet[0] != 'E' || int(n) != len(packet)-1 {
			t.Errorf("ErrorResponse %q", packet)
		}
		if own := body[:len(body)-1]; !bytes.HasPrefix(packet[5:], own) {
			t.Errorf("%q became %q", own, packet)
		}
		if got := packet[len(packet)-1]; got != 0 {
			t.Errorf("ErrorResponse ends with %q", got)
		}
		for _, text := range []string{said.Error(), said.Detail(), said.Hint()} {
			checkPrintable(t, text)
		}
		if c := class(state(err)); len(c) != 2 || strings.ContainsFunc(c, func(r rune) bool { return r > 'Z' || r < '0' }) {
			t.Errorf("counted as %q", c)
		}
	})
}

func checkPrintable(t *testing.T, text string) {
	t.Helper()
	if strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text) || len(text) > display.Most+len("…") {
		t.Errorf("not fit to print: %q", text)
	}
}

// FuzzAnswerToSSLRequest has a server, not verified yet, say anything.
func FuzzAnswerToSSLRequest(f *testing.F) {
	f.Add([]byte("S"))
	f.Add([]byte("Sand something in clear"))
	f.Add([]byte("N"))
	f.Add(errorPacket("SFATAL", "C53300", "Mtoo many"))
	f.Add([]byte("Ecould not fork new process for connection\n\x00"))
	f.Add(append([]byte("E"), bytes.Repeat([]byte{0x80}, 5000)...))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n"))
	f.Fuzz(func(t *testing.T, said []byte) {
		c := new(scriptedConn)
		c.in.Reset(said)
		err := (&Route{Name: host}).askForTLS(c)
		switch {
		case !bytes.Equal(c.out.Bytes(), sslRequest):
			t.Errorf("sent %q", c.out.Bytes())
		case (err == nil) != (len(said) > 0 && said[0] == 'S'):
			t.Errorf("%q: %v", said, err)
		case err == nil && c.read != 1:
			t.Errorf("read %d bytes before TLS", c.read)
		case c.read > 1+maxRefusal:
			t.Errorf("read %d bytes", c.read)
		case err != nil:
			r := response(err, "")
			for _, text := range []string{r.Message, r.Detail, r.Hint} {
				checkPrintable(t, text)
			}
		}
	})
}

// FuzzStartupInsideTLS has a client say anything inside TLS, which it began with
// or asked for.
func FuzzStartupInsideTLS(f *testing.F) {
	f.Add(plainStartup, true)
	f.Add(plainStartup, false)
	f.Add(join(sslRequest, plainStartup), true)
	f.Add(join(gssRequest, plainStartup), false)
	f.Add(codePacket(80877102, 0, 0, 0, 7, 'k', 'e', 'y', '7'), true)
	f.Add([]byte{0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3}, true)
	f.Add([]byte{0, 0, 0}, false)
	cfg, err := clientTLS(time.Now())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, sent []byte, direct bool) {
		near, far := net.Pipe()
		served := make(chan struct{})
		var wanted any
		var greetErr error
		go func() {
			defer close(served)
			_, wanted, greetErr = greet(far, cfg, func() {})
			io.Copy(io.Discard, far)
		}()
		if !direct {
			near.Write(sslRequest)
			io.ReadFull(near, make([]byte, 1))
		}
		secure := tls.Client(near, trusting(&Server{tls: cfg}, alpnProtocol))
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		secure.Write(sent)
		near.Close()
		<-served
		if (wanted == nil) == (greetErr == nil) {
			t.Fatalf("got %v and error %v", wanted, greetErr)
		}
		if m, ok := wanted.(startupMessage); ok && !bytes.HasPrefix(sent, m.encode()) {
			t.Errorf("%q became %q", sent, m.encode())
		}
	})
}

// FuzzCancelRequest has one key that a client was told, and tries others.
func FuzzCancelRequest(f *testing.F) {
	known := append([]byte{0, 0, 0, 7}, "a secret of 3.2, longer than four bytes"...)
	f.Add(known)
	f.Add(known[:8])
	f.Add(append(slices.Clone(known), 0))
	f.Add([]byte{0, 0, 0, 7})
	f.Add([]byte{})
	keys := newCancels()
	keys.add(7, known[4:], new(Route), "")
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > maxStartup {
			return
		}
		c := new(scriptedConn)
		c.in.Reset(codePacket(80877102, body...))
		_, wanted, err := greet(c, nil, func() {})
		if c.out.Len() > 0 {
			t.Errorf("answered %q", c.out.Bytes())
		}
		request, ok := wanted.(*pgproto3.CancelRequest)
		if ok != (err == nil) || ok != (len(body) >= 8 && len(body) <= 4+maxCancelKey) {
			t.Fatalf("%d bytes: got %v, %v", len(body), wanted, err)
		}
		if !ok {
			return
		}
		if found := keys.find(request.ProcessID, request.SecretKey) != nil; found != bytes.Equal(body, known) {
			t.Errorf("%q: found is %v", body, found)
		}
	})
}

// FuzzSession runs whole sessions, both of whose ends are hostile: what the
// client sends, and what the database says inside verified TLS.
func FuzzSession(f *testing.F) {
	ok := join(authRequest(0), keyData(7, []byte("key7")), readyForQuery)
	f.Add(plainStartup, join(authRequest(3), ok))
	f.Add(join(gssRequest, plainStartup, terminate), join(authRequest(3), ok, []byte("more")))
	f.Add(plainStartup, join(authRequest(3), errorPacket("SFATAL", "C28P01", "Mno")))
	f.Add(plainStartup, join(authRequest(3), authRequest(3), ok))
	f.Add(plainStartup, authRequest(10, []byte("SCRAM-SHA-256\x00\x00")...))
	f.Add(plainStartup, join(message('v', 0, 3, 0, 0, 0, 0, 0, 0), authRequest(3), ok[:20]))
	f.Add(startupPacket(3<<16), ok)
	f.Add(join(plainStartup, message('p', []byte("secret\x00")...)), join(authRequest(3), ok))
	f.Add(codePacket(80877102, 0, 0, 0, 7, 'k', 'e', 'y', '7'), []byte{})
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), []byte{})
	f.Add(plainStartup, []byte{'E', 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, sent, said []byte) {
		if len(sent) > 0 && sent[0] == tlsHandshakeRecord {
			return // FuzzStartup and FuzzStartupInsideTLS see those
		}
		synctest.Test(t, func(t *testing.T) {
			var toDatabase bytes.Buffer
			r := newRig(t, func(c *databaseConn) {
				go func() { c.Write(said); c.CloseWrite() }()
				io.Copy(&toDatabase, c)
			}, nil)
			c := r.dial()
			go func() {
				c.Write(sent)
				time.Sleep(2 * time.Minute) // longer than the login deadline and all lingering
				c.Close()
			}()
			got, _ := io.ReadAll(c)
			time.Sleep(5 * time.Minute)
			if bytes.Contains(got, []byte(secretToken)) && !bytes.Contains(said, []byte(secretToken)) {
				t.Error("the client got the token")
			}
			snapshot := r.server.Snapshot()
			snapshot.balanced(t)
			r.stop()
			if n := bytes.Count(toDatabase.Bytes(), []byte(secretToken)); n > 1 {
				t.Errorf("the token was sent %d times", n)
			} else if n == 1 && snapshot.Logins == 0 && !asked(said) {
				t.Errorf("the token was sent to a database that said %q", said)
			}
		})
	})
}
