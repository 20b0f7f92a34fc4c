package proxy

import (
	"errors"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// expected is what Route.Ended says of a session that ended now with err, as explained
// has it; nil where the client or the proxy has ended it, or a tunnel that has words of its
// own. Whether the database said something before makes no difference.
func (r *relay) expected(err error, now time.Time) error {
	othersWords := causes.SQLState(err) != "" && !errors.Is(err, causes.DatabaseLost)
	if r.over == nil || r.said.Load() || r.shut.Load() || ownDoing(err) || othersWords {
		return nil
	}
	return r.over(now.Sub(r.server.since))
}
