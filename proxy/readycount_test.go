package proxy

import (
	"testing"
	"time"
)

func TestArrivals(t *testing.T) {
	at := func(seconds ...float64) (all []time.Time) {
		for _, s := range seconds {
			all = append(all, time.Unix(1000, 0).Add(time.Duration(s*float64(time.Second))))
		}
		return all
	}
	tests := []struct {
		name  string
		come  []time.Time
		now   time.Time
		want  int
		again bool
	}{
		{"nobody", nil, at(0)[0], 0, false},
		{"one", at(0), at(1)[0], 1, false},
		{"one, a minute ago", at(0), at(60)[0], 0, false},
		{"two within two seconds", at(0, 2), at(2)[0], 2, true},
		{"two that are further apart", at(0, 2.1), at(3)[0], 1, true},
		{"three together, remembered for a minute", at(0, 1, 2, 30), at(61)[0], 3, true},
		{"and no longer", at(0, 1, 2, 30), at(62)[0], 1, false},
		{"more than the most", at(0, 0, 0, 0, 0, 0, 0), at(0)[0], 4, true},
	}
	for _, test := range tests {
		var a arrivals
		for _, t := range test.come {
			a.note(t, 4)
		}
		if got := a.wanted(test.now); got != test.want {
			t.Errorf("%s: %d wanted, want %d", test.name, got, test.want)
		}
		if got := a.again(test.now); got != test.again {
			t.Errorf("%s: again is %v, want %v", test.name, got, test.again)
		}
		if len(a.latest) > 4 || len(a.together) > 4 {
			t.Errorf("%s: %d times kept", test.name, len(a.latest)+len(a.together))
		}
	}
}
