package dsql

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/dsql"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// lifetime is the variable that says after how long DSQL ends a connection: nobody waits
// for an hour.
const lifetime = "github.com/pgkeyless/pgkeyless/internal/targets.dsqlLifetime"

const sessionOver = "Aurora DSQL ends every connection after 60 minutes"

// hasty serves d by a binary that takes every end of a session by the database for that of
// its 60 minutes.
func hasty(t *testing.T, d *dsql.Server) *rig.World {
	t.Helper()
	binary, err := lab.BuildProxyWith(t.Context(), t.TempDir(), lifetime+"=0s")
	if err != nil {
		t.Fatal(err)
	}
	return rig.Start(t, rig.Setup{Args: []string{argument(d, lab.DSQLHost)}, Binary: binary})
}

// A session that DSQL ends because its time is over is told why, however DSQL does that, and
// so is the log.
func TestEndAfterAnHourIsExplained(t *testing.T) {
	d := rig.StartDSQL(t, nil)
	for _, test := range []struct {
		name string
		end  dsql.End
		own  string // DSQL's words, which come first
	}{
		{"in good order", dsql.Closing, ""},
		{"cut off", dsql.Cutting, ""},
		{"with an error", dsql.Saying, "its maximum duration is reached"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d.SetLife(0, test.end)
			w := hasty(t, d)
			conn, err := pgx.Connect(t.Context(), at(t, w, "admin")+" sslmode=disable")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.Background())
			d.EndSessions()
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			_, err = conn.WaitForNotification(ctx)
			var said *pgconn.PgError
			want := test.own
			if want == "" {
				want = sessionOver
			}
			if !errors.As(err, &said) || said.Code != "57P01" || said.Severity != "FATAL" || !strings.Contains(said.Message, want) {
				t.Errorf("the client got %v, want 57P01 with %q", err, want)
			}
			if test.own == "" && (said == nil || !strings.Contains(said.Hint, "reconnect") || !strings.Contains(said.Detail, lab.DSQLHost)) {
				t.Errorf("DETAIL and HINT of %+v", said)
			}
			if test.own != "" {
				return // this client hangs up at once: the log may say that it went first
			}
			w.AwaitCause("dsql-session-over")
			if out := w.Proxy.Output(); !strings.Contains(out, sessionOver) || !strings.Contains(out, `reason="database closed"`) {
				t.Errorf("the log does not say so:\n%s", out)
			}
		})
	}
	t.Run("to psql", func(t *testing.T) {
		d.SetLife(0, dsql.Closing)
		w := hasty(t, d)
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		cmd := rig.PsqlCommand(ctx, at(t, w, "admin"))
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		io.WriteString(in, "select 'in';\n")
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "in\n" {
			t.Fatalf("psql printed %q, %v", line, err)
		}
		d.EndSessions()
		w.AwaitCause("dsql-session-over")
		io.WriteString(in, "select 'again';\n")
		in.Close()
		if err := cmd.Wait(); err == nil || !strings.Contains(errs.String(), "FATAL:  "+sessionOver) || !strings.Contains(errs.String(), "HINT:  reconnect") {
			t.Errorf("psql ended with %v\n%s", err, errs.String())
		}
	})
}

// An end that comes before that is what it looks like.
func TestEndBeforeAnHourIsNot(t *testing.T) {
	d := rig.StartDSQL(t, nil)
	for _, end := range []dsql.End{dsql.Closing, dsql.Cutting} {
		d.SetLife(0, end)
		w := start(t, d, lab.DSQLHost)
		conn, err := pgx.Connect(t.Context(), at(t, w, "admin")+" sslmode=disable")
		if err != nil {
			t.Fatal(err)
		}
		d.EndSessions()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		if _, err := conn.WaitForNotification(ctx); err == nil || strings.Contains(err.Error(), sessionOver) {
			t.Errorf("the client got %v", err)
		}
		cancel()
		conn.Close(context.Background())
		w.AwaitLine("session ended")
		if out := w.Proxy.Output(); strings.Contains(out, "dsql-session-over") {
			t.Errorf("the log says so:\n%s", out)
		}
	}
}
