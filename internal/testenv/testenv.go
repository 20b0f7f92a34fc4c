package testenv

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

// Two endpoints of one account, and a jump host.
const (
	Orders  = "orders.c9akciq32abc.eu-central-1.rds.amazonaws.com"
	Billing = "billing.c9akciq32abc.eu-central-1.rds.amazonaws.com"
	Jump    = "i-0123456789abcdef0"
)

// Isolate gives the test an environment without AWS settings of this machine,
// with static keys, and with directories of its own.
func Isolate(t *testing.T) (dir string) {
	t.Helper()
	// Not t.TempDir: its path may be too long for a socket.
	dir, err := os.MkdirTemp("", "pgk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, entry := range os.Environ() {
		key, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(key, "AWS_") || strings.HasPrefix(key, "PGKEYLESS_") {
			t.Setenv(key, "") // restores it after the test
			os.Unsetenv(key)
		}
	}
	for key, v := range map[string]string{
		"HOME": dir, "LocalAppData": dir, "XDG_RUNTIME_DIR": dir, "XDG_CONFIG_HOME": dir, "XDG_STATE_HOME": dir, "AppData": dir,
		"AWS_CONFIG_FILE": filepath.Join(dir, "config"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "credentials"),
		"AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID":         "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIexample",
	} {
		t.Setenv(key, v)
	}
	return dir
}

// Target is a target on jump with endpoint.
func Target(endpoint string, change func(*config.Options)) config.Target {
	t := config.Target{Endpoint: endpoint, Name: endpoint, Options: config.Options{Via: Jump}}
	if change != nil {
		change(&t.Options)
	}
	return t
}

// HasIPv6 reports whether this machine has the address ::1.
func HasIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

// NeedsSockets skips a test of Unix sockets where there are none.
func NeedsSockets(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no Unix sockets on Windows")
	}
}
