package main

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		p      float64
		want   float64
	}{
		{nil, 50, math.NaN()},
		{[]float64{7}, 99, 7},
		{[]float64{3, 1, 2}, 50, 2},
		{[]float64{4, 1, 3, 2}, 50, 2.5},
		{[]float64{0, 10}, 99, 9.9},
		{[]float64{5, 1}, 0, 1},
		{[]float64{5, 1}, 100, 5},
	} {
		got := percentile(tt.values, tt.p)
		if math.Abs(got-tt.want) > 1e-9 || math.IsNaN(got) != math.IsNaN(tt.want) {
			t.Errorf("percentile(%v, %v) = %v, want %v", tt.values, tt.p, got, tt.want)
		}
	}
}

func TestPercentileLeavesItsInputInOrder(t *testing.T) {
	v := []float64{3, 1, 2}
	median(v)
	if v[0] != 3 || v[1] != 1 || v[2] != 2 {
		t.Errorf("after median: %v", v)
	}
}

// measured is a run whose numbers are easy to see.
func measured() samples {
	s := samples{}
	for side, scale := range map[string]float64{ours: 1, plugin: 2} {
		for _, what := range transfers {
			s.add(side, what, 30/scale)
		}
		for _, what := range []string{"select_alone", "select_under_bulk", "select_before_bulk"} {
			s.add(side, what, 1*scale)
			s.add(side, what, 3*scale)
		}
		s.add(side, "connect_0", 5)
		s.add(side, "connect_20", 10+20*scale)
		s.add(side, "connect_80", 10+80*scale)
		for _, what := range []string{"cpu_up", "cpu_down"} {
			s.add(side, what+"_seconds", 1*scale)
			s.add(side, what+"_gb", 0.25)
			s.add(side, what+"_seconds", 2*scale)
			s.add(side, what+"_gb", 0.75)
		}
		s.add(side, "rss_1", 20)
		s.add(side, "rss_11", 20.5)
		s.add(side, "idle_connections", 11)
		for _, what := range []string{"recover", "recover_up"} {
			s.add(side, what, 0.5)
			s.add(side, what+"_whole", 1)
			s.add(side, what+"_whole", 0)
		}
	}
	return s
}

func TestNumbers(t *testing.T) {
	n := measured().numbers(plan{idle: []int{1, 11}})
	for key, want := range map[string]float64{
		"upload_mb_per_s":                30,
		"plugin_upload_mb_per_s":         15,
		"upload_ratio":                   2,
		"download1_ratio":                2,
		"download4_ratio":                2,
		"download8_ratio":                2,
		"download4_at_once_ratio":        2,
		"select_under_bulk_ms":           2,
		"plugin_select_under_bulk_ms":    4,
		"select_under_bulk_p99_ms":       2.98,
		"select_under_bulk_ratio":        0.5,
		"connect_0_ms":                   5,
		"connect_rtts":                   1,
		"plugin_connect_rtts":            2,
		"cpu_up_seconds_per_gb":          3,
		"plugin_cpu_up_seconds_per_gb":   6,
		"cpu_down_seconds_per_gb":        3,
		"rss_mib_11":                     20.5,
		"idle_kib_per_connection":        51.2,
		"idle_connections":               11,
		"recover_seconds":                0.5,
		"recover_whole":                  0.5,
		"recover_up_seconds":             0.5,
		"plugin_idle_kib_per_connection": 51.2,
	} {
		if got := n.get(key); !(math.Abs(got-want) < 1e-9) {
			t.Errorf("%s = %v, want %v", key, got, want)
		}
	}
}

func TestWhatWasNotMeasuredIsLeftOut(t *testing.T) {
	s := measured()
	delete(s, plugin+" upload")
	delete(s, plugin+" recover")
	n := s.numbers(plan{idle: []int{1, 11}})
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
	if n := (samples{}).numbers(full); len(n) != 0 {
		t.Errorf("numbers of nothing: %v", n)
	}
}

func TestTableShowsEveryNumber(t *testing.T) {
	n := measured().numbers(plan{idle: []int{1, 11}})
	shown := map[string]bool{
		// Said in other words, or of no use beside the ratio of the medians.
		"select_alone_p99_ms": true, "plugin_select_alone_p99_ms": true,
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

func TestDigits(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.126: "0.13", 1000: "1000", 413.4: "413", 31.27: "31.3", 3.8: "3.80", 0.003012: "0.0030"} {
		if got := digits(v); got != want {
			t.Errorf("digits(%v) = %q, want %q", v, got, want)
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

func TestSourceIsWholeRows(t *testing.T) {
	s := newSource(10*rowLength + 7)
	var all []byte
	p := make([]byte, 700)
	for {
		n, err := s.Read(p)
		all = append(all, p[:n]...)
		if err != nil {
			break
		}
	}
	if got := strings.Count(string(all), "\n"); got != 10 || len(all) != 10*rowLength {
		t.Errorf("%d bytes in %d rows, want 10 rows of %d", len(all), got, rowLength)
	}
	for row := range strings.Lines(string(all)) {
		if len(row) != rowLength {
			t.Errorf("a row of %d bytes", len(row))
		}
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
