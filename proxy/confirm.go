package proxy

import (
	"bytes"
	"slices"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// readOnlySetting is the one guard that PostgreSQL reports, from version 14 on.
//
// Source: PostgreSQL 18 docs, protocol-flow.html#PROTOCOL-ASYNC.
const readOnlySetting = "default_transaction_read_only"

// confirm notes what the body of a ParameterStatus says of the guard.
func (l *login) confirm(body []byte) {
	name, value, _ := bytes.Cut(body, []byte{0})
	if string(name) == readOnlySetting {
		l.guard = string(bytes.TrimSuffix(value, []byte{0})) == "on"
	}
}

// unconfirmed is the error of a login whose session is to read only, where the database
// has not reported that it does.
func (l *login) unconfirmed() error {
	wants := slices.ContainsFunc(l.route.Settings, func(s Setting) bool {
		return strings.EqualFold(s.Name, readOnlySetting) && s.Value == "on"
	})
	if !l.route.ConfirmSettings || !wants || l.guard {
		return nil
	}
	return causes.GuardUnconfirmed.New(causes.Facts{"database": l.route.Name}, nil)
}
