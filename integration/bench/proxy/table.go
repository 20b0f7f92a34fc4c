package main

import (
	"fmt"
	"strings"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

// columns are the sides in the order of the table.
var columns = []string{ours, oursUnix, direct, pgbouncer, haproxy}

// line is a row of the table: a key for every side.
type line struct {
	what, key string
	against   []string // sides that pgkeyless is compared with
	target    string
}

// lines are the table but for those on memory.
var lines = []line{
	{"queries/s, 1 client", "tps1", []string{direct, pgbouncer}, "≥ 1 × PgBouncer"},
	{"… 8 clients", "tps8", []string{direct, pgbouncer}, "≥ 1 × PgBouncer"},
	{"… 32 clients", "tps32", []string{direct, pgbouncer}, "≥ 1 × PgBouncer"},
	{"… 100 clients", "tps100", []string{direct, pgbouncer}, "≥ 1 × PgBouncer"},
	{"… 500 clients", "tps500", []string{direct, pgbouncer}, ""},
	{"… 8 clients, prepared", "tps8_prepared", []string{direct, pgbouncer}, ""},
	{"… 32 clients, prepared", "tps32_prepared", []string{direct, pgbouncer}, ""},
	{"… 100 clients, prepared", "tps100_prepared", []string{direct, pgbouncer}, ""},
	{"pipelines of ten queries/s, 8 clients", "tps8_pipelined", []string{direct, pgbouncer}, ""},
	{"latency, 8 clients, median ms", "latency8_p50_ms", nil, ""},
	{"… 95th percentile ms", "latency8_p95_ms", nil, ""},
	{"… 99th percentile ms", "latency8_p99_ms", nil, ""},
	{"latency at 1,000 queries/s, 8 clients, median ms", "paced8_p50_ms", nil, ""},
	{"… 95th percentile ms", "paced8_p95_ms", nil, ""},
	{"… 99th percentile ms", "paced8_p99_ms", nil, ""},
	{"latency at 2,000 queries/s, 100 clients, median ms", "paced100_p50_ms", nil, ""},
	{"… 95th percentile ms", "paced100_p95_ms", nil, ""},
	{"… 99th percentile ms", "paced100_p99_ms", nil, ""},
	{"the proxy's CPU per query, 1 client, µs", "tps1_cpu_us", nil, ""},
	{"… 8 clients, µs", "tps8_cpu_us", nil, ""},
	{"… 32 clients, µs", "tps32_cpu_us", nil, ""},
	{"… 8 clients, prepared, µs", "tps8_prepared_cpu_us", nil, ""},
	{"… 32 clients, prepared, µs", "tps32_prepared_cpu_us", nil, ""},
	{"the proxy's CPU per pipeline, 8 clients, µs", "tps8_pipelined_cpu_us", nil, ""},
	{"connections/s, 4 clients", "connects", []string{direct}, "≥ 1 × direct"},
	{"… 1 client", "connects1", []string{direct, pgbouncer}, ""},
	{"… 8 clients", "connects8", []string{direct, pgbouncer}, ""},
	{"the proxy's CPU per connection, 4 clients, µs", "connects_cpu_us", nil, ""},
	{"… 1 client, µs", "connects1_cpu_us", nil, ""},
	{"… 8 clients, µs", "connects8_cpu_us", nil, ""},
	{"connect to ReadyForQuery, second and later clients, 10 a second, median ms", "connect_ready_ms", nil, "< 2"},
	{"connect, ask and close, 1 client, 10 a second, median ms", "connects_paced1_ms", nil, ""},
	{"… logins at the database for each", "connects_paced1_logins", nil, ""},
	{"… the database's CPU for each, ms", "connects_paced1_database_cpu_ms", nil, ""},
	{"connect, ask and close, 8 clients, 30 a second, median ms", "connects_paced8_ms", nil, ""},
	{"… logins at the database for each", "connects_paced8_logins", nil, ""},
	{"… the database's CPU for each, ms", "connects_paced8_database_cpu_ms", nil, ""},
	{"COPY TO, MB/s", "bulk_down", []string{direct}, "≥ 0.95 × direct"},
	{"COPY FROM, MB/s", "bulk_up", []string{direct}, "≥ 0.95 × direct"},
	{"the proxy's CPU seconds per GB down", "bulk_down_cpu_s_per_gb", nil, ""},
	{"… up", "bulk_up_cpu_s_per_gb", nil, ""},
	{"idle connections held, all answering", "idle_connections", nil, "10000"},
	{"… through SSM sessions", "tunnel_idle_connections", nil, "10000"},
}

// table is the numbers in Markdown.
func table(n kit.Numbers, p plan) string {
	var b strings.Builder
	b.WriteString("| what | pgkeyless | … by Unix socket | direct | PgBouncer | HAProxy | × direct | × PgBouncer | target |\n")
	b.WriteString("|---|---:|---:|---:|---:|---:|---:|---:|---|\n")
	for _, l := range append(lines, memoryLines(p)...) {
		fmt.Fprintf(&b, "| %s |", l.what)
		for _, side := range columns {
			fmt.Fprintf(&b, " %s |", cellText(n.Get(prefix(side)+l.key)))
		}
		for _, other := range []string{direct, pgbouncer} {
			text := ""
			for _, against := range l.against {
				if against == other {
					text = kit.Ratio(n.Get(l.key + "_ratio_" + other))
				}
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		fmt.Fprintf(&b, " %s |\n", l.target)
	}
	return b.String()
}

// cellText is empty for what is not measured with that side.
func cellText(v float64) string {
	if text := kit.Digits(v); text != kit.Missing {
		return text
	}
	return ""
}

// memoryLines are one for each number of connections, and what one more takes.
func memoryLines(p plan) []line {
	var all []line
	for _, count := range p.idle {
		all = append(all, line{what: fmt.Sprintf("resident memory, %d idle, MiB", count), key: fmt.Sprintf("rss_mib_%d", count)})
	}
	all = append(all, line{what: "… per idle connection, KiB", key: "idle_kib_per_connection", target: "≤ 40"})
	for _, count := range p.tunnelIdle {
		all = append(all, line{what: fmt.Sprintf("resident memory, %d idle through SSM sessions, MiB", count), key: fmt.Sprintf("tunnel_rss_mib_%d", count)})
	}
	return append(all, line{what: "… per idle connection, KiB", key: "tunnel_idle_kib_per_connection", target: "≤ 64"})
}
