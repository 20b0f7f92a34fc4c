package targets

import (
	"testing"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/config"
)

func TestReadyLoginsByKindOfDatabase(t *testing.T) {
	tests := []struct {
		said int
		kind auth.Kind
		want int
	}{
		{config.ReadyLoginsDefault, auth.KindInstance, 4},
		{config.ReadyLoginsDefault, auth.KindCluster, 4},
		{config.ReadyLoginsDefault, auth.KindOther, 4},
		{config.ReadyLoginsDefault, auth.KindProxy, 0},
		{config.ReadyLoginsDefault, auth.KindDSQL, 0},
		{2, auth.KindProxy, 2},
		{1, auth.KindDSQL, 1},
		{0, auth.KindInstance, 0},
		{64, auth.KindInstance, 64},
	}
	for _, test := range tests {
		target := config.Target{Options: config.Options{ReadyLogins: test.said}}
		if got := readyLogins(target, test.kind); got != test.want {
			t.Errorf("option %d at %v: %d ready logins, want %d", test.said, test.kind, got, test.want)
		}
	}
}
