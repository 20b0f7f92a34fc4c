package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// pgbench's ways to ask.
const (
	simple    = "simple"    // one Query message
	prepared  = "prepared"  // Bind, Execute and Sync
	pipelined = "pipelined" // ten prepared ones, then Sync
)

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
		if now, ok := s.cpu(); known && ok {
			b.samples.Add(s.name, key+"_cpu_us", (now-cpu).Seconds()*1e6/r.count)
		}
		return nil
	}
}

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
	if _, err := b.pgbench(s, window, clients, append(args, "-l", "--log-prefix="+prefix)...); err != nil {
		return err
	}
	files, err := filepath.Glob(prefix + ".*")
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) > 2 {
				if us, err := strconv.ParseFloat(fields[2], 64); err == nil {
					b.samples.Add(s.name, key, us/1e3)
				}
			}
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// report is what pgbench prints at its end.
type report struct {
	count     float64 // transactions
	perSecond float64
}

func (b *bench) pgbench(s *side, window time.Duration, clients int, args ...string) (report, error) {
	args = append([]string{
		"-n", "-c", strconv.Itoa(clients), "-j", strconv.Itoa(min(clients, 2)), "-T", strconv.Itoa(int(max(window, time.Second).Seconds())),
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
