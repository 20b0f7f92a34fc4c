package tunnel

import (
	"testing"
	"time"
)

func TestThrottle(t *testing.T) {
	const s = time.Second
	taken := func(throttle *throttle) (n int) {
		for ; n < 10 && throttle.take(); n++ {
		}
		for range n {
			throttle.done(0, false)
		}
		return n
	}
	steps := []struct {
		name  string
		took  time.Duration // of one start
		ready bool
		turns int // from then on; 10: any number
		doubt time.Duration
	}{
		{"one failed at once", 0, false, firstTogether, doubtAfter},
		{"one has not come", 50 * s, false, firstTogether, 100 * s},
		{"one was slow", 12 * s, true, firstTogether, 24 * s},
		{"one was quick", s, true, 10, doubtAfter},
		{"one failed at once, after quick ones", 0, false, 10, doubtAfter},
		{"one was slow again", doubtAfter, true, firstTogether, 2 * doubtAfter},
	}
	throttle := newThrottle()
	if got := taken(&throttle); got != firstTogether {
		t.Errorf("%d starts together at first, want %d", got, firstTogether)
	}
	for _, step := range steps {
		throttle.take()
		throttle.done(step.took, step.ready)
		if turns, doubt := taken(&throttle), throttle.doubt(); turns != step.turns || doubt != step.doubt {
			t.Errorf("%s: %d start together, doubt after %v; want %d, %v", step.name, turns, doubt, step.turns, step.doubt)
		}
	}
}

func TestShareOfASession(t *testing.T) {
	tests := []struct {
		most    int
		streams []int
		waiting int
		want    int
	}{
		{4, nil, 1, 1},
		{4, nil, 4, 1},
		{4, []int{0}, 8, 2},
		{4, []int{2, 2}, 4, 2},
		{8, []int{1}, 7, 1},
		{8, []int{0}, 9, 2},
		{1, []int{0}, 8, 8},
	}
	for _, tt := range tests {
		var views []view
		for _, n := range tt.streams {
			views = append(views, view{streams: n})
		}
		if got := (policy{most: tt.most}).share(views, tt.waiting); got != tt.want {
			t.Errorf("%d waiting beside %v on %d sessions: %d each, want %d", tt.waiting, tt.streams, tt.most, got, tt.want)
		}
	}
}
