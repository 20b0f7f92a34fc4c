package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// The test binary is a pgkeyless that only waits for its signal when this variable is set.
const asStub = "RUN_AS_PGKEYLESS_STUB"

func TestMain(m *testing.M) {
	if os.Getenv(asStub) != "" {
		fmt.Fprintln(os.Stderr, "Listening on 127.0.0.1:1 for db\npgkeyless is ready for new connections")
		ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt)
		<-ctx.Done()
		os.Exit(interrupted)
	}
	os.Exit(m.Run())
}

func TestStrayArgumentIsAnError(t *testing.T) {
	for _, args := range [][]string{{"extra", "--check"}, {"--check", "extra"}, {"--", "-x"}} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), args, &stdout, &stderr)
		if code != 1 || stdout.Len() > 0 || !strings.HasPrefix(stderr.String(), "pgkeyless-demo: error: unexpected argument") || strings.Count(stderr.String(), "\n") != 2 {
			t.Errorf("%q: code %d, stdout %q, stderr %q; want code 1, an error and a hint", args, code, &stdout, &stderr)
		}
	}
}

func TestKindIsOneThatIsShown(t *testing.T) {
	for _, args := range [][]string{{"--kind", "redshift"}, {"--kind=dsql", "--record", "x"}} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), args, &stdout, &stderr)
		if code != 1 || !strings.Contains(stderr.String(), "hint: --kind takes dsql, express, ") {
			t.Errorf("%q: code %d, stderr %q; want code 1 and a hint", args, code, &stderr)
		}
	}
}

// A killed pgkeyless leaves its SSM session open: nothing must wait for its end.
func TestKilledProxyIsNoticedAtOnce(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := lab.StartProxy(t.Context(), lab.Command{Binary: self, Env: []string{asStub + "=1"}, Echo: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	proxy.Kill()
	d := demo{proxy: proxy} // no emulator that could be asked
	select {
	case <-d.proxy.Exited():
	default:
		t.Fatal("the end is not known after Kill")
	}
	if err := d.end(); err == nil || !strings.Contains(err.Error(), "was killed") && runtime.GOOS != "windows" {
		t.Errorf("got %v, want it told", err)
	}
}

func TestRecordingIsWellFormed(t *testing.T) {
	long := strings.Repeat("word ", 30)
	picture := draw([]scene{{"psql -c 'select 1 < 2'", "a & b\n" + long}}, themes["dark"])
	if err := xml.Unmarshal(picture, new(struct{})); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"select 1 &lt; 2", "a &amp; b"} {
		if !bytes.Contains(picture, []byte(want)) {
			t.Errorf("the picture lacks %q:\n%s", want, picture)
		}
	}
	for _, line := range wrapped(long) {
		if len(line) > columns {
			t.Errorf("a line of %d characters, want %d at most", len(line), columns)
		}
	}
}
