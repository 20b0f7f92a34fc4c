package targets

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// An RDS Proxy is a pooler, by any of its endpoints, and no guard is a reason to warn.
func TestRDSProxyIsAPooler(t *testing.T) {
	testenv.Isolate(t)
	const domain = "proxy-c9akciq32abc.eu-central-1.rds.amazonaws.com"
	for _, tt := range []struct {
		endpoint, settings string
		pooler             bool
		others             proxy.Others
	}{
		{testenv.Orders, config.SettingsRefuse, false, 0},
		{"orders." + domain, config.SettingsSet, true, proxy.SetOthers},
		{"orders." + domain, config.SettingsDrop, true, proxy.DropOthers},
		{"readers.endpoint." + domain, config.SettingsRefuse, true, proxy.RefuseOthers},
	} {
		var log bytes.Buffer
		r := wireRoute(t, New(slog.New(slog.NewTextHandler(&log, nil)), new(credentials.Profiles)), testenv.Target(tt.endpoint, func(o *config.Options) {
			o.ReadOnly, o.RDSProxySettings = true, tt.settings
		}))
		switch {
		case (r.Pooler != nil) != tt.pooler:
			t.Errorf("%s: pooler %+v, want one: %v", tt.endpoint, r.Pooler, tt.pooler)
		case tt.pooler && (r.Pooler.Name != "RDS Proxy" || r.Pooler.Others != tt.others):
			t.Errorf("%s with %s: pooler %+v, want %v", tt.endpoint, tt.settings, r.Pooler, tt.others)
		}
		if log.Len() > 0 {
			t.Errorf("%s: the log says %s", tt.endpoint, &log)
		}
	}
}
