package main

import (
	"fmt"
	"math"
	"slices"
)

// transfers are the cells that measure MB/s.
var transfers = []string{"upload", "download1", "download4", "download8", "download4_at_once"}

// samples are what was measured, by side and name.
type samples map[string][]float64

func (s samples) add(side, name string, value float64) {
	key := side + " " + name
	s[key] = append(s[key], value)
}

func (s samples) of(side, name string) []float64 { return s[side+" "+name] }

// numbers condenses the samples into flat keys; those of the plugin begin with
// plugin_. What was not measured has no key.
func (s samples) numbers(p plan) numbers {
	n := numbers{}
	for _, side := range []string{ours, plugin} {
		prefix := ""
		if side == plugin {
			prefix = "plugin_"
		}
		for _, what := range transfers {
			n.set(prefix+what+"_mb_per_s", median(s.of(side, what)))
		}
		for _, what := range []string{"select_alone", "select_under_bulk", "select_before_bulk"} {
			n.set(prefix+what+"_ms", median(s.of(side, what)))
			n.set(prefix+what+"_p99_ms", percentile(s.of(side, what), 99))
		}
		for _, trip := range trips {
			n.set(prefix+connectKey(trip)+"_ms", median(s.of(side, connectKey(trip))))
		}
		const short, long = 20, 80
		n.set(prefix+"connect_rtts", (n.get(prefix+connectKey(long)+"_ms")-n.get(prefix+connectKey(short)+"_ms"))/(long-short))
		for _, what := range []string{"cpu_up", "cpu_down"} {
			n.set(prefix+what+"_seconds_per_gb", sum(s.of(side, what+"_seconds"))/sum(s.of(side, what+"_gb")))
		}
		for _, count := range p.idle {
			n.set(fmt.Sprintf("%srss_mib_%d", prefix, count), median(s.of(side, fmt.Sprintf("rss_%d", count))))
		}
		few, many := slices.Min(p.idle), slices.Max(p.idle)
		growth := n.get(fmt.Sprintf("%srss_mib_%d", prefix, many)) - n.get(fmt.Sprintf("%srss_mib_%d", prefix, few))
		n.set(prefix+"idle_kib_per_connection", growth*1024/float64(many-few))
		n.set(prefix+"idle_connections", median(s.of(side, "idle_connections")))
		for _, what := range []string{"recover", "recover_up"} {
			n.set(prefix+what+"_seconds", median(s.of(side, what)))
			n.set(prefix+what+"_whole", mean(s.of(side, what+"_whole")))
		}
	}
	for _, what := range transfers {
		n.set(what+"_ratio", n.get(what+"_mb_per_s")/n.get("plugin_"+what+"_mb_per_s"))
	}
	for _, what := range []string{"select_under_bulk", "select_before_bulk"} {
		n.set(what+"_ratio", n.get(what+"_ms")/n.get("plugin_"+what+"_ms"))
	}
	return n
}

// numbers are by key; NaN stands for what is not there.
type numbers map[string]float64

// set leaves out what is no number: JSON knows none.
func (n numbers) set(key string, value float64) {
	if !math.IsNaN(value) && !math.IsInf(value, 0) {
		n[key] = value
	}
}

func (n numbers) get(key string) float64 {
	if v, ok := n[key]; ok {
		return v
	}
	return math.NaN()
}

func median(v []float64) float64 { return percentile(v, 50) }

// percentile interpolates between the two nearest values; NaN of none.
func percentile(v []float64, p float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Sorted(slices.Values(v))
	at := p / 100 * float64(len(v)-1)
	low := int(at)
	high := min(low+1, len(v)-1)
	return v[low] + (at-float64(low))*(v[high]-v[low])
}

func sum(v []float64) (total float64) {
	for _, x := range v {
		total += x
	}
	return total
}

// mean is NaN of none.
func mean(v []float64) float64 { return sum(v) / float64(len(v)) }
