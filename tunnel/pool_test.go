package tunnel

import (
	"reflect"
	"testing"
	"time"
)

func TestChoosePlaceForAStream(t *testing.T) {
	const mib = 1 << 20
	quietOne := view{streams: 1}
	busyOne := view{streams: 1, recent: mib}
	slow := view{streams: 1, waiting: 1, unanswered: slowAnswer}
	blocked := view{streams: 1, waiting: 1, unanswered: blockedAnswer}
	silent := view{streams: 1, silent: silentAfter}
	tests := []struct {
		name     string
		most     int
		sessions []view
		starting int
		waiting  int // this stream included
		asked    bool
		use      int
		start    bool
	}{
		{"the first", 4, nil, 0, 1, false, -1, true},
		{"the first, a start under way", 4, nil, 1, 1, false, -1, false},
		{"second to wait", 4, nil, 1, 2, false, -1, true},
		{"fifth to wait", 4, nil, 4, 5, false, -1, false},
		{"second to wait, one session", 1, nil, 1, 2, false, -1, false},

		{"free one", 4, []view{{}}, 0, 1, false, 0, false},
		{"free before used", 4, []view{quietOne, {}}, 0, 1, false, 1, false},
		{"fewest streams", 4, []view{{streams: 3}, {streams: 2}, {streams: 4}}, 0, 1, false, 1, true},
		{"a few bytes do not count", 4, []view{{streams: 3}, {streams: 2, recent: 900}}, 0, 1, false, 1, true},
		{"a few bytes count among equals", 4, []view{{streams: 2, recent: 900}, {streams: 2}}, 0, 1, false, 1, true},
		{"least traffic before fewest streams", 4, []view{{streams: 1, recent: busyBytes / 2}, {streams: 5}}, 0, 1, false, 1, true},
		{"quiet before busy", 4, []view{busyOne, {streams: 50}}, 0, 1, false, 1, true},

		{"used ones, a start under way", 4, []view{quietOne}, 1, 1, false, 0, false},
		{"used ones, a start has failed", 4, []view{quietOne}, 0, 1, true, 0, false},
		{"used ones, no room", 1, []view{quietOne}, 0, 1, false, 0, false},

		{"only busy ones", 4, []view{busyOne, busyOne}, 0, 1, false, 0, true},
		{"only busy ones, the less busy", 4, []view{{recent: 2 * mib}, {recent: mib}}, 0, 1, false, 1, true},
		{"only busy ones, a start under way", 4, []view{busyOne}, 1, 1, false, 0, false},
		{"only busy ones, a start has failed", 4, []view{busyOne}, 0, 1, true, 0, false},
		{"only busy ones, no room", 2, []view{busyOne, busyOne}, 0, 1, false, 0, false},
		{"slow to answer", 4, []view{slow}, 0, 1, false, 0, true},

		{"blocked accept loop", 4, []view{blocked}, 0, 1, false, -1, true},
		{"blocked beside busy", 4, []view{blocked, busyOne}, 0, 1, false, 1, true},
		{"out of reach", 4, []view{silent}, 0, 1, false, -1, true},
		{"in repair", 4, []view{{missing: maxMissing}}, 0, 1, false, -1, true},
		{"in repair, a start has failed", 4, []view{{missing: maxMissing}, busyOne}, 0, 1, true, 1, false},
		{"accept queue full", 4, []view{{waiting: maxWaiting}}, 0, 1, false, -1, true},
		{"out of reach, a start has failed", 4, []view{silent}, 0, 1, true, -1, true},
		{"out of reach, a start under way", 1, []view{silent}, 1, 1, false, -1, false},
		{"out of reach, no room", 1, []view{silent}, 0, 1, false, 0, false},
	}
	for _, tt := range tests {
		p := policy{most: tt.most, keepAlive: true}
		if use, start := p.choose(tt.sessions, tt.starting, tt.waiting, !tt.asked); use != tt.use || start != tt.start {
			t.Errorf("%s: use %d, start %v; want %d, %v", tt.name, use, start, tt.use, tt.start)
		}
	}
}

