package rig

import (
	"strconv"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// FreePort is a port of 127.0.0.1 that was free a moment ago.
func FreePort(t *testing.T) string {
	t.Helper()
	port, err := pgserver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}
