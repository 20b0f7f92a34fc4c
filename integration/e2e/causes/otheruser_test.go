package causes

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// asOtherUser is what a client of the user nobody is told. bash sends its
// StartupMessage, and prints the answer.
func asOtherUser(t *testing.T, address string) *pgconn.PgError {
	t.Helper()
	packet, err := (&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "app_user"}}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	var escaped strings.Builder
	for _, b := range packet {
		fmt.Fprintf(&escaped, `\x%02x`, b)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", `exec 3<>/dev/tcp/$0/$1; printf %b "$2" >&3; cat <&3`, host, port, escaped.String())
	rig.RunAs(t, "nobody", cmd)
	answer, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	message, err := pgproto3.NewFrontend(bytes.NewReader(answer), io.Discard).Receive()
	if err != nil {
		t.Fatal(err)
	}
	said, ok := message.(*pgproto3.ErrorResponse)
	if !ok {
		t.Fatalf("got %T, want an ErrorResponse", message)
	}
	return pgconn.ErrorResponseToPgError(said)
}
