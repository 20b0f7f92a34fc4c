package targets

import (
	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/config"
)

// readyLogins is how many logins at t's database may wait for their clients. Where nobody
// has said, a pooler has none: it is fast to log in at, and one that waits may hold a
// connection of its database. DSQL has none either: it counts new connections, and ends
// them after an hour.
//
// Source: Amazon RDS user guide, "RDS Proxy concepts and terminology"; Aurora DSQL user
// guide, "Cluster quotas and database limits".
func readyLogins(t config.Target, kind auth.Kind) int {
	switch {
	case t.ReadyLogins != config.ReadyLoginsDefault:
		return t.ReadyLogins
	case kind == auth.KindProxy, kind == auth.KindDSQL:
		return 0
	}
	return config.ReadyLoginsUsual
}
