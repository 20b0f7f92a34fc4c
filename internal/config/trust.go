package config

import "github.com/pgkeyless/pgkeyless/internal/loopback"

// mayBeFound says whether a config file that was found, and not named by
// anybody, may give option this value. Such a file came with a directory, and
// the directory perhaps from somebody else: it may choose databases and ways to
// them, but neither open this machine to others, nor run a command, nor vouch
// for a certificate. What is not listed it may not.
func mayBeFound(option, value string) bool {
	switch option {
	case "via", "dial", "user", "dbname", "port", "region", "profile",
		"sessions", "session-age", "warm", "keep-alive", "ready-logins", "sslnegotiation", "endpoint", "read-only", "statement-timeout", "rds-proxy-settings",
		"structured-logs", "debug-logs", "quiet", "min-sigterm-delay", "max-sigterm-delay", "exit-zero-on-sigterm",
		"shared-port", "default-target", "max-connections", "login-timeout":
		return true
	case "secret": // any other than the database's own could be meant for another one
		return value == SecretManaged
	case "address":
		return loopback.Is(value)
	case "unix-socket":
		return value == SocketNone || value == "off"
	}
	return false
}
