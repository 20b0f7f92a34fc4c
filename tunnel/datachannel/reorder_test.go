package datachannel

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func output(seq int64, size int) Message {
	return Message{Type: TypeOutput, Seq: seq, PayloadType: PayloadOutput, Payload: make([]byte, size)}
}

func TestReorderSortsIn(t *testing.T) {
	type step struct {
		seq  int64
		want arrival
		out  []int64 // numbers handed out, in order
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"in order", []step{{0, inOrder, []int64{0}}, {1, inOrder, []int64{1}}}},
		{"early", []step{{2, early, nil}, {1, early, nil}, {0, inOrder, []int64{0, 1, 2}}, {3, inOrder, []int64{3}}}},
		{"two gaps", []step{{1, early, nil}, {4, early, nil}, {0, inOrder, []int64{0, 1}}, {3, early, nil}, {2, inOrder, []int64{2, 3, 4}}}},
		{"duplicates", []step{{0, inOrder, []int64{0}}, {0, duplicate, nil}, {3, early, nil}, {3, duplicate, nil}, {0, duplicate, nil}}},
	}
	for _, test := range tests {
		r := newReorder(1 << 20)
		for i, s := range test.steps {
			got, err := r.add(epoch, output(s.seq, 10))
			if got != s.want || err != nil {
				t.Errorf("%s, step %d: got %v and %v, want %v", test.name, i, got, err, s.want)
			}
			var out []int64
			if got == inOrder {
				out = append(out, s.seq)
				for m, ok := r.take(epoch); ok; m, ok = r.take(epoch) {
					out = append(out, m.Seq)
				}
			}
			if !slices.Equal(out, s.out) {
				t.Errorf("%s, step %d: handed out %v, want %v", test.name, i, out, s.out)
			}
		}
	}
}

func TestReorderOfAnyOrder(t *testing.T) {
	const n = 200
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		r := newReorder(1 << 20)
		var out []int64
		for _, i := range random.Perm(2 * n) {
			m := output(int64(i/2), 10)
			what, err := r.add(epoch, m)
			if err != nil {
				t.Fatal(err)
			}
			if what == inOrder {
				out = append(out, m.Seq)
				for m, ok := r.take(epoch); ok; m, ok = r.take(epoch) {
					out = append(out, m.Seq)
				}
			}
		}
		if len(out) != n || !slices.IsSorted(out) || r.bytes != 0 || len(r.held) != 0 || r.missing() != 0 {
			t.Fatalf("%d of %d handed out, %d bytes held, %d missing: %v", len(out), n, r.bytes, r.missing(), out)
		}
	}
}

func TestReorderHasABudget(t *testing.T) {
	r := newReorder(3 * (1000 + heldOverhead))
	for seq := int64(1); seq <= 3; seq++ {
		if _, err := r.add(epoch, output(seq, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.add(epoch, output(4, 0)); !errors.Is(err, errReorderFull) {
		t.Errorf("got %v, want %v", err, errReorderFull)
	}
	if what, err := r.add(epoch, output(2, 1000)); what != duplicate || err != nil {
		t.Errorf("a duplicate in a full buffer: %v and %v", what, err)
	}
	if what, err := r.add(epoch, output(0, 1000)); what != inOrder || err != nil {
		t.Errorf("the expected one with a full buffer: %v and %v", what, err)
	}
}

func TestGapRule(t *testing.T) {
	const patience, timeout = 60 * time.Second, 10 * time.Second
	tests := []struct {
		name  string
		seqs  []int64
		after time.Duration
		want  string // a part of the reason; "": wait
	}{
		{name: "nothing missing", seqs: []int64{0, 1, 2}, after: time.Hour},
		{name: "one missing", seqs: []int64{0, 2}, after: timeout - 1},
		{name: "one missing for too long", seqs: []int64{0, 2, 3}, after: timeout, want: "number 1 is missing for 10s, 2 later messages wait"},
		{name: "a repair of 16 s", seqs: []int64{160}},
		{name: "a repair of 54 s", seqs: []int64{549}},
		{name: "a repair that would just fit", seqs: []int64{600}, want: "600 messages are missing, their repair would take 1m0s"},
		{name: "one lost in a stream of thousands", seqs: sequence(1, 5000)},
		{name: "the highest number there is", seqs: []int64{1<<63 - 1}, want: "9223372036854775807 messages"},
	}
	for _, test := range tests {
		r := newReorder(1 << 30)
		for _, seq := range test.seqs {
			if _, err := r.add(epoch, output(seq, 1)); err != nil {
				t.Fatal(err)
			}
		}
		got := r.hopeless(epoch.Add(test.after), patience, timeout)
		if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestGapClock(t *testing.T) {
	const patience, timeout = 60 * time.Second, 10 * time.Second
	r := newReorder(1 << 20)
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	if got := r.deadline(patience, timeout); !got.IsZero() {
		t.Errorf("deadline %v without a gap", got)
	}
	r.add(at(0), output(0, 1))
	r.add(at(100), output(3, 1)) // an idle time is no gap
	if got := r.deadline(patience, timeout); !got.Equal(at(110)) {
		t.Errorf("deadline is %v, want %v", got, at(110))
	}
	r.add(at(105), output(4, 1))
	r.add(at(109), output(1, 1)) // the gap moves
	if got := r.hopeless(at(118), patience, timeout); got != "" {
		t.Errorf("hopeless although the gap moved 9 s ago: %s", got)
	}
	r.restart(at(118))
	if got := r.hopeless(at(127), patience, timeout); got != "" {
		t.Errorf("hopeless although the transport is 9 s old: %s", got)
	}
	if got := r.hopeless(at(128), patience, timeout); got == "" {
		t.Error("not hopeless after 10 s without movement")
	}
}

// A repair that goes on is waited for until patience ends; what is lost meanwhile
// has time of its own.
func TestRepairGoesOn(t *testing.T) {
	const patience, timeout = 60 * time.Second, 10 * time.Second
	tests := []struct {
		name string
		also int64 // the number that comes after 30 s; what is between is lost
		end  time.Duration
	}{
		{"slowly", 0, patience},
		{"and more is lost", 30, 0},
	}
	for _, test := range tests {
		r := newReorder(1 << 20)
		r.add(epoch, output(20, 1))
		got := ""
		var now time.Time
		for i := range int64(20) { // one each 4 s: 20 take 80 s
			if i == 8 && test.also > 0 {
				r.add(now, output(test.also, 1))
			}
			every := 4 * time.Second
			if test.also > 0 {
				every = 2 * time.Second
			}
			now = epoch.Add(time.Duration(i+1) * every)
			if got = r.hopeless(now, patience, timeout); got != "" {
				break
			}
			r.add(now, output(i, 1))
			for _, ok := r.take(now); ok; _, ok = r.take(now) {
			}
		}
		if test.end == 0 {
			for i := int64(21); i < test.also && got == ""; i++ {
				now = now.Add(4 * time.Second)
				got = r.hopeless(now, patience, timeout)
				r.add(now, output(i, 1))
			}
			if got != "" {
				t.Errorf("%s: given up: %s", test.name, got)
			}
			continue
		}
		if now.Sub(epoch) != test.end || !strings.Contains(got, "6 messages are still missing after 1m0s") {
			t.Errorf("%s: after %v %q, want the end of patience", test.name, now.Sub(epoch), got)
		}
	}
}

func sequence(from, to int64) []int64 {
	var all []int64
	for seq := from; seq < to; seq++ {
		all = append(all, seq)
	}
	return all
}
