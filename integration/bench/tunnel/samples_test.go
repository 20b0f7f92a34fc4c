package main

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

// measured is a run whose numbers are easy to see.
func measured() kit.Samples {
	s := kit.Samples{}
	for side, scale := range map[string]float64{ours: 1, plugin: 2} {
		for _, what := range transfers {
			s.Add(side, what, 30/scale)
		}
		for _, what := range []string{"select_alone", "select_under_bulk", "select_before_bulk"} {
			s.Add(side, what, 1*scale)
			s.Add(side, what, 3*scale)
		}
		for _, clients := range askers {
			s.Add(side, selectKey(clients), 1000/scale)
			s.Add(side, messagesKey(clients), 2*scale)
		}
		s.Add(side, "connect_0", 5)
		for _, clients := range storms {
			s.Add(side, stormKey(clients)+"_seconds", 2*scale)
			s.Add(side, stormKey(clients)+"_per_s", 1000/(scale*float64(clients)))
			s.Add(side, stormKey(clients)+"_served", 1)
			s.Add(side, stormKey(clients)+"_wait", 100*scale)
		}
		for _, key := range []string{usedStormKey(), nearStormKey()} {
			s.Add(side, key+"_seconds", 3*scale)
		}
		s.Add(side, stormKey(storms[0])+"_cpu", scale)
		s.Add(side, secondStormKey(storms[0])+"_seconds", scale)
		for _, trip := range trips {
			s.Add(side, readyKey(trip), 1)
		}
		s.Add(side, "connect_20", 10+20*scale)
		s.Add(side, "connect_80", 10+80*scale)
		for _, what := range []string{"cpu_up", "cpu_down"} {
			s.Add(side, what+"_seconds", 1*scale)
			s.Add(side, what+"_gb", 0.25)
			s.Add(side, what+"_seconds", 2*scale)
			s.Add(side, what+"_gb", 0.75)
		}
		s.Add(side, "rss_1", 20)
		s.Add(side, "rss_11", 20.5)
		s.Add(side, "idle_connections", 11)
		for _, what := range []string{"recover", "recover_up"} {
			s.Add(side, what, 0.5)
			s.Add(side, what+"_whole", 1)
			s.Add(side, what+"_whole", 0)
		}
	}
	s.Add(direct, directStormKey()+"_seconds", 0.5)
	return s
}

func TestNumbers(t *testing.T) {
	n := condense(measured(), plan{idle: []int{1, 11}})
	for key, want := range map[string]float64{
		"upload_mb_per_s":                    30,
		"plugin_upload_mb_per_s":             15,
		"upload_ratio":                       2,
		"download1_ratio":                    2,
		"download4_ratio":                    2,
		"download8_ratio":                    2,
		"download4_at_once_ratio":            2,
		"download8_cold_wall_ratio":          2,
		"select_tps_32":                      1000,
		"select_tps_ratio_plugin_8":          2,
		"messages_per_query_ratio_plugin_32": 0.5,
		"select_under_bulk_ms":               2,
		"plugin_select_under_bulk_ms":        4,
		"select_under_bulk_p99_ms":           2.98,
		"select_under_bulk_ratio":            0.5,
		"connect_0_ms":                       5,
		"connect_rtts":                       1,
		"connect_ready_ms_80":                1,
		"connect_ready_rtts":                 0,
		"connect_burst_ratio_plugin":         2,
		"connect_burst_ready_ratio_plugin":   4,
		"connect_burst_50_used_seconds":      3,
		"connect_burst_used_ratio_plugin":    2,
		"connect_burst_near_ratio_plugin":    2,
		"connect_burst_50_direct_seconds":    0.5,
		"plugin_connect_burst_50_cpu_ms":     2,
		"connect_burst_300_served":           1,
		"storm_2000_ratio_60":                0.03,
		"plugin_connect_rtts":                2,
		"cpu_up_seconds_per_gb":              3,
		"plugin_cpu_up_seconds_per_gb":       6,
		"cpu_down_seconds_per_gb":            3,
		"rss_mib_11":                         20.5,
		"idle_kib_per_connection":            51.2,
		"idle_connections":                   11,
		"recover_seconds":                    0.5,
		"recover_whole":                      0.5,
		"recover_up_seconds":                 0.5,
		"plugin_idle_kib_per_connection":     51.2,
	} {
		if got := n.Get(key); !(math.Abs(got-want) < 1e-9) {
			t.Errorf("%s = %v, want %v", key, got, want)
		}
	}
}

