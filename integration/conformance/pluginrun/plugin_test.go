package pluginrun_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/conformance/pluginrun"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
)

const (
	accessKey = "AKIAEXAMPLEEXAMPLE00"
	secretKey = "secret+key/for=tests"
	remote    = "db.internal"
)

// TestGenuinePlugin is what the emulator is judged by: AWS's own client runs
// against it.
func TestGenuinePlugin(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signal ends another process cleanly on Windows")
	}
	binary := build(t)
	for name, test := range map[string]func(context.Context, *testing.T, string) error{
		"forward": forward, "resumed": resumed, "dial refused": dialRefused, "terminated": terminated, "killed": killed,
	} {
		t.Run(name, func(t *testing.T) {
			err := errFlagLost
			for tries := 1; err != nil; tries++ {
				if tries > 5 {
					t.Fatalf("five times: %v", err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				err = test(ctx, t, binary)
				cancel()
			}
		})
	}
}

// errFlagLost is an interrupt that the plugin gave the number of the message before it, so
// that the agent took it for that message, sent again: the plugin numbers its messages
// without a lock. That is no fault of the emulator, and another try shows it.
var errFlagLost = errors.New("the plugin's flag had the number of another message")

// build builds the plugin, in the time that a busy machine takes for it.
func build(t *testing.T) (binary string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	binary, err := pluginrun.Build(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// start runs emulator and plugin.
func start(ctx context.Context, t *testing.T, binary string, caller awsemu.Caller, port int) (*awsemu.Emulator, *pluginrun.Plugin) {
	t.Helper()
	emu, err := awsemu.Start(awsemu.Config{
		Config: gateway.Config{
			Hosts:          map[string]string{remote: "127.0.0.1"},
			OfficialClient: true,
			// Its jump host is a small one.
			WorkerStart: func(int) time.Duration { return 500 * time.Millisecond },
			MessageCost: 100 * time.Microsecond,
			AckWithin:   15 * time.Second, // a starved machine is not the plugin's fault
			Log:         slog.New(slog.NewTextHandler(t.Output(), nil)),
		},
		Callers: map[string]awsemu.Caller{accessKey: caller},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = emu.Close() })
	p, err := pluginrun.Start(ctx, pluginrun.Config{
		Binary: binary, Endpoint: emu.URL(), Region: "us-east-1", Target: "i-0123456789abcdef0",
		Host: remote, Port: port, AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: caller.SessionToken,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(ctx, os.Kill) })
	return emu, p
}

var alice = awsemu.Caller{SecretAccessKey: secretKey, ARN: "arn:aws:iam::123456789012:user/alice"}

// quiet waits until no stream is open: the flag of an interrupt could otherwise share its
// number with a FIN. It still can, where the plugin has not counted its last FIN yet.
func quiet(ctx context.Context, t *testing.T, emu *awsemu.Emulator) {
	t.Helper()
	if err := emu.Await(ctx, func(all []gateway.Session) bool { return all[0].OpenStreams == 0 }); err != nil {
		t.Fatalf("session %+v, want no open stream", emu.Sessions()[0])
	}
}

// interrupt ends the plugin as ^C does, and waits for the session's end. It may return
// errFlagLost.
func interrupt(ctx context.Context, t *testing.T, emu *awsemu.Emulator, p *pluginrun.Plugin) error {
	t.Helper()
	if err := p.Stop(ctx, os.Interrupt); err != nil {
		t.Errorf("plugin ended with %v\n%s", err, p.Output())
	}
	if err := emu.Await(ctx, func(all []gateway.Session) bool { return all[0].State != gateway.Connected }); err != nil {
		t.Errorf("session %+v is still connected; violations %q", emu.Sessions()[0], emu.Violations())
	}
	if v := emu.Violations(); len(v) == 1 && strings.HasSuffix(v[0], "was sent again, but not the same bytes") {
		t.Log(v[0])
		return errFlagLost
	}
	if err := emu.Await(ctx, func(all []gateway.Session) bool { return all[0].State == gateway.Terminated }); err != nil {
		t.Errorf("session %+v has not ended; violations %q", emu.Sessions()[0], emu.Violations())
	}
	return nil
}

// finish closes the emulator and wants no violations.
func finish(t *testing.T, emu *awsemu.Emulator) {
	t.Helper()
	if err := emu.Close(); err != nil {
		t.Error(err)
	}
	for _, v := range emu.Violations() {
		t.Error("violation:", v)
	}
}

// forward: two connections at once, byte-exact, and a clean end on SIGINT.
func forward(ctx context.Context, t *testing.T, binary string) error {
	emu, p := start(ctx, t, binary, alice, echoServer(t))
	results := make(chan error, 2)
	for range 2 {
		go func() { results <- echo(ctx, p.Address, 1_000_000) }()
	}
	if err := errors.Join(<-results, <-results); err != nil {
		t.Errorf("%v\n%s", err, p.Output())
	}
	quiet(ctx, t, emu)
	if err := interrupt(ctx, t, emu, p); err != nil {
		return err
	}
	finish(t, emu)
	got := emu.Sessions()[0]
	if got.Ending != gateway.EndFlag || got.Streams != 2 || got.Dials != 2 || got.Connections != 1 || got.ID != p.SessionID {
		t.Errorf("session %+v; want 2 streams and dials, 1 connection, ended by the client's flag", got)
	}
	return nil
}

// resumed: after the service's hourly close the plugin resumes its session.
func resumed(ctx context.Context, t *testing.T, binary string) error {
	emu, p := start(ctx, t, binary, alice, echoServer(t))
	for n := 1; n <= 2; n++ {
		if err := echo(ctx, p.Address, 10_000); err != nil {
			t.Fatalf("%v\n%s", err, p.Output())
		}
		quiet(ctx, t, emu) // the plugin hangs when something was in flight
		if n == 1 && emu.CloseWebsockets(1000, "Bye") != 1 {
			t.Error("no websocket to close")
		}
		if err := emu.Await(ctx, func(all []gateway.Session) bool { return all[0].Connections == 2 }); err != nil {
			t.Fatalf("session %+v, want it resumed", emu.Sessions()[0])
		}
	}
	if err := interrupt(ctx, t, emu, p); err != nil {
		return err
	}
	finish(t, emu)
	if got := emu.Sessions()[0]; got.Resumes == 0 || got.Ending != gateway.EndFlag {
		t.Errorf("session %+v, want it resumed and ended by the client's flag", got)
	}
	return nil
}

// dialRefused: the plugin understands how the agent reports a refused dial.
func dialRefused(ctx context.Context, t *testing.T, binary string) error {
	bob := awsemu.Caller{SecretAccessKey: secretKey, SessionToken: "session/token+", ARN: "arn:aws:sts::123456789012:assumed-role/dev/bob@example.com"}
	emu, p := start(ctx, t, binary, bob, echoServer(t))
	emu.SetDial(func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED })
	conn, err := net.Dial("tcp", p.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("read from a refused stream: %d, %v; want end of file", n, err)
	}
	emu.SetDial(nil)
	if err := echo(ctx, p.Address, 100); err != nil { // the session lives on
		t.Error(err)
	}
	quiet(ctx, t, emu)
	if err := interrupt(ctx, t, emu, p); err != nil {
		return err
	}
	if !strings.Contains(p.Output(), "Connection to destination port failed") {
		t.Errorf("plugin said %q, want the refused connection", p.Output())
	}
	finish(t, emu)
	return nil
}

// terminated: the service's own end of the session ends the plugin, with
// success and the reason.
func terminated(ctx context.Context, t *testing.T, binary string) error {
	emu, p := start(ctx, t, binary, alice, 5432)
	if !emu.TerminateSession(p.SessionID, "maintenance") {
		t.Error("session was not live")
	}
	select {
	case <-p.Exited():
	case <-ctx.Done():
		t.Fatal("plugin outlived its session")
	}
	if !strings.Contains(p.Output(), "maintenance") {
		t.Errorf("plugin said %q, want the reason of the end", p.Output())
	}
	finish(t, emu)
	return nil
}

// killed: the plugin takes no notice of SIGTERM and leaves its session behind.
func killed(ctx context.Context, t *testing.T, binary string) error {
	emu, p := start(ctx, t, binary, alice, 5432)
	if err := p.Stop(ctx, syscall.SIGTERM); err == nil {
		t.Error("plugin ended cleanly on SIGTERM")
	}
	if err := emu.Await(ctx, func(all []gateway.Session) bool { return all[0].State == gateway.Disconnected }); err != nil {
		t.Errorf("session %+v, want it disconnected", emu.Sessions()[0])
	}
	if got := emu.OpenSessions(); got != 1 {
		t.Errorf("%d open sessions, want 1", got)
	}
	finish(t, emu)
	return nil
}

// echo sends size random bytes and wants them back.
func echo(ctx context.Context, address string, size int) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	sent := make([]byte, size)
	rand.Read(sent)
	go func() { _, _ = conn.Write(sent) }()
	got := make([]byte, size)
	if n, err := io.ReadFull(conn, got); err != nil {
		return fmt.Errorf("after %d of %d bytes: %w", n, size, err)
	}
	if !bytes.Equal(got, sent) {
		return errors.New("bytes came back changed")
	}
	return nil
}

// echoServer returns what it gets, on the port it returns, until the test ends.
func echoServer(t *testing.T) int {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}
