package secrets

import (
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// The shared database asks two users in other ways than for a token or by SCRAM.
func TestMain(m *testing.M) {
	rig.MainWith(m, func(c *pgserver.Config) {
		c.ExtraHBA = "hostssl all " + md5User + " all md5\nhostssl all " + clearUser + " all password"
	})
}
