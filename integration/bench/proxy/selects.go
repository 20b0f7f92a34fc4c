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
	simple   = "simple"   // one Query message
	prepared = "prepared" // Bind, Execute and Sync
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
		r, err := b.pgbench(s, b.plan.window, clients, "-S", "-M", mode)
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

// latencies takes the time of each query.
func (b *bench) latencies(s *side) error {
	prefix := filepath.Join(b.dir, "log-"+s.name)
	if _, err := b.pgbench(s, b.plan.logged, loggedClients, "-S", "-l", "--log-prefix="+prefix); err != nil {
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
					b.samples.Add(s.name, "latency", us/1e3)
				}
			}
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// connecting is how many clients do so at once: as many as two processors make
// use of, and the login waits for three parties in turn.
const connecting = 4

// connects counts connections that ask once and close.
func (b *bench) connects(s *side) error {
	script := filepath.Join(b.dir, "select1.sql")
	if err := os.WriteFile(script, []byte("select 1\n"), 0o644); err != nil {
		return err
	}
	cpu, known := s.cpu()
	r, err := b.pgbench(s, b.plan.window, connecting, "-C", "-f", script)
	if err != nil {
		return err
	}
	b.samples.Add(s.name, "connects", r.perSecond)
	if now, ok := s.cpu(); known && ok {
		b.samples.Add(s.name, "connects_cpu_us", (now-cpu).Seconds()*1e6/r.count)
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
