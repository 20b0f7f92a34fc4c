package targets

import (
	"fmt"
	"strings"

	"github.com/pgkeyless/pgkeyless/proxy"
)

// MeaningOf says which endpoint the name of r means, if it had to be looked
// up: ", which is HOST".
func MeaningOf(r proxy.Route) string {
	switch {
	case r.Resolve == nil:
		return ""
	case r.TLS == nil:
		return ", not looked up yet"
	}
	if host := r.TLS().ServerName; !strings.EqualFold(host, r.Name) { // asked for its secret alone
		return ", which is " + host
	}
	return ""
}

// GuardsInWords tells people of r's settings, and how far they go: " (…)", or
// nothing. PostgreSQL lets every user SET them later.
func GuardsInWords(r proxy.Route) string {
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
