package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

var small = plan{rounds: 2, idle: []int{1, 11}, tunnelIdle: []int{1, 101}}

// measured is a run whose numbers are easy to see: with side i of everySide
// everything is i+1 times what it is directly.
func measured() kit.Samples {
	s := kit.Samples{}
	for i, side := range everySide {
		scale := float64(i + 1)
		for _, what := range rated() {
			for _, v := range []float64{90, 110} {
				s.Add(side, what, v*scale)
				if side != direct && !strings.HasPrefix(what, "bulk") && !strings.HasPrefix(what, "tps100") && what != "tps500" {
					s.Add(side, what+"_cpu_us", v*scale)
				}
				if side != direct && strings.HasPrefix(what, "bulk") {
					s.Add(side, what+"_cpu_s_per_gb", v*scale)
				}
			}
		}
		for ms := range 101 {
			s.Add(side, "latency", float64(ms)*scale)
			for _, p := range paces {
				s.Add(side, pacedKey(p.clients), float64(ms)*scale)
			}
		}
		s.Add(side, connectReadyKey, 10*scale)
		for n := range connectRates {
			s.Add(side, connectsPacedKey(n), 10*scale)
			s.Add(side, connectsPacedKey(n)+"_logins", 1)
			s.Add(side, connectsPacedKey(n)+"_database_cpu", 5)
		}
		s.Add(side, "rss_1", 10)
		s.Add(side, "rss_11", 10+scale)
		s.Add(side, "idle_connections", 11)
	}
	s.Add(tunnel, "rss_1", 10)
	s.Add(tunnel, "rss_101", 15)
	s.Add(tunnel, "idle_connections", 101)
	return s
}

func TestNumbers(t *testing.T) {
	n := condense(measured(), small)
	for key, want := range map[string]float64{
		"tps1":                        200,
		"direct_tps1":                 100,
		"tps1_ratio_direct":           2,
		"tps8_ratio_direct":           2,
		"tps32_ratio_direct":          2,
		"tps1_ratio_pgbouncer":        0.5,
		"tps8_ratio_pgbouncer":        0.5,
		"tps32_ratio_pgbouncer":       0.5,
		"tps8_prepared_ratio_haproxy": 0.4,
		"tps8_cpu_us":                 200,
		"pgbouncer_tps8_cpu_us":       400,
		"connects_ratio_direct":       2,
		"connect_ready_ms":            20,
		"connects_paced_ratio_direct": 0.5,
		"paced100_p95_ms":             190,
		"bulk_down_ratio_direct":      2,
		"bulk_up_ratio_direct":        2,
		"bulk_up_cpu_s_per_gb":        200,
		"pgkeyless_unix_tps1":         300,
		"latency8_p95_ms":             190,
		"idle_connections":            11,
		"idle_kib_per_connection":     204.8,

		"tunnel_idle_connections":        101,
		"tunnel_idle_kib_per_connection": 51.2,
	} {
		if got := n.Get(key); !(math.Abs(got-want) < 1e-9) {
			t.Errorf("%s = %v, want %v", key, got, want)
		}
	}
	if _, ok := n["direct_tps8_cpu_us"]; ok {
		t.Error("there is CPU of no process")
	}
	if n := condense(kit.Samples{}, small); len(n) != 0 {
		t.Errorf("numbers of nothing: %v", n)
	}
}

func TestTableShowsEveryMeasure(t *testing.T) {
	n := condense(measured(), small)
	shown := map[string]bool{"connects_cpu_us": true}
	for _, l := range append(lines, memoryLines(small)...) {
		if _, ok := n[l.key]; !ok {
			t.Errorf("row %q shows %s, which is no number", l.what, l.key)
		}
		shown[l.key] = true
	}
	for key := range n {
		if strings.Contains(key, "_ratio_") || strings.HasPrefix(key, "direct_") || strings.HasPrefix(key, "pgbouncer_") ||
			strings.HasPrefix(key, "haproxy_") || strings.HasPrefix(key, "pgkeyless_unix_") || strings.HasPrefix(key, "pgkeyless_scraped_") {
			continue
		}
		if !shown[key] {
			t.Errorf("%s is in no row", key)
		}
	}
	text := table(n, small)
	if !strings.Contains(text, "| queries/s, 1 client | 200 | 300 | 100 | 400 | 500 | 2 × | 0.50 × | ≥ 1 × PgBouncer |\n") {
		t.Errorf("no row of tps1 in\n%s", text)
	}
	for line := range strings.Lines(text) {
		if strings.Count(line, "|") != 10 {
			t.Errorf("line %q has not nine columns", line)
		}
	}
}

func TestReportOfPgbench(t *testing.T) {
	const text = `transaction type: <builtin: select only>
scaling factor: 10
number of transactions actually processed: 28736
number of failed transactions: 0 (0.000%)
latency average = 0.348 ms
initial connection time = 14.010 ms
tps = 2878.512930 (without initial connection time)
`
	r, err := parseReport(text)
	if err != nil || r != (report{28736, 2878.51293}) {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := parseReport(strings.Replace(text, "tps = ", "", 1)); err == nil {
		t.Error("no error without a rate")
	}
}

func TestTransactionsOfPgbench(t *testing.T) {
	all := parseLog("0 1 850 0 1700000000 500000\n1 1 2500 0 1700000001 0 120\n0 2 90 0 1700000002 0\n1 2 70 0 17")
	if len(all) != 3 || all[1].took != 2500*time.Microsecond || !all[0].ended.Equal(time.Unix(1_700_000_000, 500_000_000)) {
		t.Fatalf("%v", all)
	}
	if late := after(time.Second, all); len(late) != 1 || late[0].took != 90*time.Microsecond {
		t.Errorf("after a second: %v", late)
	}
	if len(after(0, all)) != 3 || after(time.Second, nil) != nil {
		t.Error("without a warm-up all count, and of none there are none")
	}
}
