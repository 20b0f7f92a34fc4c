package tunnel

import (
	"context"
	"fmt"
	"net"
)

// Direct dials a database that is in reach without a jump host, or by a tunnel
// of the user's own. The zero value is ready; concurrent use is safe.
type Direct struct{ net.Dialer }

// DialContext is net.Dialer's. Its errors are *Error.
func (d Direct) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, &Error{
			msg:    fmt.Sprintf("cannot connect to %s: %s", address, clean(err.Error())),
			state:  stateUnreachable,
			detail: "directly, without a jump host",
			hint: "if the database is private, name a jump host (`via`); otherwise check host and port, that it is running, " +
				"and that its security group allows this machine",
			err: err,
		}
	}
	return c, nil
}
