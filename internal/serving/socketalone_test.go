package serving

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/targets"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// socketsAlone opens what flags say for two targets.
func socketsAlone(t *testing.T, flags map[string]string) (front, error) {
	t.Helper()
	flags["via"] = testenv.Jump
	cfg, err := config.Load(config.Input{Targets: []string{testenv.Orders + "?user=app", testenv.Billing}, Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	p := new(ports)
	f, err := openFront(t.Context(), targets.New(log, new(credentials.Profiles)), cfg, p, log)
	t.Cleanup(p.close)
	return f, err
}

// With --port none there is no TCP listener, and all that says where to connect leads
// to the socket.
func TestSocketIsServedAlone(t *testing.T) {
	testenv.NeedsSockets(t)
	for _, shared := range []string{"false", "true"} {
		dir := filepath.Join(testenv.Isolate(t), "pgkeyless")
		f, err := socketsAlone(t, map[string]string{"port": "none", "shared-port": shared})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{filepath.Join(dir, ".s.PGSQL.5432"), filepath.Join(dir, ".s.PGSQL.5433")}
		all := want
		if shared == "true" {
			want = []string{filepath.Join(dir, testenv.Orders, ".s.PGSQL.5432"), filepath.Join(dir, testenv.Billing, ".s.PGSQL.5432")}
			all = append([]string{filepath.Join(dir, ".s.PGSQL.5432")}, want...)
		}
		var got []string
		for _, l := range f.listeners() {
			got = append(got, l.Addr().String())
		}
		if !slices.Equal(got, all) {
			t.Errorf("shared %s: listening on %q, want %q", shared, got, all)
		}
		for i, path := range want {
			d, s := described(f)[i], servedBy(f, i, way{}, nil)
			if d.Socket != path || len(d.Listen) != 0 || d.Listen == nil || d.JDBC != "" || !strings.Contains(d.Psql, "psql -h "+filepath.Dir(path)+" -p ") {
				t.Errorf("shared %s: described as %+v, want %s alone", shared, d, path)
			}
			if s.Socket != path || s.Address != "" || len(s.Addresses) != 0 {
				t.Errorf("shared %s: enrolled as %+v, want %s alone", shared, s, path)
			}
			// exec looks for a port first.
			if place := s.Place(f.targets[i], true); place.Host != filepath.Dir(path) || place.Port == 0 {
				t.Errorf("shared %s: a client goes to %+v, want %s", shared, place, path)
			}
		}
		var lines, ready bytes.Buffer
		announce(context.Background(), &lines, slog.New(slog.DiscardHandler), config.Run{}, f)
		if err := writeReady(&ready, f); err != nil {
			t.Fatal(err)
		}
		if out := lines.String() + ready.String(); strings.Contains(out, "jdbc") || strings.Contains(out, "127.0.0.1") || strings.Count(ready.String(), "\n") < 2 {
			t.Errorf("shared %s: said\n%s", shared, out)
		}
		if portsOf(f).open[want[0]] == nil {
			t.Errorf("shared %s: a reload does not find the socket", shared)
		}
	}
}

// A socket that is all there is must be there.
func TestSocketAloneMustBeOpened(t *testing.T) {
	testenv.NeedsSockets(t)
	testenv.Isolate(t)
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if _, err := socketsAlone(t, map[string]string{"port": "none"}); err == nil || !strings.Contains(err.Error(), "directory for the Unix socket") {
		t.Errorf("got %v, want an error: nothing would be served", err)
	}
}
