package targets

import (
	"strconv"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// Guards are the settings with which a target's clients are logged in.
func Guards(o config.Options) []proxy.Setting {
	var settings []proxy.Setting
	if o.ReadOnly {
		settings = append(settings, proxy.Setting{Name: "default_transaction_read_only", Value: "on"})
	}
	if o.StatementTimeout > 0 {
		settings = append(settings, proxy.Setting{Name: "statement_timeout", Value: strconv.FormatInt(o.StatementTimeout.Milliseconds(), 10)})
	}
	return settings
}

// guardsRefused says which of t's guards its database may not take, or "".
//
// Source: that DSQL has no statement_timeout is from reports of its users.
func guardsRefused(t config.Target, kind auth.Kind) string {
	if len(Guards(t.Options)) == 0 || kind != auth.KindDSQL {
		return ""
	}
	return "Aurora DSQL may not accept read-only and statement-timeout; it then refuses logins, and the client reads why"
}
