package causes

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// way is how one cause comes about, and how a client meets it.
type way struct {
	setup  rig.Setup
	arm    func(t *testing.T, w *rig.World) // breaks something once pgkeyless runs
	client string                           // conninfo of the client that is refused, beside the usual
	// meet is what the client does in place of connecting, and what it is told.
	meet func(t *testing.T, w *rig.World) *pgconn.PgError
	// state is the SQLSTATE where the row leaves it open.
	state string
	// asks says that pgkeyless asks AWS about it, for explainLimit.
	asks bool
	// facts are words that the row's places must have been filled with, in
	// message, DETAIL or HINT.
	facts []string
}

// showCauses brings about each of rows and reads what a real client is told:
// all that the row says, its places filled with facts. A row that has no way, and
// a way that has no row, is a failure. Rows mostly wait, so as many run at once as
// in the matrix of faults.
func showCauses(t *testing.T, rows []causes.Cause, ways map[string]way) {
	rig.SideBySide(rows, func(row causes.Cause) {
		t.Run(row.Name, func(t *testing.T) {
			w, ok := ways[row.Name]
			if !ok {
				t.Fatal("no client shows this cause")
			}
			w.show(t, row)
		})
	})
	for name := range ways {
		if !slices.ContainsFunc(rows, func(row causes.Cause) bool { return row.Name == name }) {
			t.Errorf("%s is no row of the table", name)
		}
	}
}

func (y way) show(t *testing.T, row causes.Cause) {
	w := rig.Start(t, y.setup)
	if y.arm != nil {
		y.arm(t, w)
	}
	var got *pgconn.PgError
	switch {
	case y.meet != nil:
		got = y.meet(t, w)
	case y.asks:
		got, _ = explained(func() *pgconn.PgError { return w.Refused(y.client) }, func(got *pgconn.PgError) bool {
			return told(row.Detail).pattern.MatchString(got.Detail) && told(row.Hint).pattern.MatchString(got.Hint) && len(y.untold(got)) == 0
		})
	default:
		got = w.Refused(y.client)
	}
	checkTold(t, row, got, y.state)
	for _, fact := range y.untold(got) {
		t.Errorf("%q is not told", fact)
	}
	w.AwaitCause(row.Name)
}

// untold are the facts that a client was not told.
func (y way) untold(got *pgconn.PgError) (facts []string) {
	for _, fact := range y.facts {
		if !strings.Contains(got.Message+"\n"+got.Detail+"\n"+got.Hint, fact) {
			facts = append(facts, fact)
		}
	}
	return facts
}

// explainLimit is how long pgkeyless asks AWS why a login was refused (explainTimeout in
// proxy/refusal.go), and says what it knows by then.
const explainLimit = 3 * time.Second

// explained is what a client is told that refused makes. One that was told less than it should,
// on a machine so busy that AWS's answer may have come after explainLimit, is followed by
// another; tries counts them.
func explained(refused func() *pgconn.PgError, enough func(*pgconn.PgError) bool) (got *pgconn.PgError, tries int) {
	for deadline := time.Now().Add(rig.Limit); ; {
		began := time.Now()
		got, tries = refused(), tries+1
		if enough(got) || time.Since(began) < explainLimit || time.Now().After(deadline) {
			return got, tries
		}
	}
}

// checkTold compares what a client was told with a row of the table. state is the
// SQLSTATE of rows that leave it open.
func checkTold(t *testing.T, row causes.Cause, got *pgconn.PgError, state string) {
	t.Helper()
	if want := cmp.Or(row.SQLState, state); got.Code != want {
		t.Errorf("SQLSTATE %s, want %q", got.Code, want)
	}
	message := told(row.Message)
	if row.Message == "" { // the other side's words are kept
		message = template{pattern: regexp.MustCompile("(?is)" + regexp.QuoteMeta(row.Says))}
	}
	for _, part := range []struct {
		name string
		want template
		got  string
	}{
		{"message", message, got.Message},
		{"DETAIL", told(row.Detail), got.Detail},
		{"HINT", told(row.Hint), got.Hint},
	} {
		found := part.want.pattern.FindStringSubmatch(part.got)
		if found == nil {
			t.Errorf("%s %q does not have all of the row's: %s", part.name, part.got, part.want.pattern)
			continue
		}
		for i, fact := range part.want.facts {
			if found[i+1] == fact {
				t.Errorf("%s %q has no fact in the place of %q", part.name, part.got, fact)
			}
		}
	}
	if got.Hint == "" {
		t.Error("no HINT")
	}
	t.Logf("%s: %s\nDETAIL: %s\nHINT: %s", got.Code, got.Message, got.Detail, got.Hint)
}

// template is what a text of the table looks like once its places are filled.
type template struct {
	pattern *regexp.Regexp // with a group for each place
	facts   []string       // whose places they are
}

// told reads a text of the table. What stands in brackets there may be missing.
func told(text string) template {
	var t template
	var pattern strings.Builder
	pattern.WriteString("(?s)")
	for _, token := range regexp.MustCompile(`\{[^}]*\}|[\[\]]|[^{\[\]]+`).FindAllString(text, -1) {
		switch {
		case token == "[":
			pattern.WriteString("(?:")
		case token == "]":
			pattern.WriteString(")?")
		case strings.HasPrefix(token, "{"):
			pattern.WriteString("(.+)")
			t.facts = append(t.facts, strings.Trim(token, "{}"))
		default:
			pattern.WriteString(regexp.QuoteMeta(token))
		}
	}
	t.pattern = regexp.MustCompile(pattern.String())
	return t
}
