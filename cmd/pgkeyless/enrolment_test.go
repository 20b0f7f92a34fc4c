package main

import (
	"sync"
	"testing"
)

// Whichever of a reload and a signal comes first, nobody is led to a proxy that
// ends.
func TestWithdrawnProxyStaysAway(t *testing.T) {
	r := registry{t.TempDir()}
	register := func(before *announcement) *announcement {
		a, err := r.announce(before, []served{{Key: "k"}})
		if err != nil {
			t.Error(err)
		}
		return a
	}
	for range 50 {
		e := new(enrolment)
		e.renew(register)
		if _, ok := r.find(key("k")); !ok {
			t.Fatal("not found")
		}
		var both sync.WaitGroup
		both.Go(func() { e.renew(register) })
		both.Go(e.withdraw)
		both.Wait()
		e.withdraw()
		if _, ok := r.find(key("k")); ok {
			t.Fatal("found after it has withdrawn")
		}
	}
}
