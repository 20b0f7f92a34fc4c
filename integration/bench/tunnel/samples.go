package main

import (
	"fmt"
	"slices"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

// transfers are the cells that measure MB/s.
var transfers = []string{"upload", "download1", "download4", "download8", "download4_at_once", "download8_cold_wall", "download8_cold_long_wall"}

// condense makes of the samples flat keys; those of the plugin begin with
// plugin_. What was not measured has no key.
func condense(s kit.Samples, p plan) kit.Numbers {
	n := kit.Numbers{}
	for _, side := range []string{ours, plugin} {
		prefix := ""
		if side == plugin {
			prefix = "plugin_"
		}
		for _, what := range transfers {
			n.Set(prefix+what+"_mb_per_s", kit.Median(s.Of(side, what)))
		}
		for _, what := range []string{"select_alone", "select_under_bulk", "select_before_bulk"} {
			n.Set(prefix+what+"_ms", kit.Median(s.Of(side, what)))
			n.Set(prefix+what+"_p99_ms", kit.Percentile(s.Of(side, what), 99))
		}
		for _, clients := range askers {
			for _, key := range []string{selectKey(clients), messagesKey(clients)} {
				n.Set(prefix+key, kit.Median(s.Of(side, key)))
			}
		}
		for _, trip := range trips {
			n.Set(prefix+connectKey(trip)+"_ms", kit.Median(s.Of(side, connectKey(trip))))
		}
		for _, clients := range storms {
			if side == plugin && !slices.Contains(pluginStorms, clients) {
				continue
			}
			key := stormKey(clients)
			for _, what := range []string{"_seconds", "_per_s", "_served"} {
				n.Set(prefix+key+what, kit.Median(s.Of(side, key+what)))
			}
			n.Set(prefix+key+"_wait_p99_ms", kit.Percentile(s.Of(side, key+"_wait"), 99))
		}
		for _, key := range []string{usedStormKey(), nearStormKey()} {
			n.Set(prefix+key+"_seconds", kit.Median(s.Of(side, key+"_seconds")))
		}
		first := stormKey(storms[0]) + "_cpu"
		n.Set(prefix+first+"_ms", kit.Median(s.Of(side, first)))
		const short, long = 20, 80
		n.Set(prefix+"connect_rtts", (n.Get(prefix+connectKey(long)+"_ms")-n.Get(prefix+connectKey(short)+"_ms"))/(long-short))
		for _, what := range []string{"cpu_up", "cpu_down"} {
			n.Set(prefix+what+"_seconds_per_gb", kit.Sum(s.Of(side, what+"_seconds"))/kit.Sum(s.Of(side, what+"_gb")))
		}
		for _, count := range p.idle {
			n.Set(fmt.Sprintf("%srss_mib_%d", prefix, count), kit.Median(s.Of(side, fmt.Sprintf("rss_%d", count))))
		}
		few, many := slices.Min(p.idle), slices.Max(p.idle)
		growth := n.Get(fmt.Sprintf("%srss_mib_%d", prefix, many)) - n.Get(fmt.Sprintf("%srss_mib_%d", prefix, few))
		n.Set(prefix+"idle_kib_per_connection", growth*1024/float64(many-few))
		n.Set(prefix+"idle_connections", kit.Median(s.Of(side, "idle_connections")))
		for _, what := range []string{"recover", "recover_up"} {
			n.Set(prefix+what+"_seconds", kit.Median(s.Of(side, what)))
			n.Set(prefix+what+"_whole", kit.Mean(s.Of(side, what+"_whole")))
		}
	}
	for _, trip := range trips {
		n.Set(fmt.Sprintf("connect_ready_ms_%d", trip), kit.Median(s.Of(ours, readyKey(trip))))
	}
	n.Set("connect_ready_rtts", (n.Get("connect_ready_ms_80")-n.Get("connect_ready_ms_20"))/(80-20))
	n.Set(directStormKey()+"_seconds", kit.Median(s.Of(direct, directStormKey()+"_seconds")))
	for key, ratio := range map[string]string{
		stormKey(storms[0]): "connect_burst_ratio_plugin",
		usedStormKey():      "connect_burst_used_ratio_plugin",
		nearStormKey():      "connect_burst_near_ratio_plugin",
	} {
		n.Set(ratio, n.Get("plugin_"+key+"_seconds")/n.Get(key+"_seconds"))
	}
	again := secondStormKey(storms[0]) + "_seconds"
	n.Set(again, kit.Median(s.Of(ours, again)))
	n.Set("connect_burst_ready_ratio_plugin", n.Get("plugin_connect_burst_50_seconds")/n.Get(again))
	n.Set("storm_2000_ratio_60", n.Get("connect_burst_2000_per_s")/n.Get("connect_burst_60_per_s"))
	for _, what := range transfers {
		n.Set(what+"_ratio", n.Get(what+"_mb_per_s")/n.Get("plugin_"+what+"_mb_per_s"))
	}
	for _, what := range []string{"select_under_bulk", "select_before_bulk"} {
		n.Set(what+"_ratio", n.Get(what+"_ms")/n.Get("plugin_"+what+"_ms"))
	}
	for _, clients := range askers {
		n.Set(fmt.Sprintf("select_tps_ratio_plugin_%d", clients), n.Get(selectKey(clients))/n.Get("plugin_"+selectKey(clients)))
		n.Set(fmt.Sprintf("messages_per_query_ratio_plugin_%d", clients), n.Get(messagesKey(clients))/n.Get("plugin_"+messagesKey(clients)))
	}
	return n
}
