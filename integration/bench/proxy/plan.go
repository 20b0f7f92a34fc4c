package main

import (
	"maps"
	"slices"
	"time"
)

// plan says how long and how much.
type plan struct {
	rounds   int
	window   time.Duration // of queries, and of connecting
	logged   time.Duration // of queries whose times are written down
	pacing   time.Duration // of connections that come by the clock
	bulkRows int           // of a transfer, each of kit.RowLength
	settle   time.Duration // before memory is read

	// Connections at which it is, rising: without a tunnel and with one.
	idle, tunnelIdle []int
}

var (
	full = plan{
		rounds: 5, window: 3 * time.Second, logged: 2 * time.Second, pacing: 5 * time.Second, bulkRows: 256 << 10,
		idle: []int{1, 1000, 10000}, tunnelIdle: []int{1, 10000}, settle: 5 * time.Second,
	}
	brief = plan{
		rounds: 1, window: time.Second, logged: time.Second, pacing: 2 * time.Second, bulkRows: 64 << 10,
		idle: []int{1, 100, 500}, tunnelIdle: []int{1, 500}, settle: time.Second,
	}
)

// clients are the numbers of connections that ask at once.
var clients = []int{1, 8, 32, 100, 500}

// crowd is how many clients all sides are measured with: more take long to connect.
const crowd = 100

// preparing are those that ask by prepared statements.
var preparing = []int{8, 32, 100}

// cell is one measurement.
type cell struct {
	name  string
	sides []string
	once  bool
	take  func(*bench, *side) error
}

// cells are all measurements in the order they are taken.
func cells() []cell {
	var all []cell
	for _, n := range clients {
		c := cell{name: tpsKey(n, simple), sides: everySide, take: selects(n, simple)}
		if n > crowd {
			c.sides = tcpSides
		}
		all = append(all, c)
	}
	for _, n := range preparing {
		all = append(all, cell{name: tpsKey(n, prepared), sides: tcpSides, take: selects(n, prepared)})
	}
	all = append(all,
		cell{name: tpsKey(8, pipelined), sides: tcpSides, take: selects(8, pipelined)},
		cell{name: "latency", sides: tcpSides, take: (*bench).latencies},
	)
	for _, p := range paces {
		all = append(all, cell{name: pacedKey(p.clients), sides: tcpSides, take: paced(p.clients, p.rate)})
	}
	for _, n := range connecting {
		all = append(all, cell{name: connectsKey(n), sides: everySide, take: connects(n)})
	}
	all = append(all, cell{name: connectReadyKey, sides: tcpSides, take: (*bench).connectReady})
	for _, n := range slices.Sorted(maps.Keys(connectRates)) {
		all = append(all, cell{name: connectsPacedKey(n), sides: tcpSides, take: connectsPaced(n)})
	}
	return append(all,
		cell{name: "bulk_down", sides: tcpSides, take: (*bench).bulkDown},
		cell{name: "bulk_up", sides: tcpSides, take: (*bench).bulkUp},
		cell{name: "idle", sides: []string{ours, pgbouncer, haproxy}, once: true, take: (*bench).idle},
		cell{name: "idle_tunnel", sides: []string{ours}, once: true, take: (*bench).idleTunnel},
	)
}
