package proxy

import (
	"slices"
	"testing"
)

func TestLobbyShowsOutWhoCameFirst(t *testing.T) {
	var l lobby
	var out []int
	var leave []func()
	for i := range maxLobby {
		leave = append(leave, l.enter(func() { out = append(out, i) }))
	}
	leave[0]() // left by itself: is not shown out
	leave[0]()
	for range 3 {
		l.enter(func() { t.Error("the latest was shown out") })
	}
	if want := []int{1, 2}; !slices.Equal(out, want) {
		t.Errorf("shown out: %v, want %v", out, want)
	}
	leave[1]() // after it was shown out
	if n := l.waiting.Len(); n != maxLobby {
		t.Errorf("%d in the lobby, want %d", n, maxLobby)
	}
}
