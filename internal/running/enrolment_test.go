package running

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// Whichever of a reload and a signal comes first, nobody is led to a proxy that
// ends.
func TestWithdrawnProxyStaysAway(t *testing.T) {
	r := registry{filepath.Join(testenv.Isolate(t), "pgkeyless")}
	register := func(e *Enrolment) {
		if err := e.Renew([]Served{{Name: "k"}}); err != nil {
			t.Error(err)
		}
	}
	for range 50 {
		e := new(Enrolment)
		register(e)
		if _, ok := find(r, "k"); !ok {
			t.Fatal("not found")
		}
		var both sync.WaitGroup
		both.Go(func() { register(e) })
		both.Go(e.Withdraw)
		both.Wait()
		e.Withdraw()
		if _, ok := find(r, "k"); ok {
			t.Fatal("found after it has withdrawn")
		}
	}
}
