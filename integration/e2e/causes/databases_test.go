package causes

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

func TestEveryCauseOnTheWayToTheDatabase(t *testing.T) {
	const (
		rdsProxy = "orders.proxy-c9akciq32abc.eu-central-1.rds.amazonaws.com"
		invoices = "invoices.c9akciq32abc.eu-central-1.rds.amazonaws.com"
		session  = ", SSM session ada-"
	)
	caFile := "&ca-file=" + rig.Shared.Database.CAFile()
	// dialling is for a target whose name leads to address, by a tunnel of one's own.
	dialling := func(address, more string) rig.Setup {
		return rig.Setup{Args: []string{lab.Host + "?dial=" + address + caFile + more}}
	}
	one := rig.Setup{Options: []string{"sessions=1"}}
	inspectedCA := rig.StartFakeDatabase(t, lab.Host, nil)
	otherName, otherKind, otherCA := rig.StartFakeDatabase(t, invoices, nil), rig.StartFakeDatabase(t, rdsProxy, nil), rig.StartFakeDatabase(t, lab.Host, nil)
	mute := serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	office := rig.OpenOffice(t)
	office.Answer("truststore", rig.Gate{For: "truststore.pki.rds.amazonaws.com"})
	liar := rig.StartFakeDatabase(t, lab.Host, func(c io.ReadWriter) { // which asks for SCRAM, and lets everybody in
		c.Write([]byte("R\x00\x00\x00\x17\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00"))
		c.Read(make([]byte, 1024))
		c.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 0})
		c.Read(make([]byte, 1))
	})
	showCauses(t, causes.Databases(), map[string]way{
		causes.ServerUnproven.Name: {
			setup: rig.Setup{
				Options:  []string{"user=" + pgserver.PlainUser, "secret=orders/app"},
				Emulator: func(c *awsemu.Config) { c.Hosts[lab.Endpoint] = liar.Address() },
				Faults:   func(e *awsemu.Emulator) { e.PutSecret(awsemu.Secret{Name: "orders/app", Text: rig.SQLMarker}) },
			},
			facts: []string{lab.Host + " breaks the SCRAM login: it lets the user in without proving that it knows the password"},
		},
		causes.DatabaseRefuses.Name: {
			arm:   func(t *testing.T, w *rig.World) { w.AWS.SetHost(lab.Endpoint, rig.ClosedPort) },
			facts: []string{"jump host " + lab.Target + " cannot connect to " + lab.Endpoint, session},
		},
		causes.TooManyWaiting.Name: {
			setup: severalOfOne(t), // a target has no more than 64 logins under way
			arm:   func(_ *testing.T, w *rig.World) { w.AWS.SetDial(gateway.HangDials(-1, nil)) },
			meet:  firstRefusedOfMany,
			facts: []string{"wait for jump host " + lab.Target + " to connect to " + lab.Endpoint},
		},
		causes.StreamOverflow.Name: {
			setup: rig.Setup{Options: one.Options, Emulator: func(c *awsemu.Config) { c.Pace = 250 * time.Microsecond }}, // a flood would hold up the agent's acknowledgements
			meet:  stopReading,
			facts: []string{"connection to " + lab.Endpoint + " cut", session},
		},
		causes.DirectUnreachable.Name: {
			setup: rig.Setup{Args: []string{rig.ClosedPort + "?via=none&region=" + lab.Region + caFile}},
			facts: []string{"cannot connect to " + rig.ClosedPort, "connection refused"},
		},
		causes.OutOfFiles.Name: {
			setup: anybody(outOfFiles(dialling(mute, ""))), // finding out whose they are takes files, too
			meet:  whenFilesHaveRunOut,
			facts: []string{"cannot connect to " + mute, "too many open files"},
		},
		causes.OwnTunnelDown.Name: {
			setup: dialling(rig.ClosedPort, ""),
			facts: []string{"cannot connect to " + rig.ClosedPort, "connection refused", "instead of " + lab.Endpoint},
		},
		causes.DatabaseUnreachable.Name: {
			setup: dialling(answerTo(t, askForTLS, ""), ""),
			facts: []string{"reaching " + lab.Host, "connection closed by the other side", "dialled 127.0.0.1:"},
		},
		causes.TLSRefused.Name: {
			setup: dialling(answerTo(t, askForTLS, "N"), ""),
			facts: []string{lab.Host + " refuses TLS"},
		},
		causes.TLSErrored.Name: {
			setup: dialling(answerTo(t, askForTLS, "Ecould not fork new process for connection: Cannot allocate memory\n\x00"), ""),
			facts: []string{"unverified text: could not fork new process for connection: Cannot allocate memory"},
		},
		causes.NotPostgreSQL.Name: {
			setup: dialling(answerTo(t, askForTLS, "HTTP/1.1 400 Bad Request\r\n\r\n"), ""),
			facts: []string{lab.Host, "0x48"},
		},
		causes.CertificateName.Name: {
			setup: dialling(otherName.Address(), ""),
			meet:  withoutToken(otherName),
			facts: []string{"certificate is valid for " + invoices, "must be valid for " + lab.Host},
		},
		causes.CertificateUntrusted.Name: {
			setup: rig.Setup{Args: []string{rdsProxy + "?dial=" + otherKind.Address()}},
			meet:  withoutToken(otherKind),
			facts: []string{"unknown authority", "must be valid for " + rdsProxy},
		},
		causes.RootsUnreachable.Name: {
			setup: rig.Setup{
				Args: []string{lab.Host + "?dial=" + otherCA.Address()},
				Env:  func(env []string) []string { return append(env, "HTTPS_PROXY=http://"+rig.ClosedPort) },
			},
			meet:  withoutToken(otherCA),
			state: "08001",
			facts: []string{"certificate of " + lab.Host + " is not trusted", lab.Region, "truststore.pki.rds.amazonaws.com"},
		},
		causes.RootsInspected.Name: {
			setup: office.Enter(rig.Setup{Args: []string{lab.Host + "?dial=" + inspectedCA.Address()}}, true), // which trusts the office for all else
			meet:  withoutToken(inspectedCA),
			state: "08001",
			facts: []string{"certificate of " + lab.Host + " is not trusted", lab.Region, "the network inspects TLS",
				"download https://truststore.pki.rds.amazonaws.com/" + lab.Region + "/" + lab.Region + "-bundle.pem"},
		},
		causes.CertificateExpired.Name: {
			setup: dialling(expiredDatabase(t), ""),
			facts: []string{"certificate has expired", "must be valid for " + lab.Host},
		},
		causes.DirectTLSUnsupported.Name: {
			setup: dialling(answerTo(t, speakTLS, ""), "&sslnegotiation=direct"),
			facts: []string{lab.Host, "connection closed by the other side"},
		},
		causes.TLSEnded.Name: {
			setup: dialling(answerTo(t, askForTLS, "S"), ""),
			facts: []string{"TLS with " + lab.Host, "connection closed by the other side"},
		},
		causes.TLSFailed.Name: {
			setup: dialling(answerTo(t, askForTLS, "SSH-2.0-OpenSSH_10.0\r\n"), ""),
			facts: []string{"TLS with " + lab.Host, "does not look like a TLS handshake", "must be valid for " + lab.Host},
		},
	})
}

