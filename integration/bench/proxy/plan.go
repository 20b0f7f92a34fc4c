package main

import "time"

// plan says how long and how much.
type plan struct {
	rounds   int
	window   time.Duration // of queries, and of connecting
	logged   time.Duration // of queries whose times are written down
	bulkRows int           // of a transfer, each of kit.RowLength
	settle   time.Duration // before memory is read

	// Connections at which it is, rising: without a tunnel and with one.
	idle, tunnelIdle []int
}

var (
	full = plan{
		rounds: 5, window: 3 * time.Second, logged: 2 * time.Second, bulkRows: 256 << 10,
		idle: []int{1, 1000, 10000}, tunnelIdle: []int{1, 10000}, settle: 5 * time.Second,
	}
	brief = plan{
		rounds: 1, window: time.Second, logged: time.Second, bulkRows: 64 << 10,
		idle: []int{1, 100, 500}, tunnelIdle: []int{1, 500}, settle: time.Second,
	}
)

// clients are the numbers of connections that ask at once.
var clients = []int{1, 8, 32}

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
		all = append(all, cell{name: tpsKey(n, simple), sides: everySide, take: selects(n, simple)})
	}
	return append(all,
		cell{name: tpsKey(8, prepared), sides: tcpSides, take: selects(8, prepared)},
		cell{name: "latency", sides: tcpSides, take: (*bench).latencies},
		cell{name: "connects", sides: everySide, take: (*bench).connects},
		cell{name: "bulk_down", sides: tcpSides, take: (*bench).bulkDown},
		cell{name: "bulk_up", sides: tcpSides, take: (*bench).bulkUp},
		cell{name: "idle", sides: []string{ours, pgbouncer, haproxy}, once: true, take: (*bench).idle},
		cell{name: "idle_tunnel", sides: []string{ours}, once: true, take: (*bench).idleTunnel},
	)
}
