package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

// row is a line of the table: a key for either side, and one for the ratio.
type row struct {
	what   string
	ours   string
	plugin string // "" when the row is not about the plugin
	ratio  string // "" for a row without one
	target string
}

// rows are the table but for those on memory.
var rows = []row{
	{"upload, one connection, MB/s", "upload_mb_per_s", "plugin_upload_mb_per_s", "upload_ratio", "≥ 15 ×"},
	{"download, 1 connection, MB/s", "download1_mb_per_s", "plugin_download1_mb_per_s", "download1_ratio", ""},
	{"download, 4 connections, `sessions=4`, MB/s", "download4_mb_per_s", "plugin_download4_mb_per_s", "download4_ratio", "≥ 3.8 ×"},
	{"download, 8 connections, `sessions=8`, MB/s", "download8_mb_per_s", "plugin_download8_mb_per_s", "download8_ratio", "≥ 7.5 ×"},
	{"download, 4 connections that come at once, MB/s", "download4_at_once_mb_per_s", "plugin_download4_at_once_mb_per_s", "download4_at_once_ratio", ""},
	{"download, 8 clients that come to a fresh process at once, 3 MB each, MB/s by the clock", "download8_cold_wall_mb_per_s", "plugin_download8_cold_wall_mb_per_s", "download8_cold_wall_ratio", "≥ 6 ×"},
	{"… 20 MB each", "download8_cold_long_wall_mb_per_s", "plugin_download8_cold_long_wall_mb_per_s", "download8_cold_long_wall_ratio", "≥ 7.5 ×"},
	{"`select 1`, 1 client, queries a second", "select_tps_1", "plugin_select_tps_1", "select_tps_ratio_plugin_1", "≥ 1.0 ×"},
	{"… messages for a query, both ways", "messages_per_query_1", "plugin_messages_per_query_1", "messages_per_query_ratio_plugin_1", ""},
	{"`select 1`, 8 clients, queries a second", "select_tps_8", "plugin_select_tps_8", "select_tps_ratio_plugin_8", "≥ 1.2 ×"},
	{"… messages for a query, both ways", "messages_per_query_8", "plugin_messages_per_query_8", "messages_per_query_ratio_plugin_8", "≤ 1 ×"},
	{"`select 1`, 32 clients, queries a second", "select_tps_32", "plugin_select_tps_32", "select_tps_ratio_plugin_32", "≥ 1.2 ×"},
	{"… messages for a query, both ways", "messages_per_query_32", "plugin_messages_per_query_32", "messages_per_query_ratio_plugin_32", "≤ 1 ×"},
	{"`select 1`, nothing else, median ms", "select_alone_ms", "plugin_select_alone_ms", "", ""},
	{"`select 1` beside a download, median ms", "select_under_bulk_ms", "plugin_select_under_bulk_ms", "select_under_bulk_ratio", "≤ 0.2 ×"},
	{"… 99th percentile ms", "select_under_bulk_p99_ms", "plugin_select_under_bulk_p99_ms", "", ""},
	{"`select 1`, its connection older than the download's, median ms", "select_before_bulk_ms", "plugin_select_before_bulk_ms", "select_before_bulk_ratio", ""},
	{"… 99th percentile ms", "select_before_bulk_p99_ms", "plugin_select_before_bulk_p99_ms", "", ""},
	{"connect to ReadyForQuery, `ready-logins=0`, no added round trip, ms", "connect_0_ms", "plugin_connect_0_ms", "", ""},
	{"… 20 ms added, ms", "connect_20_ms", "plugin_connect_20_ms", "", ""},
	{"… 80 ms added, ms", "connect_80_ms", "plugin_connect_80_ms", "", ""},
	{"… in round trips (from 20 to 80 ms)", "connect_rtts", "plugin_connect_rtts", "", "≤ 3"},
	{"connect to ReadyForQuery, second and later clients, no added round trip, ms", "connect_ready_ms_0", "plugin_connect_0_ms", "", ""},
	{"… 20 ms added, ms", "connect_ready_ms_20", "plugin_connect_20_ms", "", ""},
	{"… 80 ms added, ms", "connect_ready_ms_80", "plugin_connect_80_ms", "", "< 5"},
	{"… in round trips (from 20 to 80 ms)", "connect_ready_rtts", "plugin_connect_rtts", "", "0"},
	{"50 clients connect at once, 80 ms added: the last one's wait, s", "connect_burst_50_seconds", "plugin_connect_burst_50_seconds", "connect_burst_ratio_plugin", "≥ 3 ×"},
	{"… where one client has asked for 2 s before, s", "connect_burst_50_used_seconds", "plugin_connect_burst_50_used_seconds", "connect_burst_used_ratio_plugin", "≥ 3 ×"},
	{"… no added round trip, s", "connect_burst_50_near_seconds", "plugin_connect_burst_50_near_seconds", "connect_burst_near_ratio_plugin", ""},
	{"… without a tunnel, s", "connect_burst_50_direct_seconds", "", "", ""},
	{"… CPU for each, 80 ms added, ms", "connect_burst_50_cpu_ms", "plugin_connect_burst_50_cpu_ms", "", ""},
	{"… again, `ready-logins=50`, s", "connect_burst_50_ready_seconds", "plugin_connect_burst_50_seconds", "connect_burst_ready_ratio_plugin", "≥ 3 ×"},
	{"60 at once, logins a second", "connect_burst_60_per_s", "", "", ""},
	{"300 at once, logins a second", "connect_burst_300_per_s", "plugin_connect_burst_300_per_s", "", ""},
	{"… share that got in", "connect_burst_300_served", "plugin_connect_burst_300_served", "", "1"},
	{"2,000 at once, logins a second (ratio: to 60 at once)", "connect_burst_2000_per_s", "", "storm_2000_ratio_60", "≥ 0.8 ×"},
	{"… share that got in", "connect_burst_2000_served", "", "", "1"},
	{"… 99th percentile of their waits, ms", "connect_burst_2000_wait_p99_ms", "", "", ""},
	{"CPU seconds per GB up", "cpu_up_seconds_per_gb", "plugin_cpu_up_seconds_per_gb", "", ""},
	{"CPU seconds per GB down", "cpu_down_seconds_per_gb", "plugin_cpu_down_seconds_per_gb", "", ""},
	{"socket cut during a download, 20 ms: silence, s", "recover_seconds", "plugin_recover_seconds", "", "< 2"},
	{"… share of transfers that ended whole", "recover_whole", "plugin_recover_whole", "", "1"},
	{"socket cut during an upload, 20 ms: silence, s", "recover_up_seconds", "plugin_recover_up_seconds", "", "< 2"},
	{"… share of transfers that ended whole", "recover_up_whole", "plugin_recover_up_whole", "", "1"},
	{"idle connections held, all answering", "idle_connections", "plugin_idle_connections", "", "1000"},
}