// What a database is asked first, in bytes: all of an SSLRequest, or what
// PostgreSQL before 17 reads of a ClientHello.
const askForTLS, speakTLS = 8, 4

// answerTo is a server that reads so many bytes, answers and says no more.
func answerTo(t *testing.T, question int, answer string) (address string) {
	t.Helper()
	return serve(t, func(c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, question)); err != nil {
			return
		}
		io.WriteString(c, answer)
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c) // what is left unread would become a reset
	})
}

// withoutToken is a client that is refused before f, which is not verified, is sent
// a token.
func withoutToken(f *rig.FakeDatabase) func(*testing.T, *rig.World) *pgconn.PgError {
	return func(t *testing.T, w *rig.World) *pgconn.PgError {
		t.Helper()
		got := w.Refused("")
		if n := f.Seen(); n != 0 {
			t.Errorf("%d tokens were sent to a server that was not verified", n)
		}
		return got
	}
}

// expiredDatabase is lab.Host with a certificate whose time is over.
func expiredDatabase(t *testing.T) (address string) {
	t.Helper()
	chain, key, err := rig.Shared.Database.CA().IssueExpired(lab.Host)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, func(c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, askForTLS)); err == nil {
			io.WriteString(c, "S")
			tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate}}).Handshake()
		}
	})
}

// serve lets handle speak to each connection, and closes it.
func serve(t *testing.T, handle func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(2 * rig.Limit))
				handle(c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return l.Addr().String()
}

