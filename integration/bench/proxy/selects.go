package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

// pgbench's ways to ask.
const (
	simple    = "simple"    // one Query message
	prepared  = "prepared"  // Bind, Execute and Sync
	pipelined = "pipelined" // ten prepared ones, then Sync
)

// loginTime is what a login takes where two processors serve all of it, with room.
const loginTime = 15 * time.Millisecond

// loggedClients are those whose queries are timed one by one.
const loggedClients = 8

func tpsKey(clients int, mode string) string {
	key := fmt.Sprintf("tps%d", clients)
	if mode != simple {
		key += "_" + mode
	}
	return key
}

// selects counts pgbench's look-ups of a row by its key in a second, and what
// the proxy uses for each.
func selects(clients int, mode string) func(*bench, *side) error {
	key := tpsKey(clients, mode)
	return func(b *bench, s *side) error {
		cpu, known := s.cpu()
		args := []string{"-S", "-M", mode}
		if mode == pipelined {
			script, err := b.script("pipeline.sql", pipeline)
			if err != nil {
				return err
			}
			args = []string{"-f", script, "-M", prepared}
		}
		r, err := b.pgbench(s, b.plan.window, clients, args...)
		if err != nil {
			return err
		}
		b.samples.Add(s.name, key, r.perSecond)
		if now, ok := s.cpu(); known && ok && clients <= fewLogins {
			b.samples.Add(s.name, key+"_cpu_us", (now-cpu).Seconds()*1e6/r.count)
		}
		return nil
	}
}

// fewLogins are so few that their own cost is lost among the queries'.
const fewLogins = 32

// pipeline is a transaction of pgbench's that waits once for ten queries.
var pipeline = "\\set aid random(1, 1000000)\n\\startpipeline\n" +
	strings.Repeat("SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n", 10) + "\\endpipeline\n"

// script writes one of pgbench's scripts.
func (b *bench) script(name, text string) (string, error) {
	file := filepath.Join(b.dir, name)
	return file, os.WriteFile(file, []byte(text), 0o644)
}

// latencies takes the time of each query.
func (b *bench) latencies(s *side) error {
	return b.logged(s, "latency", b.plan.logged, loggedClients, "-S")
}

// paces are loads below what any side can carry: so many clients, and how many
// queries a second they ask together. Users live there.
var paces = []struct{ clients, rate int }{{8, 1000}, {100, 2000}}

func pacedKey(clients int) string { return fmt.Sprintf("paced%d", clients) }

// paced takes the time of each query of a load that comes by the clock.
func paced(clients, rate int) func(*bench, *side) error {
	return func(b *bench, s *side) error {
		return b.logged(s, pacedKey(clients), b.plan.logged, clients, "-S", "-M", prepared, "-R", strconv.Itoa(rate))
	}
}

// logged runs pgbench and notes the milliseconds of each transaction, from when it was
// due.
func (b *bench) logged(s *side, key string, window time.Duration, clients int, args ...string) error {
	prefix := filepath.Join(b.dir, "log-"+s.name)
	warmUp := time.Duration(clients) * loginTime
	if slices.Contains(args, "-C") {
		warmUp = 0
	}
	if _, err := b.pgbench(s, warmUp+window, clients, append(args, "-l", "--log-prefix="+prefix)...); err != nil {
		return err
	}
	files, err := filepath.Glob(prefix + ".*")
	if err != nil {
		return err
	}
	var all []transaction
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		all = append(all, parseLog(string(text))...)
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	for _, t := range after(warmUp, all) {
		b.samples.Add(s.name, key, kit.Milliseconds(t.took))
	}
	return nil
}

// transaction is one of pgbench's log.
type transaction struct {
	ended time.Time
	took  time.Duration
}

// parseLog reads lines of client, number, microseconds, script, and the end in seconds
// and microseconds. What is no such line is left out: the last one may be cut.
//
// Source: PostgreSQL 15 docs, pgbench.html, Per-Transaction Logging.
func parseLog(text string) []transaction {
	var all []transaction
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 6 {
			continue
		}
		var n [3]int64
		var err error
		for i, field := range []string{fields[2], fields[4], fields[5]} {
			var failed error
			n[i], failed = strconv.ParseInt(field, 10, 64)
			err = errors.Join(err, failed)
		}
		if err == nil {
			all = append(all, transaction{time.Unix(n[1], n[2]*1000), time.Duration(n[0]) * time.Microsecond})
		}
	}
	return all
}

// after leaves out what ended within d of the first: a pool opens its connections then.
func after(d time.Duration, all []transaction) []transaction {
	if len(all) == 0 {
		return nil
	}
	first := slices.MinFunc(all, func(a, b transaction) int { return a.ended.Compare(b.ended) }).ended
	return slices.DeleteFunc(slices.Clone(all), func(t transaction) bool { return t.ended.Before(first.Add(d)) })
}

// report is what pgbench prints at its end.
type report struct {
	count     float64 // transactions
	perSecond float64
}

func (b *bench) pgbench(s *side, window time.Duration, clients int, args ...string) (report, error) {
	if !slices.Contains(args, "-C") {
		window += time.Duration(clients) * loginTime // pgbench's time runs while they connect
	}
	args = append([]string{
		"-n", "-c", strconv.Itoa(clients), "-j", strconv.Itoa(min(clients, 2)), "-T", strconv.Itoa(int(math.Ceil(window.Seconds()))),
	}, args...)
	cmd, err := b.client(b.ctx, s, "pgbench", args...)
	if err != nil {
		return report{}, err
	}
	var text strings.Builder
	cmd.Stdout = &text
	if err := finish(cmd); err != nil {
		return report{}, err
	}
	return parseReport(text.String())
}

var (
	countLine = regexp.MustCompile(`(?m)^number of transactions actually processed: (\d+)`)
	rateLine  = regexp.MustCompile(`(?m)^tps = ([\d.]+) `)
)

func parseReport(text string) (r report, err error) {
	for _, v := range []struct {
		line *regexp.Regexp
		to   *float64
	}{{countLine, &r.count}, {rateLine, &r.perSecond}} {
		found := v.line.FindStringSubmatch(text)
		if found == nil {
			return r, fmt.Errorf("pgbench printed no line like %s:\n%s", v.line, text)
		}
		if *v.to, err = strconv.ParseFloat(found[1], 64); err != nil {
			return r, err
		}
	}
	return r, nil
}
