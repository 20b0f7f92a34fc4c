package datachannel

import (
	"encoding/json"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/display"
)

// errorBanner is the agent's, before some reasons.
const errorBanner = "----------ERROR-------"

// customerMessage returns what the agent wants its user to read, from a
// HandshakeComplete payload; "" when there is nothing or it cannot be read.
func customerMessage(payload []byte) string {
	var complete struct{ CustomerMessage string }
	if json.Unmarshal(payload, &complete) != nil {
		return ""
	}
	return display.Line(complete.CustomerMessage)
}

// closedOutput returns the reason in a channel_closed payload; "" when there is
// none or it cannot be read: the session is over all the same.
func closedOutput(payload []byte) string {
	var closed struct{ Output string }
	if json.Unmarshal(payload, &closed) != nil {
		return ""
	}
	return display.Line(strings.TrimPrefix(strings.TrimSpace(closed.Output), errorBanner))
}
