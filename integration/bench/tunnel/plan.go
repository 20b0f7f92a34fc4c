package main

import (
	"fmt"
	"slices"
	"time"
)

// plan says how long and how much.
type plan struct {
	rounds   int
	window   time.Duration // of a download, once all connections flow
	stagger  time.Duration // from one connection's first bytes to the next; a spare session takes about two seconds
	upload   int           // bytes; the plugin, at an even pace, gets a sixteenth
	asking   time.Duration // of select 1 beside bulk
	connects int           // per round and round trip
	between  time.Duration // two of them that a ready login may serve
	storms   []int         // clients that connect at once, as far as storms has them
	idle     []int         // connections at which memory is read, rising
	settle   time.Duration // before it is
	recover  int           // bytes down, with a cut in a quarter; up twice as many
	patience time.Duration // for the plugin, after a cut
	known    time.Duration // that one client asks alone before others come
	cold     int           // bytes that each of eight clients gets who come at once
	coldLong int           // the same, of a longer download
}

var (
	full = plan{
		rounds: 3, window: 4 * time.Second, stagger: 2500 * time.Millisecond, upload: 64 << 20, asking: 5 * time.Second,
		connects: 7, idle: []int{1, 200, 1000}, settle: 5 * time.Second, recover: 4 << 20, patience: 20 * time.Second,
		known: 2 * time.Second, cold: 3 << 20, coldLong: 20 << 20, between: 600 * time.Millisecond, storms: storms,
	}
	brief = plan{
		rounds: 1, window: 500 * time.Millisecond, stagger: 300 * time.Millisecond, upload: 8 << 20, asking: 500 * time.Millisecond,
		connects: 2, idle: []int{1, 10, 50}, settle: 200 * time.Millisecond, recover: 1 << 20, patience: 2 * time.Second,
		known: 1500 * time.Millisecond, cold: 256 << 10, coldLong: 1 << 20, between: 600 * time.Millisecond, storms: storms[:2],
	}
)

// trips are the added round trips, in milliseconds, at which connecting is timed.
var trips = []int{0, 20, 80}

// cell is one measurement, taken with a fresh process.
type cell struct {
	name     string
	trip     int      // added round trip in milliseconds, one of trips
	sessions int      // pgkeyless's option; 0 leaves the default
	options  []string // more of pgkeyless's
	only     string   // the one side that is measured; "" is pgkeyless and the plugin
	once     bool
	take     func(*bench, *side) error
}

// cells are all measurements in the order they are taken.
func cells(p plan) []cell {
	all := []cell{
		{name: "upload", take: (*bench).upload},
		{name: "download1", take: download(1, false)},
		{name: "download4", sessions: 4, take: download(4, false)},
		{name: "download8", sessions: 8, take: download(8, false)},
		{name: "download4_at_once", sessions: 4, take: download(4, true)},
		{name: "download8_cold", sessions: 8, take: coldDownloads("download8_cold_wall", false)},
		{name: "download8_cold_long", sessions: 8, once: true, take: coldDownloads("download8_cold_long_wall", true)},
		{name: "select_under_bulk", take: (*bench).selectUnderBulk},
		{name: "select_before_bulk", take: (*bench).selectBeforeBulk},
		{name: "recover", trip: cutTrip, take: (*bench).recoverDown},
		{name: "recover_up", trip: cutTrip, take: (*bench).recoverUp},
		{name: "idle", once: true, take: (*bench).idle},
	}
	for _, clients := range askers {
		all = append(all, cell{name: selectKey(clients), take: selects(clients)})
	}
	for _, trip := range trips {
		// What a login costs: none is ready.
		all = append(all, cell{name: connectKey(trip), trip: trip, options: []string{"ready-logins=0"},
			take: connectTimes(connectKey(trip), func(plan) time.Duration { return thinkTime })})
	}
	for _, trip := range trips {
		all = append(all, cell{name: readyKey(trip), trip: trip, only: ours,
			take: connectTimes(readyKey(trip), func(p plan) time.Duration { return p.between })})
	}
	for _, clients := range p.storms {
		c := cell{name: stormKey(clients), trip: far, take: storm(stormKey(clients), clients, 0)}
		if !slices.Contains(pluginStorms, clients) {
			c.only = ours
		}
		all = append(all, c)
	}
	return append(all,
		cell{name: usedStormKey(), trip: far, take: storm(usedStormKey(), storms[0], p.known)},
		cell{name: nearStormKey(), take: storm(nearStormKey(), storms[0], 0)},
		cell{name: directStormKey(), only: direct, take: storm(directStormKey(), storms[0], 0)},
		cell{name: secondStormKey(storms[0]), trip: far, only: ours,
			options: []string{fmt.Sprintf("ready-logins=%d", storms[0])}, take: secondStorm(storms[0])})
}