func TestWhatWasNotMeasuredIsLeftOut(t *testing.T) {
	s := measured()
	delete(s, plugin+" upload")
	delete(s, plugin+" recover")
	n := condense(s, plan{idle: []int{1, 11}})
	for _, key := range []string{"upload_ratio", "plugin_upload_mb_per_s", "plugin_recover_seconds"} {
		if v, ok := n[key]; ok {
			t.Errorf("%s = %v, want none", key, v)
		}
	}
	if _, err := json.Marshal(n); err != nil {
		t.Error(err)
	}
	if text := table(n); !strings.Contains(text, "| upload, one connection, MB/s | 30 | – | – | ≥ 15 × |\n") {
		t.Errorf("table without a number of the plugin's:\n%s", text)
	}
	if n := condense(kit.Samples{}, full); len(n) != 0 {
		t.Errorf("numbers of nothing: %v", n)
	}
}

func TestTableShowsEveryNumber(t *testing.T) {
	n := condense(measured(), plan{idle: []int{1, 11}})
	shown := map[string]bool{
		// Said in other words, or of no use beside the ratio of the medians.
		"select_alone_p99_ms": true, "plugin_select_alone_p99_ms": true,
		"connect_burst_50_per_s": true, "plugin_connect_burst_50_per_s": true, "connect_burst_50_served": true, "plugin_connect_burst_50_served": true,
		"connect_burst_60_seconds": true, "connect_burst_60_served": true, "connect_burst_300_seconds": true, "plugin_connect_burst_300_seconds": true, "connect_burst_2000_seconds": true,
		"connect_burst_50_wait_p99_ms": true, "plugin_connect_burst_50_wait_p99_ms": true, "connect_burst_60_wait_p99_ms": true,
		"connect_burst_300_wait_p99_ms": true, "plugin_connect_burst_300_wait_p99_ms": true,
	}
	for _, r := range append(rows, memoryRows(n)...) {
		for _, key := range []string{r.ours, r.plugin, r.ratio} {
			if _, ok := n[key]; key != "" && !ok {
				t.Errorf("row %q shows %s, which is no number", r.what, key)
			}
			shown[key] = true
		}
	}
	for key := range n {
		if !shown[key] {
			t.Errorf("%s is in no row", key)
		}
	}
	for line := range strings.Lines(table(n)) {
		if strings.Count(line, "|") != 6 {
			t.Errorf("line %q has not five columns", line)
		}
	}
}

func TestStallIsTheLongestSilenceAfterTheCut(t *testing.T) {
	cuts := 0
	s := newStall(100, func() { cuts++ })
	begin := time.Now()
	for _, at := range []int{0, 900, 1000, 1300, 1350, 1900, 2000} { // milliseconds; 50 bytes each
		s.count(50, begin.Add(time.Duration(at)*time.Millisecond))
	}
	<-s.over
	// The cut comes with the second piece, at 900.
	if got, err := s.result(); err != nil || math.Abs(got-0.55) > 1e-9 || cuts != 1 {
		t.Errorf("silence %v, %v after %d cuts; want 0.55 after 1", got, err, cuts)
	}
	if _, err := newStall(100, nil).result(); err == nil {
		t.Error("no error without a cut")
	}
}

func TestMeterTellsOnceThatBytesFlow(t *testing.T) {
	m := newMeter()
	for range 3 {
		m.Write(make([]byte, flowing/2))
	}
	select {
	case <-m.flows:
	default:
		t.Error("not told")
	}
	if got := m.n.Load(); got != 3*flowing/2 {
		t.Errorf("%d bytes counted", got)
	}
}
