package admin

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// Nothing that can be read of a running proxy holds a secret, SQL, or a start-up
// parameter other than user, database and application_name.
func TestNothingSecretCanBeRead(t *testing.T) {
	port := rig.FreePort(t)
	w := start(t, rig.Setup{Flags: []string{"--debug", "--quitquitquit", "--admin-port", port}})
	conn := w.Connect("application_name=visible options='-c statement_timeout=54321ms'")
	if _, err := conn.Exec(t.Context(), "select '"+rig.SQLMarker+"'"); err != nil {
		t.Fatal(err)
	}
	w.Refused("dbname=no_such_database")

	secrets := []string{rig.SQLMarker, "54321", "X-Amz-", rig.Shared.Keys.SecretAccessKey, rig.Shared.Keys.SessionToken, "Signature="}
	read := func(client *http.Client, url string) {
		t.Helper()
		res, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK || len(body) == 0 {
			t.Fatalf("%s: %d, %d bytes, %v", url, res.StatusCode, len(body), err)
		}
		for _, secret := range secrets {
			if secret != "" && bytes.Contains(body, []byte(secret)) {
				t.Errorf("%s shows %q", url, secret)
			}
		}
	}
	admin := "http://localhost:" + port
	for _, url := range []string{
		w.web + "/", w.web + "/status.json", w.web + "/metrics", w.web + "/readiness?verbose",
		admin + "/status.json", admin + "/debug/pprof/cmdline", admin + "/debug/pprof/goroutine?debug=2",
	} {
		read(http.DefaultClient, url)
	}
	sockets, err := filepath.Glob(filepath.Join(w.Home, ".cache", "pgkeyless", "admin-*.sock"))
	if err != nil || len(sockets) != 1 {
		t.Fatalf("private sockets %q, %v", sockets, err)
	}
	private := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", sockets[0])
	}}}
	for _, path := range []string{"/status.json", "/metrics"} {
		read(private, "http://pgkeyless.localhost"+path)
	}
	for _, args := range [][]string{{"status"}, {"status", "--json"}} {
		text, stderr, _ := w.pgkeyless(args...)
		for _, secret := range secrets {
			if secret != "" && strings.Contains(text+stderr, secret) {
				t.Errorf("pgkeyless %q shows %q", args, secret)
			}
		}
	}
}
