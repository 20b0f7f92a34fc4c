//go:build linux

package integration

import (
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// TestEveryCauseOfAnAlias starts while DNS fails: pgkeyless ends at once when DNS
// tells that a name leads to no endpoint.
func TestEveryCauseOfAnAlias(t *testing.T) {
	const elsewhere, silent = "orders.corp.example", "ledger.corp.example"
	names := startNameServer(t, map[string]string{elsewhere: "db.elsewhere.example"})
	names.fail(elsewhere, true)
	names.fail(silent, true)
	named := func(host string) setup {
		return setup{args: []string{host + "?via=" + lab.Target}, change: names.asking}
	}
	showCauses(t, []causes.Cause{causes.NotAnAlias, causes.AliasUnanswered}, map[string]way{
		causes.NotAnAlias.Name: {
			setup: named(elsewhere),
			arm:   func(*testing.T, *world) { names.fail(elsewhere, false) },
			facts: []string{elsewhere + " is another name of db.elsewhere.example"},
		},
		causes.AliasUnanswered.Name: {
			setup: named(silent),
			facts: []string{"what " + silent + " stands for", "server misbehaving"},
		},
	})
}
