package rdsproxy

import (
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }
