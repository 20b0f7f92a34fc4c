package mux

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestCrowdTakesTurns(t *testing.T) {
	const ms = time.Millisecond
	type sent struct {
		at     time.Duration
		stream uint32
	}
	tests := []struct {
		name string
		sent []sent
		at   time.Duration
		want bool
	}{
		{"nothing", nil, 0, false},
		{"one stream", []sent{{0, 3}, {ms, 3}, {2 * ms, 3}}, 2 * ms, false},
		{"one after another", []sent{{0, 3}, {ms, 3}, {time.Second, 5}, {time.Second, 5}}, time.Second, false},
		{"two that take turns", []sent{{0, 3}, {ms, 5}, {2 * ms, 3}}, 2 * ms, true},
		{"and rest", []sent{{0, 3}, {ms, 5}, {2 * ms, 3}}, ms + crowdedFor, false},
		{"seldom", []sent{{0, 3}, {crowdedFor, 5}, {2 * crowdedFor, 3}}, 2 * crowdedFor, false},
	}
	for _, tt := range tests {
		var c crowd
		epoch := time.Unix(1, 0)
		for _, s := range tt.sent {
			c.note(epoch.Add(s.at), s.stream)
		}
		if got := c.is(epoch.Add(tt.at)); got != tt.want {
			t.Errorf("%s: crowded %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestQueuedIsWhatFillHasToGive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{})
		want := func(what string, bytes int, crowded bool) {
			t.Helper()
			if n, c := m.Queued(time.Now()); n != bytes || c != crowded {
				t.Errorf("%s: %d bytes, crowded %v; want %d, %v", what, n, c, bytes, crowded)
			}
		}
		var all []*Stream
		for range 3 {
			s, err := m.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		write := func(i, n int) {
			if _, err := all[i].Write(make([]byte, n)); err != nil {
				t.Fatal(err)
			}
		}
		p := make([]byte, 1024)
		want("at first", 0, false)
		write(0, 100)
		want("after a write", 100, false)
		m.Fill(p)
		want("after it went out", 0, false)
		write(1, 2000)
		m.Fill(p)
		want("after a part went out", 2000-(1024-headerSize), false)
		write(0, 100)
		for m.Fill(p) > 0 {
		}
		want("after turns", 0, true)
		write(2, 50)
		write(1, 50)
		m.Deliver([]byte{1, byte(cmdFIN), 0, 0, byte(all[1].id), 0, 0, 0})
		want("after the agent has ended a stream", 50, true)
		time.Sleep(crowdedFor)
		m.Fail(nil)
		want("after the end", 0, false)
	})
}
