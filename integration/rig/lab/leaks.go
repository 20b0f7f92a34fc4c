package lab

import "strings"

// Leaks looks in what a pgkeyless with c has printed for what must never be
// there: secrets, data races, panics. It names what it finds, not the secret.
func (c Credentials) Leaks(output string) []string {
	var found []string
	for _, sign := range []struct{ what, text string }{
		{"a data race", "DATA RACE"},
		{"a panic", "panic:"},
		{"the secret key", c.SecretAccessKey},
		{"the session token", c.SessionToken[:40]},
		{"a signature", "X-Amz-Signature"},
		{"a security token", "X-Amz-Security-Token"},
		{"a stream URL", "/v1/data-channel/"},
		{"an SSM token", "TokenValue"},
	} {
		if strings.Contains(output, sign.text) {
			found = append(found, sign.what+" printed")
		}
	}
	return found
}
