package environ

import (
	"slices"
	"testing"
)

var environment = []string{"PATH=/bin", "PGUSER=ada", "PGUSERS=all", "EMPTY=", "PGUSER=bob", "URL=a=b", "odd"}

func TestLookUpTakesTheLastOfAName(t *testing.T) {
	for name, want := range map[string]string{"PGUSER": "bob", "PATH": "/bin", "EMPTY": "", "URL": "a=b", "PG": "", "odd": "", "pguser": ""} {
		if got := LookUp(environment, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestWithoutDropsEachOfAName(t *testing.T) {
	want := []string{"PATH=/bin", "PGUSERS=all", "EMPTY=", "odd"}
	if got := Without(environment, []string{"PGUSER", "URL", "UNSET"}); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
