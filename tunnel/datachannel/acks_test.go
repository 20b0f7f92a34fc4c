package datachannel

import (
	"slices"
	"testing"
	"time"
)

func TestAcksKeepTheirOrder(t *testing.T) {
	var a acks
	next, want := int64(0), int64(0)
	for round := range 1000 {
		for range round%7 + 1 {
			a.push(owed{seq: next})
			next++
		}
		for range round % 11 {
			if o, ok := a.pop(time.Time{}); ok {
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
	a.pop(time.Time{})
	if a.full() {
		t.Errorf("full with %d", a.len())
	}
}

func TestAcksAreRepeated(t *testing.T) {
	var a acks
	start := time.Unix(1000, 0)
	const written = maxWritten + 66 // the first 76 are forgotten, with the ten at the end
	for i := range int64(written) {
		a.push(owed{seq: i})
		a.pop(start.Add(time.Duration(i) * time.Millisecond))
	}
	for range 10 { // one that came often
		a.push(owed{seq: written - 1})
		a.pop(start.Add(time.Second))
	}
	drain := func() (seqs []int64) {
		for {
			o, ok := a.pop(start.Add(time.Hour))
			if !ok {
				return seqs
			}
			seqs = append(seqs, o.seq)
		}
	}
	a.repeat(90, start, start.Add(99*time.Millisecond))
	if got, want := drain(), []int64{90, 91, 92, 93, 94, 95, 96, 97, 98, 99}; !slices.Equal(got, want) {
		t.Errorf("repeated %v, want %v", got, want)
	}
	a.repeat(0, start, start.Add(time.Minute))
	if got := drain(); len(got) != written-76-10-10 || got[0] != 86 || !slices.IsSorted(got) {
		t.Errorf("repeated %d from %d, want %d from 86, in order", len(got), got[0], written-76-10-10)
	}
	a.repeat(0, time.Time{}, start.Add(time.Minute))
	if got := drain(); len(got) != 0 {
		t.Errorf("repeated %v a second time", got)
	}
}

func TestRepeatedAcksStayInBounds(t *testing.T) {
	var a acks
	for i := range int64(maxWritten) {
		a.push(owed{seq: i})
		a.pop(time.Time{})
	}
	for range maxOwed - 3 {
		a.push(owed{})
	}
	a.repeat(0, time.Time{}, time.Time{})
	if a.len() != maxOwed {
		t.Errorf("%d wait, want %d", a.len(), maxOwed)
	}
}
