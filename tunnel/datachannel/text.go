package datachannel

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxForeignText = 2000                     // runes of foreign text shown to people; ours
	errorBanner    = "----------ERROR-------" // the agent's, before some reasons
)

// customerMessage returns what the agent wants its user to read, from a
// HandshakeComplete payload; "" when there is nothing or it cannot be read.
func customerMessage(payload []byte) string {
	var complete struct{ CustomerMessage string }
	if json.Unmarshal(payload, &complete) != nil {
		return ""
	}
	return foreignText(complete.CustomerMessage)
}

// closedOutput returns the reason in a channel_closed payload; "" when there is
// none or it cannot be read: the session is over all the same.
func closedOutput(payload []byte) string {
	var closed struct{ Output string }
	if json.Unmarshal(payload, &closed) != nil {
		return ""
	}
	return strings.TrimSpace(strings.TrimPrefix(foreignText(closed.Output), errorBanner))
}

// foreignText makes text of the other side fit for a terminal: runs of control
// and invalid characters become one space, and its length is bounded.
func foreignText(s string) string {
	var b strings.Builder
	runes := 0
	space := false
	for _, r := range s {
		if r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsGraphic(r) {
			space = true
			continue
		}
		if runes++; runes > maxForeignText {
			b.WriteString(" …")
			break
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
	}
	return b.String()
}
