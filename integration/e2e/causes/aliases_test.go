//go:build linux

package causes

import (
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// TestEveryCauseOfAnAlias starts while DNS fails: pgkeyless ends at once when DNS
// tells that a name leads to no endpoint.
func TestEveryCauseOfAnAlias(t *testing.T) {
	const elsewhere, silent = "orders.corp.example", "ledger.corp.example"
	names := rig.StartNameServer(t, map[string]string{elsewhere: "db.elsewhere.example"})
	names.Fail(elsewhere, true)
	names.Fail(silent, true)
	named := func(host string) rig.Setup {
		return rig.Setup{Args: []string{host + "?via=" + lab.Target}, Change: names.Asking}
	}
	showCauses(t, []causes.Cause{causes.NotAnAlias, causes.AliasUnanswered}, map[string]way{
		causes.NotAnAlias.Name: {
			setup: named(elsewhere),
			arm:   func(*testing.T, *rig.World) { names.Fail(elsewhere, false) },
			facts: []string{elsewhere + " is another name of db.elsewhere.example"},
		},
		causes.AliasUnanswered.Name: {
			setup: named(silent),
			facts: []string{"resolving " + silent, "server misbehaving"},
		},
	})
}
