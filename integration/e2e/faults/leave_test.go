package faults

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
)

// TestClientLeavesDuringAStalledUpload lets the database stop reading, and the
// client go away when nothing moves any more. Its session ends soon, and not only
// when the tunnel gives up.
func TestClientLeavesDuringAStalledUpload(t *testing.T) {
	for name, leave := range map[string]func(w *rig.World) (left func()){
		"killed, Unix socket": uploadOfPsql,
		"reset, TCP":          uploadThatResets,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := rig.Start(t, rig.Setup{Emulator: func(c *awsemu.Config) { c.Pace = 0 }})
			w.AWS.SetDial(gateway.Targets(func(_ int, conn net.Conn) net.Conn { return gateway.DeafTarget(conn, 1<<20) }))
			left := leave(w)
			awaitStall(w)
			left()
			begin := time.Now()
			line := w.AwaitLine("session ended")
			if !strings.Contains(line, "client connection lost") || !strings.Contains(line, "while the database accepted nothing") {
				t.Errorf("logged %q", line)
			}
			took := time.Since(begin)
			t.Logf("noticed after %v", took.Round(time.Millisecond))
			if took > rig.ErrorLimit {
				t.Errorf("noticed after %v, want %v at most", took, rig.ErrorLimit)
			}
		})
	}
}

// awaitStall waits until no SSM session has carried anything up for ten seconds, in which
// pgkeyless answers: a busy machine lets an upload rest for a while, too.
func awaitStall(w *rig.World) {
	w.T.Helper()
	var before int64 = -1
	for quiet := 0; quiet < 10; quiet++ {
		select {
		case <-time.After(time.Second):
		case <-w.T.Context().Done():
			w.T.Fatal("the upload never stalled")
		}
		askForTLS(w)
		var up int64
		for _, s := range w.AWS.Sessions() {
			up += s.BytesIn
		}
		if up != before || up <= 4<<20 {
			quiet = -1
		}
		before = up
	}
}

// askForTLS has pgkeyless answer an SSLRequest.
func askForTLS(w *rig.World) {
	w.T.Helper()
	c, err := net.Dial("tcp", w.Proxy.Addresses()[0])
	if err != nil {
		w.T.Fatal(err)
	}
	defer c.Close()
	answer := make([]byte, 1)
	c.Write([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f})
	if _, err := io.ReadFull(c, answer); err != nil || answer[0] != 'S' {
		w.T.Fatalf("SSLRequest answered with %q, %v", answer, err)
	}
}

func uploadOfPsql(w *rig.World) (kill func()) {
	w.T.Helper()
	_, port, _ := net.SplitHostPort(w.Proxy.Addresses()[0])
	cmd := rig.PsqlCommand(w.T.Context(), "host="+filepath.Dir(w.Proxy.Sockets()[0])+" port="+port+" user=app_user dbname=app",
		"-c", "create temp table stalled(line text)", "-c", "copy stalled from stdin")
	cmd.Stdin = newRows(0, 64<<20)
	if err := cmd.Start(); err != nil {
		w.T.Fatal(err)
	}
	return func() { killed(cmd) }
}

func killed(cmd *exec.Cmd) {
	cmd.Process.Kill()
	cmd.Wait()
}

func uploadThatResets(w *rig.World) (reset func()) {
	w.T.Helper()
	conn, raw := connectRaw(w)
	go func() {
		conn.Exec(context.Background(), "create temp table stalled(line text)")
		conn.PgConn().CopyFrom(context.Background(), newRows(0, 64<<20), "copy stalled from stdin")
	}()
	return func() {
		raw.SetLinger(0)
		raw.Close()
	}
}

// connectRaw connects by TCP, and also gives the socket.
func connectRaw(w *rig.World) (*pgx.Conn, *net.TCPConn) {
	w.T.Helper()
	cfg, err := pgx.ParseConfig(w.Conninfo("sslmode=disable"))
	if err != nil {
		w.T.Fatal(err)
	}
	var raw *net.TCPConn
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			raw = c.(*net.TCPConn)
		}
		return c, err
	}
	conn, err := pgx.ConnectConfig(w.T.Context(), cfg)
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() { raw.Close() })
	return conn, raw
}

// TestHalfClosingClientDuringAnOutage has said all that it has to say, and
// closed its way, before the tunnel is whole again. Nothing of it is lost.
func TestHalfClosingClientDuringAnOutage(t *testing.T) {
	t.Parallel()
	w := rig.Start(t, rig.Setup{Options: []string{"sessions=1"}})
	conn, raw := connectRaw(w)
	if _, err := conn.Exec(t.Context(), "create temp table half_closed(line text)"); err != nil {
		t.Fatal(err)
	}
	frontend := pgproto3.NewFrontend(raw, raw)
	frontend.Send(&pgproto3.Query{String: "copy half_closed from stdin"})
	if err := frontend.Flush(); err != nil {
		t.Fatal(err)
	}
	if m, err := frontend.Receive(); err != nil {
		t.Fatal(err)
	} else if _, ok := m.(*pgproto3.CopyInResponse); !ok {
		t.Fatalf("database said %T, want CopyInResponse", m)
	}
	w.AWS.SetNetwork(gateway.Network{Outage: true})
	const lines = 512 // of 1 KiB: more than pgkeyless takes meanwhile, less than sockets do
	for range lines {
		frontend.Send(&pgproto3.CopyData{Data: append(bytes.Repeat([]byte{'x'}, rowLength-1), '\n')})
	}
	frontend.Send(&pgproto3.CopyDone{})
	if err := frontend.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := raw.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	<-time.After(8 * time.Second)
	w.AWS.SetNetwork(gateway.Network{})
	m, err := frontend.Receive()
	if done, ok := m.(*pgproto3.CommandComplete); err != nil || !ok || string(done.CommandTag) != fmt.Sprintf("COPY %d", lines) {
		t.Errorf("database said %T %+v, %v; want COPY %d", m, m, err, lines)
	}
}
