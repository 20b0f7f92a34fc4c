package rig

import (
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig/dsql"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// StartDSQL starts a stand-in for Aurora DSQL that is lab.DSQLHost, until the test's end.
func StartDSQL(t *testing.T, change func(*dsql.Config)) *dsql.Server {
	t.Helper()
	d, err := lab.StartDSQL(t.Context(), Shared.Keys, change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}
