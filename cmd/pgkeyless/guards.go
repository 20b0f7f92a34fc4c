package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// guards are the settings with which t's clients are logged in.
func guards(o config.Options) []proxy.Setting {
	var settings []proxy.Setting
	if o.ReadOnly {
		settings = append(settings, proxy.Setting{Name: "default_transaction_read_only", Value: "on"})
	}
	if o.StatementTimeout > 0 {
		settings = append(settings, proxy.Setting{Name: "statement_timeout", Value: strconv.FormatInt(o.StatementTimeout.Milliseconds(), 10)})
	}
	return settings
}

// guardsInWords tells people of r's settings, and how far they go: " (…)", or
// nothing. PostgreSQL lets every user SET them later.
func guardsInWords(r proxy.Route) string {
	if len(r.Settings) == 0 {
		return ""
	}
	words := make([]string, len(r.Settings))
	for i, set := range r.Settings {
		words[i] = set.Name + "=" + set.Value
		if set.Name == "statement_timeout" {
			words[i] += "ms"
		}
	}
	return fmt.Sprintf(" (%s at login; a client's SET can change it)", strings.Join(words, ", "))
}

// guardsRefused says which of t's guards its database will not take, or "".
//
// Source: Amazon RDS user guide, "RDS Proxy limitations" for PostgreSQL.
func guardsRefused(t config.Target, kind auth.Kind) string {
	if kind != auth.KindProxy || len(guards(t.Options)) == 0 {
		return ""
	}
	return "an RDS Proxy takes few start-up parameters, and refuses logins with read-only or statement-timeout"
}
