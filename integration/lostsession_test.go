package integration

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
)

// TestLostSessionIsExplained ends the SSM session beneath a query of psql and
// beneath an idle pgx connection. Both get to read why.
func TestLostSessionIsExplained(t *testing.T) {
	terminate := func(output string) func(*world) {
		return func(w *world) { w.aws.TerminateSession(w.aws.Sessions()[0].ID, output) }
	}
	for _, test := range []struct {
		name     string
		emulator func(*awsemu.Config)
		end      func(w *world) // nil: it ends of itself
		state    string
		words    string
		hint     string
	}{
		{"closed with words", nil, terminate("the instance is stopping"), "57P01", "the jump host says: the instance is stopping", "connect again"},
		// Checks of the agent are activity: 2 s after its last word, then after 4 s more.
		{"idle timeout", func(c *awsemu.Config) { c.IdleTimeout = 3 * time.Second }, nil, "57P01", "idle timeout", "Session Manager preferences"},
		{"maximum duration", nil, func(w *world) { w.aws.ExpireSessions() }, "57P01", "maximum duration", "Session Manager preferences"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := start(t, setup{options: []string{"sessions=1"}, emulator: test.emulator})
			name := "lost: " + test.name
			defer w.sleepers(name, "select count(pg_terminate_backend(pid))") // the database would not notice
			conn := w.connect("")
			type printed struct {
				text string
				err  error
			}
			ended := make(chan printed, 1)
			go func() {
				_, errs, err := psql(t, w.conninfo("sslmode=disable application_name='"+name+"'"), "-v", "VERBOSITY=verbose", "-c", "select pg_sleep(60)")
				ended <- printed{errs, err}
			}()
			for w.sleepers(name, "select count(*)") == 0 {
				select {
				case psql := <-ended:
					t.Fatalf("psql ended early: %v, %s", psql.err, psql.text)
				case <-time.After(20 * time.Millisecond):
				}
			}
			if test.end != nil {
				test.end(w)
			}
			psql := <-ended
			if psql.err == nil {
				t.Error("psql ended well")
			}
			for _, want := range []string{"FATAL:  " + test.state + ": ", test.words, "DETAIL:  ", "SSM session " + w.aws.Sessions()[0].ID, "HINT:  ", test.hint} {
				if !strings.Contains(psql.text, want) {
					t.Errorf("psql printed %q, want …%s…", psql.text, want)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := conn.Exec(ctx, "select 1")
			var told *pgconn.PgError
			if !errors.As(err, &told) || told.Code != test.state || !strings.Contains(told.Message, test.words) || told.Detail == "" || !strings.Contains(told.Hint, test.hint) {
				t.Errorf("pgx: %v, want %s %s with DETAIL and HINT", err, test.state, test.words)
			}
		})
	}
}

// sleepers counts backends that sleep, by application name and what is selected.
func (w *world) sleepers(name, selected string) (n int) {
	w.t.Helper()
	admin, err := w.database.AdminConn(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	defer admin.Close(context.Background())
	err = admin.QueryRow(context.Background(), selected+" from pg_stat_activity where application_name = $1 and wait_event = 'PgSleep'", name).Scan(&n)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}
