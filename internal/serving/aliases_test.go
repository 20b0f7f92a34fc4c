package serving

import (
	"reflect"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

func TestAliasesAreClear(t *testing.T) {
	target := func(name, endpoint string) config.Target { return config.Target{Name: name, Endpoint: endpoint} }
	got := aliases([]config.Target{
		target("orders", "a.x.eu-central-1.rds.amazonaws.com:5433"),
		target("b.x.eu-central-1.rds.amazonaws.com", "b.x.eu-central-1.rds.amazonaws.com"),
		target("c.x.eu-central-1.rds.amazonaws.com", "c.x.eu-central-1.rds.amazonaws.com"),
		target("c.y.eu-central-1.rds.amazonaws.com", "C.y.eu-central-1.rds.amazonaws.com"),
		target("by-name", ""),
		target("x", "orders.z.eu-central-1.rds.amazonaws.com"),
		target("local", "database:5433"),
	})
	want := [][]string{
		{"a.x.eu-central-1.rds.amazonaws.com", "a"},
		{"b"},
		nil, // c may be either
		nil,
		nil,
		{"orders.z.eu-central-1.rds.amazonaws.com"}, // orders is another target's name
		{"database"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
