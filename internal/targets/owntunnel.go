package targets

import (
	"context"
	"errors"
	"net"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/tunnel"
)

// ownTunnel dials the address of a tunnel that is the user's own, which the
// option dial names in place of endpoint. Failures say so.
type ownTunnel struct {
	tunnel.Direct
	endpoint string // "host:port"
}

// DialContext is tunnel.Direct's.
func (o *ownTunnel) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := o.Direct.DialContext(ctx, network, address)
	if errors.Is(err, causes.DirectUnreachable) {
		// The error beneath, for the words of a dial without a jump host would win.
		return nil, causes.OwnTunnelDown.New(causes.Facts{"address": address, "endpoint": o.endpoint}, errors.Unwrap(err))
	}
	return c, err
}
