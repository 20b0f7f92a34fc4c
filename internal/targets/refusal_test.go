package targets

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// After a refusal that may pass, the next try reads the keys of a file anew, also
// when the file looks as it did: its time and size may be the same.
func TestRefusedKeysAreReadAnew(t *testing.T) {
	dir := testenv.Isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	file := filepath.Join(dir, "credentials")
	write := func(key string) {
		t.Helper()
		testenv.Write(t, file, "[default]\naws_access_key_id = "+key+"\naws_secret_access_key = s\n")
	}
	write("ASIAOLD")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	w := New(slog.New(slog.DiscardHandler), new(credentials.Profiles))
	l, err := NewLogin(t.Context(), w.Profiles, testenv.Target(testenv.Orders, nil))
	if err != nil {
		t.Fatal(err)
	}
	route, err := w.RouteTo(testenv.Target(testenv.Orders, nil), l)
	if err != nil {
		t.Fatal(err)
	}
	key := func() string {
		t.Helper()
		keys, err := l.AWS.Credentials.Retrieve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return keys.AccessKeyID
	}
	if got := key(); got != "ASIAOLD" {
		t.Fatalf("key %s, want ASIAOLD", got)
	}
	write("ASIANEW")
	if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if got := key(); got != "ASIAOLD" {
		t.Fatalf("key %s, want the kept ASIAOLD: the file looks the same", got)
	}
	for _, tc := range []struct {
		message string
		passing bool
		key     string
	}{
		{`role "app" is not permitted to log in`, false, "ASIAOLD"},
		{`PAM authentication failed for user "app"`, true, "ASIANEW"},
	} {
		refusal := proxy.Refusal{User: "app", SQLState: "28000", Message: tc.message}
		if got := route.Refusals.Passing(refusal); got != tc.passing {
			t.Errorf("%s: passing %v, want %v", tc.message, got, tc.passing)
		}
		if got := key(); got != tc.key {
			t.Errorf("after %s: key %s, want %s", tc.message, got, tc.key)
		}
	}
}
