package proxy

import (
	"errors"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// pingName is what pg_isready calls itself, unless its user says otherwise.
//
// Source: PostgreSQL 18, src/bin/scripts/pg_isready.c, fallback_application_name.
const pingName = "pg_isready"

// pingHint goes to the log only: pg_isready has its answer.
const pingHint = "pg_isready logs in as a user that it guesses, and accepts a refusal; to avoid these logins, let the health check only connect to the port"

// isPing reports whether m is of a client that only asks whether there is a
// server: by a login whose outcome it does not care about. libpq tries that once
// with TLS and once without.
func isPing(m startupMessage) bool { return m.value("application_name") == pingName }

// guessed reports whether err is about the user, the database or the target, which
// a ping makes up. What else is wrong would be wrong for other clients, too.
func guessed(err error) bool {
	var said *refusal
	if errors.As(err, &said) {
		return strings.HasPrefix(said.code, "28") || said.code == "3D000" || said.code == "42501"
	}
	return errors.Is(err, causes.NoTarget) || errors.Is(err, causes.NoSuchTarget) || errors.Is(err, causes.NoUser)
}
