package login

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// TestGuardsGoBeforeWhatTheClientAsksFor tries each way in which a client can
// set parameters as it logs in.
func TestGuardsGoBeforeWhatTheClientAsksFor(t *testing.T) {
	w := rig.Start(t, rig.Setup{Options: []string{"read-only", "statement-timeout=30s"}})
	const want = "on|30s"
	for _, extra := range []string{
		"",
		"options='-c statement_timeout=0 -c default_transaction_read_only=off'",
		"options='--statement-timeout=0 --default-transaction-read-only=off'",
		"options='-c STATEMENT_TIMEOUT=0 -cDefault_Transaction_Read_Only=off -c transaction_read_only=off'",
	} {
		if got := w.Query(extra, rig.Guarded); got != want {
			t.Errorf("psql with %s: %q, want %q", extra, got, want)
		}
	}
	for _, extra := range []string{
		"statement_timeout=0 default_transaction_read_only=off",
		"Statement_Timeout=0 DEFAULT_TRANSACTION_READ_ONLY=off transaction_read_only=off",
		"statement_timeout=1h options='-c statement_timeout=2h -c default_transaction_read_only=off'",
	} {
		var readOnly, timeout string
		if err := w.Connect(extra).QueryRow(t.Context(), rig.Guarded).Scan(&readOnly, &timeout); err != nil || readOnly+"|"+timeout != want {
			t.Errorf("start-up parameters %s: %s|%s, %v; want %s", extra, readOnly, timeout, err, want)
		}
	}
	_, err := w.Connect("").Exec(t.Context(), "create table guards_let_this_through ()")
	var said *pgconn.PgError
	if !errors.As(err, &said) || said.Code != "25006" {
		t.Errorf("creating a table gave %v, want SQLSTATE 25006", err)
	}
}

// TestGuardsSayHowFarTheyGo holds the ready line to what a client can do.
func TestGuardsSayHowFarTheyGo(t *testing.T) {
	w := rig.Start(t, rig.Setup{Options: []string{"read-only", "statement-timeout=1500ms"}})
	line := w.AwaitLine("Listening on")
	if !strings.HasSuffix(line, " (default_transaction_read_only=on, statement_timeout=1500ms at login; a client's SET can change it)") {
		t.Errorf("%q, want the guards and their limit", line)
	}
	if got := w.Query("", "set default_transaction_read_only = off; set statement_timeout = 0; "+rig.Guarded); got != "SET\nSET\noff|0" && got != "off|0" {
		t.Errorf("after SET %q, want off|0", got)
	}
}

// TestGuardEndsStatements shows that the unit is right.
func TestGuardEndsStatements(t *testing.T) {
	w := rig.Start(t, rig.Setup{Options: []string{"statement-timeout=200ms"}})
	if _, errs, err := rig.Psql(t, w.Conninfo("options='-c statement_timeout=0'"), "-c", "select pg_sleep(60)"); err == nil || !strings.Contains(errs, "statement timeout") {
		t.Errorf("a minute's statement: %v, %q; want an end by its timeout", err, errs)
	}
}
