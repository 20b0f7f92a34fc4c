package main

import (
	"fmt"
	"slices"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

// rated are the measures of which more is better, and which are compared.
func rated() []string {
	var all []string
	for _, n := range clients {
		all = append(all, tpsKey(n, simple))
	}
	for _, n := range preparing {
		all = append(all, tpsKey(n, prepared))
	}
	for _, n := range connecting {
		all = append(all, connectsKey(n))
	}
	return append(all, tpsKey(8, pipelined), "bulk_down", "bulk_up")
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
func condense(s kit.Samples, p plan) kit.Numbers {
	n := kit.Numbers{}
	for _, side := range everySide {
		pre := prefix(side)
		for _, what := range rated() {
			n.Set(pre+what, kit.Median(s.Of(side, what)))
			n.Set(pre+what+"_cpu_us", kit.Median(s.Of(side, what+"_cpu_us")))
			n.Set(pre+what+"_cpu_s_per_gb", kit.Median(s.Of(side, what+"_cpu_s_per_gb")))
		}
		for _, percent := range percentiles {
			n.Set(pre+latencyKey(percent), kit.Percentile(s.Of(side, "latency"), percent))
			for _, p := range paces {
				n.Set(pre+percentileKey(pacedKey(p.clients), percent), kit.Percentile(s.Of(side, pacedKey(p.clients)), percent))
			}
		}
		n.Set(pre+connectReadyKey+"_ms", kit.Median(s.Of(side, connectReadyKey)))
		for clients := range connectRates {
			key := connectsPacedKey(clients)
			n.Set(pre+key+"_ms", kit.Median(s.Of(side, key)))
			n.Set(pre+key+"_logins", kit.Median(s.Of(side, key+"_logins")))
			n.Set(pre+key+"_database_cpu_ms", kit.Median(s.Of(side, key+"_database_cpu")))
		}
		condenseIdle(n, s, side, p.idle)
	}
	condenseIdle(n, s, tunnel, p.tunnelIdle)
	// Of times less is better: what a client waits for directly, against ours.
	n.Set("connects_paced_ratio_direct", n.Get("direct_connects_paced1_ms")/n.Get("connects_paced1_ms"))
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

// condenseIdle is what a side took at each of counts, and for one connection more.
func condenseIdle(n kit.Numbers, s kit.Samples, side string, counts []int) {
	rss := func(count int) string { return fmt.Sprintf("%srss_mib_%d", prefix(side), count) }
	for _, count := range counts {
		n.Set(rss(count), kit.Median(s.Of(side, fmt.Sprintf("rss_%d", count))))
	}
	few, many := slices.Min(counts), slices.Max(counts)
	n.Set(prefix(side)+"idle_kib_per_connection", (n.Get(rss(many))-n.Get(rss(few)))*1024/float64(many-few))
	n.Set(prefix(side)+"idle_connections", kit.Median(s.Of(side, "idle_connections")))
}

// percentiles of the times of queries.
var percentiles = []float64{50, 95, 99}

func latencyKey(percent float64) string { return percentileKey("latency8", percent) }

func percentileKey(what string, percent float64) string {
	return fmt.Sprintf("%s_p%v_ms", what, percent)
}
