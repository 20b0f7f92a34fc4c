package datachannel

import "testing"

func TestAcksKeepTheirOrder(t *testing.T) {
	var a acks
	next, want := int64(0), int64(0)
	for round := range 1000 {
		for range round%7 + 1 {
			a.push(owed{seq: next})
			next++
		}
		for range round % 11 {
			if o, ok := a.pop(); ok {
				if o.seq != want {
					t.Fatalf("got %d, want %d", o.seq, want)
				}
				want++
			}
		}
		if got := int64(a.len()); got != next-want {
			t.Fatalf("%d wait, want %d", got, next-want)
		}
	}
	if cap(a.waiting) > 100 {
		t.Errorf("capacity is %d for a few waiting", cap(a.waiting))
	}
}

func TestAcksAreFull(t *testing.T) {
	var a acks
	for range maxOwed - 1 {
		a.push(owed{})
	}
	if a.full() {
		t.Errorf("full with %d", a.len())
	}
	a.push(owed{})
	if !a.full() {
		t.Errorf("not full with %d", a.len())
	}
	a.pop()
	if a.full() {
		t.Errorf("full with %d", a.len())
	}
}
