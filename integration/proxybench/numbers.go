package main

import (
	"fmt"
	"slices"

	"github.com/pgkeyless/pgkeyless/integration/benchkit"
)

// rated are the measures of which more is better, and which are compared.
func rated() []string {
	var all []string
	for _, n := range clients {
		all = append(all, tpsKey(n, simple))
	}
	return append(all, tpsKey(8, prepared), "connects", "bulk_down", "bulk_up")
}

// prefix is what a side's keys begin with; pgkeyless's own have none.
func prefix(side string) string {
	if side == ours {
		return ""
	}
	return side + "_"
}

// condense makes of the samples flat keys: medians over the rounds, and ratios
// of pgkeyless's to those of the other sides. What was not measured has no key.
func condense(s benchkit.Samples, p plan) benchkit.Numbers {
	n := benchkit.Numbers{}
	few, many := slices.Min(p.idle), slices.Max(p.idle)
	for _, side := range everySide {
		pre := prefix(side)
		for _, what := range rated() {
			n.Set(pre+what, benchkit.Median(s.Of(side, what)))
			n.Set(pre+what+"_cpu_us", benchkit.Median(s.Of(side, what+"_cpu_us")))
			n.Set(pre+what+"_cpu_s_per_gb", benchkit.Median(s.Of(side, what+"_cpu_s_per_gb")))
		}
		for _, percent := range percentiles {
			n.Set(pre+latencyKey(percent), benchkit.Percentile(s.Of(side, "latency"), percent))
		}
		for _, count := range p.idle {
			n.Set(fmt.Sprintf("%srss_mib_%d", pre, count), benchkit.Median(s.Of(side, fmt.Sprintf("rss_%d", count))))
		}
		growth := n.Get(fmt.Sprintf("%srss_mib_%d", pre, many)) - n.Get(fmt.Sprintf("%srss_mib_%d", pre, few))
		n.Set(pre+"idle_kib_per_connection", growth*1024/float64(many-few))
		n.Set(pre+"idle_connections", benchkit.Median(s.Of(side, "idle_connections")))
	}
	for _, other := range everySide {
		for _, what := range rated() {
			if other != ours {
				n.Set(what+"_ratio_"+other, n.Get(what)/n.Get(prefix(other)+what))
			}
			if other == oursUnix {
				n.Set(prefix(other)+what+"_ratio_direct", n.Get(prefix(other)+what)/n.Get(prefix(direct)+what))
			}
		}
	}
	return n
}

// percentiles of the times of queries.
var percentiles = []float64{50, 95, 99}

func latencyKey(percent float64) string { return fmt.Sprintf("latency8_p%v_ms", percent) }
