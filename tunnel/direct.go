package tunnel

import (
	"context"
	"errors"
	"net"
	"syscall"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// Direct dials a database that this machine reaches without a jump host, or through
// the user's own tunnel. The zero value is ready; concurrent use is safe.
type Direct struct{ net.Dialer }

// DialContext is net.Dialer's. Its errors have words for people, as those of
// Dialer.DialContext.
func (d Direct) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		row := causes.DirectUnreachable
		if errors.Is(err, syscall.EMFILE) {
			row = causes.OutOfFiles
		}
		return nil, row.New(place{address: address}.facts(), err)
	}
	return c, nil
}