// severalOfOne is several targets that are one database, and share an SSM session.
func severalOfOne(t *testing.T) rig.Setup {
	t.Helper()
	text := "targets:\n"
	for i := range 5 {
		text += fmt.Sprintf("  t%d: {database: %s, via: %s, sessions: 1, ca-file: %s}\n", i, lab.Endpoint, lab.Target, rig.Shared.Database.CAFile())
	}
	file := filepath.Join(t.TempDir(), "pgkeyless.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return rig.Setup{Args: []string{"--config-file", file}}
}

// firstRefusedOfMany are more clients than may wait for one jump host.
func firstRefusedOfMany(t *testing.T, w *rig.World) *pgconn.PgError {
	t.Helper()
	addresses := w.Proxy.Addresses()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Limit)
	told := make(chan *pgconn.PgError, 1)
	var clients sync.WaitGroup
	for i := range 300 {
		clients.Go(func() {
			host, port, err := net.SplitHostPort(addresses[i%len(addresses)])
			if err != nil {
				t.Error(err)
				return
			}
			conn, err := pgconn.Connect(ctx, fmt.Sprintf("host=%s port=%s user=%s sslmode=disable", host, port, pgserver.AppUser))
			if err == nil {
				conn.Close(ctx)
			}
			var refused *pgconn.PgError
			if errors.As(err, &refused) {
				select {
				case told <- refused:
					cancel() // the others leave
				default:
				}
			}
		})
	}
	clients.Wait()
	cancel()
	select {
	case refused := <-told:
		return refused
	default:
		t.Fatalf("nobody was told anything\n%s", w.Proxy.Output())
		return nil
	}
}

// stopReading is a client that asks for more than the proxy keeps for it, reads
// nothing until its stream has been given up, and then all that comes. A message
// ends with each of the database's 8 KiB: in the middle of one it could not be
// told anything.
func stopReading(t *testing.T, w *rig.World) *pgconn.PgError {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rig.ExactLimit)
	defer cancel()
	conn, err := pgconn.Connect(ctx, w.Conninfo("sslmode=disable"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	// A RowDescription of 32 bytes and a DataRow of 11 and its text.
	results := conn.Exec(ctx, fmt.Sprintf("select repeat('x', case i when 0 then %d else %d end) as filler from generate_series(0, 65536) i", 1024-11-32, 1024-11))
	err = w.AWS.Await(ctx, func(sessions []gateway.Session) bool {
		streams, open := 0, 0
		for _, s := range sessions {
			streams, open = streams+s.Streams, open+s.OpenStreams
		}
		return streams > 0 && open == 0
	})
	if err != nil {
		t.Fatalf("the stream was not given up: %v", err)
	}
	_, err = results.ReadAll()
	var told *pgconn.PgError
	if !errors.As(err, &told) {
		t.Fatalf("%v (%T), want an ErrorResponse\n%s", err, err, w.Proxy.Output())
	}
	return told
}

const fewFiles = 64

// outOfFiles lets pgkeyless have fewFiles open.
func outOfFiles(s rig.Setup) rig.Setup {
	s.Change = func(cmd *exec.Cmd) {
		limited := fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, fewFiles)
		cmd.Args = append([]string{"sh", "-c", limited, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
	}
	return s
}

// anybody is s in which nobody asks whose a client is.
func anybody(s rig.Setup) rig.Setup {
	s.Flags = append(s.Flags, "--allow-users", "any")
	return s
}

// whenFilesHaveRunOut is the first who is told so, of more clients than pgkeyless has
// files for, all of which wait for their login.
func whenFilesHaveRunOut(t *testing.T, w *rig.World) *pgconn.PgError {
	t.Helper()
	told := make(chan *pgconn.PgError, fewFiles)
	for range fewFiles {
		c, err := net.Dial("tcp", w.Proxy.Addresses()[0])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		speaker := pgproto3.NewFrontend(c, c)
		speaker.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": pgserver.AppUser}})
		if err := speaker.Flush(); err != nil {
			t.Fatal(err)
		}
		go func() { // ends when c is closed
			if message, err := speaker.Receive(); err == nil {
				if said, ok := message.(*pgproto3.ErrorResponse); ok {
					told <- pgconn.ErrorResponseToPgError(said)
				}
			}
		}()
	}
	select {
	case said := <-told:
		return said
	case <-time.After(rig.Limit):
		t.Fatalf("nobody was told anything\n%s", w.Proxy.Output())
		return nil
	}
}
