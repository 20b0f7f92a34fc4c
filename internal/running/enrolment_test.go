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

// A proxy that drains gets nobody new, and can still be asked.
func TestDrainingProxyCanBeAsked(t *testing.T) {
	r := registry{filepath.Join(testenv.Isolate(t), "pgkeyless")}
	e := new(Enrolment)
	e.Administer(&Admin{Network: "unix", Address: "/run/x.sock"})
	if err := e.Renew([]Served{{Name: "k"}}); err != nil {
		t.Fatal(err)
	}
	if all := Proxies(); len(all) != 1 || len(all[0].Served) != 1 || all[0].Admin == nil || all[0].Admin.Address != "/run/x.sock" {
		t.Errorf("serving: %+v", all)
	}
	for range 2 {
		if err := e.Drain(); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Renew([]Served{{Name: "k"}}); err != nil { // a reload that was under way
		t.Fatal(err)
	}
	if _, ok := find(r, "k"); ok {
		t.Error("found while it drains")
	}
	if all := Proxies(); len(all) != 1 || all[0].Admin == nil {
		t.Errorf("draining: %+v", all)
	}
	e.Withdraw()
	if all := Proxies(); len(all) != 0 {
		t.Errorf("after the end: %+v", all)
	}
}

// Without a place to ask, a draining proxy is not in the registry.
func TestDrainingProxyWithoutAdmin(t *testing.T) {
	testenv.Isolate(t)
	e := new(Enrolment)
	if err := e.Renew([]Served{{Name: "k"}}); err != nil {
		t.Fatal(err)
	}
	if err := e.Drain(); err != nil {
		t.Fatal(err)
	}
	if all := Proxies(); len(all) != 0 {
		t.Errorf("draining: %+v", all)
	}
	e.Withdraw()
}