// table is the numbers in Markdown.
func table(n kit.Numbers) string {
	var b strings.Builder
	b.WriteString("| what | pgkeyless | plugin | ratio | target |\n|---|---:|---:|---:|---:|\n")
	for _, r := range slices.Concat(rows, memoryRows(n)) {
		ratio := ""
		if r.ratio != "" {
			ratio = kit.Ratio(n.Get(r.ratio))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.what, kit.Digits(n.Get(r.ours)), kit.Digits(n.Get(r.plugin)), ratio, r.target)
	}
	return b.String()
}

// memoryRows are one for each number of connections that was measured.
func memoryRows(n kit.Numbers) []row {
	var counts []int
	for key := range n {
		if text, ok := strings.CutPrefix(key, "rss_mib_"); ok {
			if count, err := strconv.Atoi(text); err == nil {
				counts = append(counts, count)
			}
		}
	}
	slices.Sort(counts)
	var all []row
	for _, count := range counts {
		key := fmt.Sprintf("rss_mib_%d", count)
		all = append(all, row{fmt.Sprintf("resident memory, %d idle, MiB", count), key, "plugin_" + key, "", ""})
	}
	return append(all, row{"… per idle connection, KiB", "idle_kib_per_connection", "plugin_idle_kib_per_connection", "", "≤ 64"})
}
