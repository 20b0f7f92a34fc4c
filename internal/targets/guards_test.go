package targets

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
	"github.com/pgkeyless/pgkeyless/proxy"
)

func TestGuardsBecomeSettings(t *testing.T) {
	testenv.Isolate(t)
	readOnly := proxy.Setting{Name: "default_transaction_read_only", Value: "on"}
	for _, tt := range []struct {
		change func(*config.Options)
		want   []proxy.Setting
		words  string
	}{
		{nil, nil, ""},
		{func(o *config.Options) { o.ReadOnly = true }, []proxy.Setting{readOnly},
			" (default_transaction_read_only=on at login; a client's SET can change it)"},
		{func(o *config.Options) { o.ReadOnly = true; o.StatementTimeout = 90 * time.Second },
			[]proxy.Setting{readOnly, {Name: "statement_timeout", Value: "90000"}},
			" (default_transaction_read_only=on, statement_timeout=90000ms at login; a client's SET can change it)"},
	} {
		r := wireRoute(t, New(slog.New(slog.DiscardHandler), new(credentials.Profiles)), testenv.Target(testenv.Orders, tt.change))
		if !slices.Equal(r.Settings, tt.want) || GuardsInWords(r) != tt.words {
			t.Errorf("settings %v in words %q, want %v and %q", r.Settings, GuardsInWords(r), tt.want, tt.words)
		}
	}
}

// DSQL may refuse the login; people are to know before.
func TestGuardsWarnOfDSQL(t *testing.T) {
	testenv.Isolate(t)
	const dsql = "abcdefghijklmnopqrstuvwxyz.dsql.us-east-1.on.aws"
	for _, test := range []struct {
		endpoint string
		guarded  bool
		want     bool
	}{{dsql, true, true}, {dsql, false, false}, {testenv.Orders, true, false}} {
		var log bytes.Buffer
		w := New(slog.New(slog.NewTextHandler(&log, nil)), new(credentials.Profiles))
		wireRoute(t, w, testenv.Target(test.endpoint, func(o *config.Options) { o.ReadOnly, o.Via = test.guarded, config.ViaNone }))
		if got := strings.Contains(log.String(), "Aurora DSQL may not accept read-only"); got != test.want {
			t.Errorf("%s with guards %v: warned %v, want %v:\n%s", test.endpoint, test.guarded, got, test.want, &log)
		}
	}
}
