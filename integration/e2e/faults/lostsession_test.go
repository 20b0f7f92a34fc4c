package faults

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// TestLostSessionIsExplained ends the SSM session beneath a query of psql and
// beneath an idle pgx connection. Both get to read why.
func TestLostSessionIsExplained(t *testing.T) {
	terminate := func(output string) func(*rig.World) {
		return func(w *rig.World) { w.AWS.TerminateSession(inUse(w), output) }
	}
	for _, test := range []struct {
		name  string
		end   func(w *rig.World)
		state string
		words string
		hint  string
	}{
		{"closed with words", terminate("the instance is stopping"), "57P01", "the jump host says: the instance is stopping", "reconnect"},
		// Checks of the agent are activity: 2 s after its last word, then after 4 s more.
		{"idle timeout", func(w *rig.World) { w.AWS.SetIdleTimeout(3 * time.Second) }, "57P01", "idle timeout", "Session Manager preferences"},
		{"maximum duration", func(w *rig.World) { w.AWS.ExpireSessions() }, "57P01", "maximum duration", "Session Manager preferences"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := rig.Start(t, rig.Setup{Options: []string{"sessions=1"}})
			name := "lost: " + test.name
			defer sleepers(w, name, "select count(pg_terminate_backend(pid))") // the database would not notice
			conn := w.Connect("")
			type printed struct {
				text string
				err  error
			}
			ended := make(chan printed, 1)
			go func() {
				_, errs, err := rig.Psql(t, w.Conninfo("sslmode=disable application_name='"+name+"'"), "-v", "VERBOSITY=verbose", "-c", "select pg_sleep(60)")
				ended <- printed{errs, err}
			}()
			for sleepers(w, name, "select count(*)") == 0 {
				select {
				case psql := <-ended:
					t.Fatalf("psql ended early: %v, %s", psql.err, psql.text)
				case <-time.After(20 * time.Millisecond):
				}
			}
			session := inUse(w)
			test.end(w)
			psql := <-ended
			if psql.err == nil {
				t.Error("psql ended well")
			}
			for _, want := range []string{"FATAL:  " + test.state + ": ", test.words, "DETAIL:  ", "SSM session " + session, "HINT:  ", test.hint} {
				if !strings.Contains(psql.text, want) {
					t.Errorf("psql printed %q, want …%s…", psql.text, want)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := conn.Exec(ctx, "select 1")
			var told *pgconn.PgError
			if !errors.As(err, &told) || told.Code != test.state || !strings.Contains(told.Message, test.words) || told.Detail == "" || !strings.Contains(told.Hint, test.hint) {
				t.Errorf("pgx: %v, want %s %s with DETAIL and HINT", err, test.state, test.words)
			}
		})
	}
}

// TestEndedExportedKeysEndTheSession cuts the websocket once the exported keys have
// ended. Nothing can renew them, so the client hears it at once, not after the
// quarter of an hour for which a session is tried to be resumed.
func TestEndedExportedKeysEndTheSession(t *testing.T) {
	t.Parallel()
	w := rig.Start(t, rig.Setup{Options: []string{"sessions=1"}})
	conn := w.Connect("")
	w.AWS.FailNext("ResumeSession", "ExpiredTokenException", "The security token included in the request is expired", -1)
	w.AWS.CutWebsockets()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := conn.Exec(ctx, "select 1")
	var told *pgconn.PgError
	if !errors.As(err, &told) || told.Severity != "FATAL" || told.Code != "08006" || !strings.Contains(told.Message, "no usable AWS credentials in the environment: they have expired") ||
		!strings.Contains(told.Hint, "unset AWS_ACCESS_KEY_ID") {
		t.Errorf("the client is told %v", err)
	}
	if took := time.Since(begin); took > rig.ErrorLimit {
		t.Errorf("told after %v, want %v at most", took, rig.ErrorLimit)
	}
}

// inUse is the SSM session that carries streams, and is the only one that does.
func inUse(w *rig.World) (id string) {
	w.T.Helper()
	all := w.Carrying()
	if len(all) != 1 {
		w.T.Fatalf("more than one session has streams: %+v", all)
	}
	return all[0].ID
}

// sleepers counts backends that sleep, by application name and what is selected.
func sleepers(w *rig.World, name, selected string) (n int) {
	w.T.Helper()
	admin, err := w.Database.AdminConn(context.Background())
	if err != nil {
		w.T.Fatal(err)
	}
	defer admin.Close(context.Background())
	err = admin.QueryRow(context.Background(), selected+" from pg_stat_activity where application_name = $1 and wait_event = 'PgSleep'", name).Scan(&n)
	if err != nil {
		w.T.Fatal(err)
	}
	return n
}