func TestTendSessions(t *testing.T) {
	const long = time.Hour
	used := view{age: long, streams: 1, known: 1, since: long}
	free := view{age: long, since: time.Minute}
	unused := view{age: long, since: idleAfter}
	keep := policy{most: 4, keepAlive: true}
	with := func(v view, change func(*view)) view { change(&v); return v }
	tests := []struct {
		name     string
		policy   policy
		sessions []view
		starting int
		failed   bool
		want     care
	}{
		{"nothing", keep, nil, 0, false, care{}},

		{"a used one wants a spare", keep, []view{used}, 0, false, care{start: true}},
		{"a spare is there", keep, []view{used, free}, 0, false, care{}},
		{"a spare is coming", keep, []view{used}, 1, false, care{}},
		{"a spare could not be started", keep, []view{used}, 0, true, care{}},
		{"a spare out of reach", keep, []view{used, with(free, func(v *view) { v.silent = silentAfter })}, 0, false, care{start: true}},
		{"everything out of reach", keep, []view{with(used, func(v *view) { v.silent = silentAfter })}, 0, false, care{}},
		{"no room for a spare", policy{most: 1, keepAlive: true}, []view{used}, 0, false, care{}},
		{"no spare that would fall asleep", policy{most: 4}, []view{used}, 0, false, care{}},
		{"used for a moment", keep, []view{with(used, func(v *view) { v.since = 0 })}, 0, false, care{}},
		{"retired ones take no room", keep, []view{with(used, func(v *view) { v.retired = true }), used, used, used}, 0, false, care{start: true}},
		{"only retired ones: the next client decides", keep, []view{with(used, func(v *view) { v.retired = true })}, 0, false, care{}},

		{"the last goes", keep, []view{unused}, 0, false, care{idle: []int{0}}},
		{"not yet", keep, []view{free}, 0, false, care{}},
		{"all go", keep, []view{unused, unused}, 0, false, care{idle: []int{0, 1}}},
		{"the youngest stays beside a used one", keep, []view{unused, with(unused, func(v *view) { v.age = idleAfter }), used, unused}, 0, false, care{idle: []int{0, 3}}},
		{"without NOPs none stays", policy{most: 4}, []view{unused, used}, 0, false, care{idle: []int{0}}},

		{"too old", policy{most: 4, maxAge: long, keepAlive: true}, []view{used, with(free, func(v *view) { v.age = long - 1 })}, 0, false, care{aged: []int{0}}},

		{"retired and empty", keep, []view{{retired: true}}, 0, false, care{end: []int{0}}},
		{"retired, ends not confirmed", keep, []view{{retired: true, known: 1}}, 0, false, care{}},
		{"retired, ends not confirmed for long", keep, []view{{retired: true, known: 1, since: farewell}}, 0, false, care{end: []int{0}}},

		{"NOPs", keep, []view{
			with(used, func(v *view) { v.nudged = keepAliveEvery }),
			with(used, func(v *view) { v.nudged = keepAliveEvery; v.retired = true }),
			with(free, func(v *view) { v.nudged = keepAliveEvery }),
			with(used, func(v *view) { v.nudged = keepAliveEvery - 1 }),
		}, 0, false, care{nudge: []int{0, 1, 2}}},
		{"no NOPs without clients", keep, []view{with(free, func(v *view) { v.nudged = long })}, 0, false, care{}},
		{"no NOPs when off", policy{most: 4}, []view{with(used, func(v *view) { v.nudged = long })}, 0, false, care{}},
	}
	for _, tt := range tests {
		if got := tt.policy.tend(tt.sessions, tt.starting, !tt.failed); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestSessionsForDialsThatAreExpected(t *testing.T) {
	tests := []struct {
		name                               string
		most, together, sessions, starting int
		dials, want                        int
	}{
		{"the first client", 4, 2, 0, 0, 1, 1},
		{"it is starting", 4, 2, 0, 1, 1, 0},
		{"it is there", 4, 0, 1, 0, 1, 0},
		{"what one session takes", 4, 0, 1, 0, 64, 0},
		{"one more", 4, 0, 1, 0, 65, 1},
		{"a storm", 4, 0, 1, 0, 2000, 3},
		{"a storm, with one on its way", 4, 0, 1, 1, 2000, 2},
		{"a storm before there is a session", 4, 2, 0, 0, 2000, 2},
		{"a storm with room for one session", 1, 0, 1, 0, 2000, 0},
		{"nobody", 4, 0, 0, 0, 0, 0},
	}
	for _, test := range tests {
		p := policy{most: test.most, together: test.together}
		if got := p.expected(make([]view, test.sessions), test.starting, test.dials); got != test.want {
			t.Errorf("%s: %d starts, want %d", test.name, got, test.want)
		}
	}
}
