package causes

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

func TestEveryCauseAtTheJumpHost(t *testing.T) {
	agents := func(output string) func(*testing.T, *rig.World) {
		return func(_ *testing.T, w *rig.World) { w.AWS.FailAgents(output) }
	}
	handshakes := func(f gateway.Intercept) func(*testing.T, *rig.World) {
		return func(_ *testing.T, w *rig.World) { w.AWS.SetIntercept(f) }
	}
	const (
		banner   = "\n----------ERROR-------\n"
		starting = "starting SSM session on " + lab.Target
		lost     = "SSM session on " + lab.Target + " lost"
		session  = ", SSM session ada-"
	)
	one := rig.Setup{Options: []string{"sessions=1"}}
	showCauses(t, causes.JumpHost(), map[string]way{
		causes.AddressForbidden.Name: {
			arm:   func(_ *testing.T, w *rig.World) { w.AWS.SetHost(lab.Endpoint, "169.254.169.254:80") },
			facts: []string{starting, "Forwarding to IP address " + lab.Host + " is forbidden.", session},
		},
		causes.NameUnknown.Name: {
			arm:   func(_ *testing.T, w *rig.World) { w.AWS.SetHost(lab.Endpoint, "") },
			facts: []string{starting, "lookup " + lab.Host + " on 169.254.169.253:53: no such host", session},
		},
		causes.LookupFailed.Name: {
			arm:   func(_ *testing.T, w *rig.World) { w.AWS.FailLookups("server misbehaving") },
			facts: []string{starting, "lookup " + lab.Host + " on 169.254.169.253:53: server misbehaving", session},
		},
		causes.PortEmpty.Name: {
			arm:   agents(banner + "Port number is empty in session properties"),
			facts: []string{starting, "document AWS-StartPortForwardingSessionToRemoteHost", session},
		},
		causes.PortUnreachable.Name: {
			arm:   agents(banner + "Unable to connect to specified port: dial tcp 10.0.0.9:5432: connect: connection refused"),
			facts: []string{starting, "connection refused", lab.Host, session},
		},
		causes.AgentTooOld.Name: {
			setup: rig.Setup{Emulator: func(c *awsemu.Config) { c.AgentVersion = "2.3.612.0" }},
			facts: []string{starting, "please update to latest version", session},
		},
		causes.AgentChannelFailed.Name: {
			arm:   agents(banner + "Setting up data channel with id ada-0a1b failed: AccessDeniedException"),
			facts: []string{starting, "could not open its side: Setting up data channel with id ada-0a1b failed: AccessDeniedException", session},
		},
		causes.AgentHandshakeFailed.Name: {
			setup: rig.Setup{Emulator: func(c *awsemu.Config) { c.HandshakeLimit = 2 * time.Second }},
			arm:   handshakes(gateway.NoHandshake()),
			facts: []string{starting, "Handshake timed out.", session},
		},
		causes.AgentSays.Name: {
			arm:   agents("the instance is stopping"),
			state: "08001",
			facts: []string{starting, "the jump host says: the instance is stopping", session},
		},
		causes.SessionClosed.Name: {
			setup: one, state: "57P01",
			meet:  beneath(func(w *rig.World) { w.AWS.TerminateSession(w.Carrying()[0].ID, "") }),
			facts: []string{lost, session},
		},
		causes.SessionOver.Name: {
			setup: one, state: "57P01",
			meet:  beneath(func(w *rig.World) { w.AWS.EndOnResume(1); w.AWS.CutWebsockets() }),
			facts: []string{lost, session},
		},
		causes.SessionLost.Name: {
			setup: one, state: "08006",
			meet: beneath(func(w *rig.World) {
				w.AWS.SetIntercept(loseOneForGood())
				w.AWS.SendPayload(99, []byte("lost"))
				w.AWS.SendPayload(99, []byte("not lost"))
			}),
			facts: []string{lost, "too many messages of the SSM agent are lost", session},
		},
		causes.WrongDocument.Name: {
			arm:   handshakes(gateway.OtherSession("Standard_Stream")),
			state: "08001",
			facts: []string{starting, "agent 3.3.1142.0: session type Standard_Stream instead of Port", "document AWS-StartPortForwardingSessionToRemoteHost", session},
		},
		causes.AgentSilent.Name: {
			setup: rig.Setup{Emulator: func(c *awsemu.Config) { c.HandshakeLimit = -1 }}, // else the agent may lose its patience first, a second later
			arm:   handshakes(gateway.NoHandshake()),
			state: "08001",
			facts: []string{starting, "the SSM agent did not finish the handshake in time", "SSM agent on " + lab.Target, session},
		},
		causes.JumpHostGone.Name: {
			setup: one, state: "08006",
			meet:  beneath(func(w *rig.World) { w.AWS.FreezeAgents(true) }),
			facts: []string{lost, "the SSM agent has stopped answering", session},
		},
		causes.StillStarting.Name: {
			setup: rig.Setup{Flags: []string{"--login-timeout", "10s"}},
			arm:   handshakes(gateway.NoHandshake()),
			facts: []string{starting},
		},
	})
}

// beneath is a client that is connected when end happens to its SSM session, and
// then asks something.
func beneath(end func(w *rig.World)) func(*testing.T, *rig.World) *pgconn.PgError {
	return func(t *testing.T, w *rig.World) *pgconn.PgError {
		t.Helper()
		conn := w.Connect("")
		end(w)
		ctx, cancel := context.WithTimeout(t.Context(), rig.ErrorLimit)
		defer cancel()
		_, err := conn.Exec(ctx, "select 1")
		var told *pgconn.PgError
		if !errors.As(err, &told) {
			t.Fatalf("%v (%T), want an ErrorResponse\n%s", err, err, w.Proxy.Output())
		}
		return told
	}
}

// loseOneForGood loses the next data message to the client, each time that it is
// sent.
func loseOneForGood() gateway.Intercept {
	var lost atomic.Int64
	return func(_ string, way gateway.Direction, msg []byte) []gateway.Delivery {
		if way == gateway.ToClient && len(msg) > 56 && bytes.HasPrefix(msg[4:], []byte("output_stream_data")) {
			number := int64(binary.BigEndian.Uint64(msg[48:]))
			if lost.CompareAndSwap(0, number) || lost.Load() == number {
				return nil
			}
		}
		return []gateway.Delivery{{Message: msg}}
	}
}
