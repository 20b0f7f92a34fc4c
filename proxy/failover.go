package proxy

import (
	"bytes"
	"fmt"
	"net"
)

// stateReadOnly is what writing at a reader gives: after a failover, that of a
// connection to the old writer.
const stateReadOnly = "25006"

// failOvers are the SQLSTATEs that come with a failover, as they stand in an
// ErrorResponse: behind the NUL that ends the field before them.
var failOvers = []struct {
	state string
	field []byte
}{
	{stateShuttingDown, []byte("\x00C" + stateShuttingDown + "\x00")},
	{stateReadOnly, []byte("\x00C" + stateReadOnly + "\x00")},
}

// fieldLen is the length of each field in failOvers.
const fieldLen = len("\x00C57P01\x00")

// maxLook is how long bytes of an event loop may be to be looked at for a failover: an
// error comes alone, and a look at every row of a download would cost more than it saves.
const maxLook = 4 << 10

// failOverIn returns the SQLSTATE of a failover that p has, or "".
func failOverIn(p []byte) string {
	for _, f := range failOvers {
		if bytes.Contains(p, f.field) {
			return f.state
		}
	}
	return ""
}

// failOverReason is what a conn is retired with.
func failOverReason(state string) string {
	return fmt.Sprintf("the database said SQLSTATE %s, as after a failover", state)
}

// toClient looks out for a failover in what the database says, and calls found with
// its SQLSTATE once.
//
// It reads bytes and no messages, so a row that holds such bytes is taken for
// one too, as is an administrator who ends one connection: that costs a session
// of the tunnel its further streams, and nobody their connection. The look
// costs about half a millisecond for a megabyte (see its benchmark), against the
// second that a megabyte takes one session, and is paid only over conns that can
// be retired. A field that two writes share is found.
type toClient struct {
	net.Conn
	found func(state string)
	over  bool                 // found was called
	last  [2*fieldLen - 2]byte // its first kept bytes end what was written
	kept  int
}

// NetConn returns the conn beneath, as (*tls.Conn).NetConn does: it may hold what a loop
// had to leave.
func (w *toClient) NetConn() net.Conn { return w.Conn }

func (w *toClient) Write(p []byte) (int, error) {
	if !w.over {
		w.look(p)
	}
	return w.Conn.Write(p)
}

func (w *toClient) look(p []byte) {
	seam := append(w.last[:w.kept], p[:min(len(p), fieldLen-1)]...)
	for _, f := range failOvers {
		if bytes.Contains(seam, f.field) || bytes.Contains(p, f.field) {
			w.over = true
			w.found(f.state)
			return
		}
	}
	end := seam
	if len(p) >= fieldLen-1 {
		end = p
	}
	w.kept = copy(w.last[:fieldLen-1], end[max(0, len(end)-(fieldLen-1)):])
}
