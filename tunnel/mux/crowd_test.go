package mux

import (
	"testing"
	"testing/synctest"
	"time"
)

// answer delivers data for s.
func answer(t *testing.T, m *Mux, s *Stream) {
	t.Helper()
	p := make([]byte, headerSize+10)
	header{command: cmdPSH, length: 10, stream: s.id}.put(p)
	if err := m.Deliver(p); err != nil {
		t.Fatal(err)
	}
}

func TestFillAt(t *testing.T) {
	const us = time.Microsecond
	const room = 900
	write := func(n int, streams ...int) func(*testing.T, *Mux, []*Stream) {
		return func(t *testing.T, m *Mux, all []*Stream) {
			t.Helper()
			for _, i := range streams {
				if _, err := all[i].Write(make([]byte, n)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	fill := func(t *testing.T, m *Mux, _ []*Stream) { m.Fill(make([]byte, 1024)) }
	answered := func(streams ...int) func(*testing.T, *Mux, []*Stream) {
		return func(t *testing.T, m *Mux, all []*Stream) {
			for _, i := range streams {
				answer(t, m, all[i])
			}
		}
	}
	wait := func(d time.Duration) func(*testing.T, *Mux, []*Stream) {
		return func(*testing.T, *Mux, []*Stream) { time.Sleep(d) }
	}
	type step = func(*testing.T, *Mux, []*Stream)
	// Each of these has asked, was answered and has asked again soon.
	known := func(streams ...int) []step {
		return []step{write(40, streams...), fill, answered(streams...), write(40, streams...), fill}
	}
	tests := []struct {
		name  string
		steps []step
		want  time.Duration // from now
	}{
		{"nothing to say", nil, 0},
		{"one stream", append(known(0), answered(0), write(40, 0)), 0},
		{"one stream, time and again", append(known(0), write(40, 0), fill, write(40, 0)), 0},
		{"right behind another stream's", []step{write(40, 0), fill, write(40, 1)}, holdFor},
		{"soon behind another stream's", []step{write(40, 0), fill, wait(holdFor / 4), write(40, 1)}, holdFor * 3 / 4},
		{"some time behind it", []step{write(40, 0), fill, wait(holdFor), write(40, 1)}, 0},
		{"long after the other stream", []step{write(40, 0), fill, wait(2 * crowdSlot), write(40, 1), fill, write(40, 1)}, 0},
		{"a full message", []step{write(40, 0), fill, write(room, 1)}, 0},
		{"one of two that were answered", append(known(0, 1), wait(us*900), answered(0, 1), write(40, 0)), holdFor},
		{"both of them", append(known(0, 1), wait(us*900), answered(0, 1), write(40, 0), wait(100*us), write(40, 1)), 0},
		{"one of them, and then time", append(known(0, 1), wait(us*900), answered(0, 1), write(40, 0), wait(holdFor)), 0},
		{"the other was answered later", append(known(0, 1), wait(us*900), answered(0), write(40, 0), answered(1)), 0},
		{"and waits with the next message", append(known(0, 1, 2), wait(us*900), answered(0), write(40, 0), answered(1, 2), fill, wait(us*900), write(40, 1)), holdFor},
		{"the other has never asked soon", []step{write(40, 0, 1), fill, answered(0, 1), wait(quickWithin), write(40, 0, 1), fill,
			wait(us * 900), answered(0, 1), write(40, 0)}, 0},
		{"the other did not ask when it was expected", append(known(0, 1), wait(us*900), answered(0, 1), write(40, 0), wait(holdFor), fill,
			wait(us*900), answered(0), write(40, 0)), 0},
		{"a large crowd", []step{write(1, numbers(30)...), fill, write(1, 0)}, 30 * holdEach},
		{"a very large crowd", []step{write(1, numbers(120)...), fill, write(1, 0)}, holdMost},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			m := New(Config{MaxWaiting: 120})
			var all []*Stream
			for range 120 {
				s, err := m.OpenStream()
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, s)
			}
			var last time.Time
			for _, step := range tt.steps {
				before := m.Stats().Sent
				step(t, m, all)
				if m.Stats().Sent > before {
					last = time.Now()
				}
			}
			now := time.Now()
			var want time.Time
			if tt.want > 0 {
				want = now.Add(tt.want)
			}
			if got := m.FillAt(now, last, room); !got.Equal(want) {
				t.Errorf("%s: %v after now (zero is %v), want %v", tt.name, got.Sub(now), got.IsZero(), tt.want)
			}
		})
	}
}

func numbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func TestSharedIsMoreThanOneOpenStream(t *testing.T) {
	m := New(Config{})
	var all []*Stream
	for i, want := range []bool{false, true} {
		s, err := m.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
		if got := m.Shared(); got != want {
			t.Errorf("with %d streams: shared %v, want %v", i+1, got, want)
		}
	}
	all[0].Close()
	if m.Shared() {
		t.Error("shared with one stream left")
	}
}

// While others are waited for, the carrier need not wake for each that comes.
func TestReadyIsQuietWhileOthersAreExpected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const streams, room = 4, 900
		m := New(Config{})
		var all []*Stream
		for range streams {
			s, err := m.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		p := make([]byte, 1024)
		ask := func(i, n int) (signalled bool) {
			t.Helper()
			if _, err := all[i].Write(make([]byte, n)); err != nil {
				t.Fatal(err)
			}
			select {
			case <-m.Ready():
				m.FillAt(time.Now(), time.Time{}, room)
				return true
			default:
				return false
			}
		}
		for range 2 {
			for i := range all {
				ask(i, 40)
			}
			m.Fill(p)
			for _, s := range all {
				answer(t, m, s)
			}
		}
		for i, want := range []bool{true, false, false, true} {
			if got := ask(i, 40); got != want {
				t.Errorf("question %d of %d: Ready %v, want %v", i+1, streams, got, want)
			}
		}
		m.Fill(p)
		for _, s := range all {
			answer(t, m, s)
		}
		ask(0, 40)
		if !ask(1, room) {
			t.Error("not Ready when a message is full")
		}
	})
}
