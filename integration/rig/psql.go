package rig

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// Psql runs the real psql, which has no password to give.
func Psql(t *testing.T, conninfo string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := PsqlCommand(ctx, conninfo, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return strings.TrimSpace(out.String()), errs.String(), err
}

// PsqlCommand is psql with nothing of the user's: no password, no settings.
func PsqlCommand(ctx context.Context, conninfo string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "psql", slices.Concat([]string{"-XAtw", "-v", "ON_ERROR_STOP=1", "-d", conninfo}, args)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PGPASSFILE=/nonexistent", "HOME=" + filepath.Join(os.TempDir(), "nobody"), "LC_ALL=C"}
	return cmd
}

// Query runs one statement by psql and returns its answer.
func (w *World) Query(extra, sql string) string {
	w.T.Helper()
	out, errs, err := Psql(w.T, w.Conninfo(extra), "-c", sql)
	if err != nil {
		w.T.Fatalf("psql: %v\n%s\npgkeyless printed:\n%s", err, errs, w.Proxy.Output())
	}
	return out
}

// Guarded asks what the guards have set.
const Guarded = "select current_setting('default_transaction_read_only'), current_setting('statement_timeout')"

// WhoAmI asks the database who its client is, and ItsMe is the answer for the usual
// user.
const (
	WhoAmI = "select current_user, current_database(), ssl from pg_stat_ssl where pid = pg_backend_pid()"
	ItsMe  = pgserver.AppUser + "|" + pgserver.Database + "|t"
)
