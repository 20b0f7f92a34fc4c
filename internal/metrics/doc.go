// Package metrics shows Prometheus what a run has counted.
//
// It counts nothing itself: each scrape reads the snapshots of the proxy, the tunnel
// and the credentials once, and writes them down as constant metrics. So metrics,
// log and status document cannot disagree, and a scrape costs what a snapshot costs.
//
// The metrics stand in one table, families, from which docs/metrics.md is made.
// Every label takes its values from a bounded set: the configured targets and
// profiles, the jump hosts of open SSM sessions, the rows of the table of causes, and
// words fixed here. What a client says (user, database, SQL) is never among them.
package metrics
