package targets

import (
	"log/slog"
	"slices"
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
