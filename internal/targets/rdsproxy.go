package targets

import (
	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// rdsProxyParameters are the run-time parameters that an RDS Proxy takes in a
// StartupMessage.
//
// Source: Amazon RDS user guide, rds-proxy-connecting.html ("Considerations for connecting
// to PostgreSQL").
var rdsProxyParameters = []string{"application_name", "client_encoding", "DateStyle", "TimeZone", "extra_float_digits"}

// pooler is the RDS Proxy that t is, or nil.
func pooler(t config.Target, kind auth.Kind) *proxy.Pooler {
	if kind != auth.KindProxy {
		return nil
	}
	others := map[string]proxy.Others{
		config.SettingsSet: proxy.SetOthers, config.SettingsDrop: proxy.DropOthers, config.SettingsRefuse: proxy.RefuseOthers,
	}
	return &proxy.Pooler{Name: kind.String(), Parameters: rdsProxyParameters, Others: others[t.RDSProxySettings]}
}
