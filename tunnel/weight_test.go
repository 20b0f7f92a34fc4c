package tunnel

import (
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestStreamsAreWeighed(t *testing.T) {
	const s = time.Second
	epoch := time.Unix(1, 0)
	type look struct {
		after  time.Duration // since it was opened
		bytes  int64         // by then
		closed bool
		news   bool
		heavy  bool
	}
	tests := []struct {
		name  string
		full  bool
		looks []look
	}{
		{"idle", false, []look{{s, 0, false, false, false}, {5 * s, 0, false, false, false}}},
		{"light", false, []look{{s / 2, 5000, false, false, false}, {s, 9000, false, false, false}, {2 * s, 20_000, false, true, false}, {3 * s, 30_000, false, false, false}}},
		{"a login, and rest", false, []look{{s, 9000, false, false, false}, {2 * s, 9000, false, false, false}, {9 * s, 9000, false, false, false}}},
		{"many small questions", false, []look{{s, loginBytes, false, true, false}}},
		{"heavy at once", false, []look{{s / 4, heavyBytes, false, true, true}, {s, 8 * heavyBytes, false, false, true}}},
		{"heavy, then at rest, then heavy", false, []look{{s, heavyBytes, false, true, true}, {2 * s, heavyBytes, false, false, false}, {3 * s, 2 * heavyBytes, false, true, true}}},
		{"over soon", false, []look{{s / 4, 5000, true, true, false}}},
		{"over soon, nothing said", false, []look{{s / 4, 0, true, false, false}}},
		{"one of many that fill their session", true, []look{{s, crampedBytes, false, true, true}}},
		{"light beside those", true, []look{{s, crampedBytes - 1, false, true, false}}},
	}
	for _, tt := range tests {
		l := &load{opened: epoch}
		for i, at := range tt.looks {
			l.bytes.Store(at.bytes)
			l.closed.Store(at.closed)
			if news := l.look(epoch.Add(at.after), tt.full); news != at.news || l.heavy != at.heavy {
				t.Errorf("%s, look %d: news %v, heavy %v; want %v, %v", tt.name, i, news, l.heavy, at.news, at.heavy)
			}
		}
	}
}

func TestWeightsOfTheLatestStreams(t *testing.T) {
	tests := []struct {
		heavy         string // of each stream, the oldest first: h or l
		light, mostly bool
	}{
		{"", false, false},
		{"l", true, false},
		{"h", false, false},
		{"hh", false, true},
		{"lh", false, false},
		{"lhh", false, true},
		{"llllllll", true, false},
		{"hllllllll", true, false}, // the first is forgotten
		{"lllllhhhhh", false, true},
	}
	for _, tt := range tests {
		var w weights
		for _, c := range tt.heavy {
			w.note(c == 'h')
		}
		if w.allLight() != tt.light || w.mostlyHeavy() != tt.mostly {
			t.Errorf("%q: all light %v, mostly heavy %v; want %v, %v", tt.heavy, w.allLight(), w.mostlyHeavy(), tt.light, tt.mostly)
		}
	}
}

func TestPlaceForALightStream(t *testing.T) {
	p := policy{most: 4, keepAlive: true, pack: true}
	light := view{streams: 3, light: true, recent: busyBytes}
	tests := []struct {
		name     string
		sessions []view
		use      int
		start    bool
	}{
		{"beside light ones", []view{{}, light, {}}, 1, false},
		{"where most are", []view{light, {streams: 9, light: true}}, 1, false},
		{"not beside a heavy one", []view{{streams: 9, recent: busyBytes}, light}, 1, false},
		{"not where they are many", []view{{streams: 9, light: true, recent: lightBytes}, {}}, 1, false},
		{"where all are busy", []view{{streams: 9, light: true, recent: lightBytes}}, 0, true},
	}
	for _, tt := range tests {
		if use, start := p.choose(tt.sessions, 0, 1, true); use != tt.use || start != tt.start {
			t.Errorf("%s: use %d, start %v; want %d, %v", tt.name, use, start, tt.use, tt.start)
		}
	}
}

// Clients of one moment do not all reach a fresh tunnel before its first session is
// up: those that come just after it do not pile up on it either.
func TestStreamsThatComeJustAfterTheFirstAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.onStart = startsTakeASecond
		d := newTestDialer(t, f, func(c *Config) { c.Sessions = 8 })
		conns := make([]net.Conn, 8)
		var all sync.WaitGroup
		for i := range conns {
			if i == 1 {
				time.Sleep(1010 * time.Millisecond)
			}
			all.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				begin := time.Now()
				conns[i] = dial(t, d)
				if took := time.Since(begin); i > 0 && took > patience {
					t.Errorf("stream %d after %v, want %v at most", i, took, patience)
				}
			})
		}
		all.Wait()
		streams := map[int]int{}
		for _, c := range conns {
			streams[sessionOf(f, c)]++
			defer c.Close()
		}
		for _, n := range streams {
			if n > 2 {
				t.Errorf("streams by session: %v, want 2 at most", streams)
			}
		}
	})
}

// Streams that come after light ones share their session; those that come after
// heavy ones have one each.
func TestWhatComesNextIsPlacedByWeight(t *testing.T) {
	tests := []struct {
		name     string
		before   int // streams
		each     int // bytes of each, in a second
		sessions int // that four streams are on which come at once then
	}{
		{"light", 1, 1000, 1},
		{"heavy", 2, 4 * heavyBytes, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeAWS(t)
				f.onStart = startsTakeASecond
				d := newTestDialer(t, f, func(c *Config) { c.Sessions = 8 })
				for range tt.before {
					c := dial(t, d)
					defer c.Close()
					for range 3 {
						echo(t, c, tt.each)
						time.Sleep(time.Second)
					}
				}
				time.Sleep(10 * time.Second) // a spare session is up
				conns := make([]net.Conn, 4)
				var all sync.WaitGroup
				for i := range conns {
					all.Go(func() { conns[i] = dial(t, d) })
				}
				all.Wait()
				used := map[int]bool{}
				for _, c := range conns {
					used[sessionOf(f, c)] = true
					defer c.Close()
				}
				if len(used) != tt.sessions {
					t.Errorf("four streams on sessions %v, want %d", used, tt.sessions)
				}
			})
		})
	}
}
