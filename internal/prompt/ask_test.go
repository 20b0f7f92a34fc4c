package prompt

import (
	"errors"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/credentials"
)

func TestNobodyIsAskedOnATerminalThatAProgramReads(t *testing.T) {
	c := Config{Taken: func() string { return "psql" }}
	_, err := c.mfaFromTerminal(t.Context(), credentials.MFAQuestion{Profile: "dev", Device: "phone"})
	if !errors.Is(err, credentials.ErrNobodyToAsk) || !strings.Contains(err.Error(), "psql reads the terminal") {
		t.Errorf("got %v", err)
	}
}
