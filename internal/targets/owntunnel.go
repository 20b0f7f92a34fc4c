package targets

import (
	"context"
	"errors"
	"net"
	"syscall"

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
	if e, ok := errors.AsType[*tunnel.Error](err); ok && !errors.Is(err, syscall.EMFILE) {
		told := causes.OwnTunnelDown.Fill(causes.Facts{"address": address, "endpoint": o.endpoint})
		return nil, &ownTunnelError{e, told}
	}
	return c, err
}

// ownTunnelError is err with the words for a tunnel of the user's own.
type ownTunnelError struct {
	err  *tunnel.Error
	told causes.Told
}

func (e *ownTunnelError) Error() string    { return e.err.Error() }
func (e *ownTunnelError) Unwrap() error    { return e.err }
func (e *ownTunnelError) SQLState() string { return e.err.SQLState() }
func (e *ownTunnelError) Detail() string   { return e.told.Detail }
func (e *ownTunnelError) Hint() string     { return e.told.Hint }
func (e *ownTunnelError) Cause() string    { return causes.OwnTunnelDown.Name }
