package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "clients: error:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	binary string // pgkeyless
	source string // this package's directory
	only   string // names of clients, with commas between; empty: all
	tunnel bool   // through the tunnel only
	jobs   int    // clients at once
	write  bool
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("clients", flag.ContinueOnError)
	flags.StringVar(&o.binary, "pgkeyless", "bin/pgkeyless", "the `binary`, built with -race")
	flags.StringVar(&o.source, "source", "integration/conformance/clients", "the `directory` of the clients")
	flags.StringVar(&o.only, "only", "", "run only the client `NAME`, or several with commas between")
	flags.BoolVar(&o.tunnel, "tunnel", false, "only through emulated Session Manager: the usual subset, or what --only names")
	flags.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "how many clients run at once")
	flags.BoolVar(&o.write, "write", false, "write the table into docs/clients.md")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.write && (o.only != "" || o.tunnel) {
		return o, errors.New("--write needs a run of all clients: leave out --only and --tunnel")
	}
	if o.jobs < 1 {
		return o, errors.New("--jobs must be 1 at least")
	}
	return o, nil
}

// plan says which clients run which way.
func (o options) plan() (direct, tunnel, pooled []client, err error) {
	chosen := table
	if o.only != "" {
		chosen = nil
		for name := range strings.SplitSeq(o.only, ",") {
			i := slices.IndexFunc(table, func(c client) bool { return c.Name == name })
			if i < 0 {
				return nil, nil, nil, fmt.Errorf("there is no client %q", name)
			}
			chosen = append(chosen, table[i])
		}
	}
	if !o.tunnel {
		direct = chosen
	}
	for _, c := range chosen {
		if c.Tunnel || o.tunnel && o.only != "" {
			tunnel = append(tunnel, c)
		}
		if c.RDSProxy != nil && !o.tunnel {
			pooled = append(pooled, c)
		}
	}
	return direct, tunnel, pooled, nil
}

// run runs the clients asked for and prints the table. An error says that one
// of them, or pgkeyless, did not do as it should.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	direct, tunnel, pooled, err := o.plan()
	if err != nil {
		return err
	}
	if o.source, err = filepath.Abs(o.source); err != nil {
		return err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	cache = filepath.Join(cache, "pgkeyless-clients")
	if err := replaceTree(filepath.Join(cache, "harness"), filepath.Join(o.source, "harness")); err != nil {
		return err
	}
	s, err := startSite(ctx, o.binary)
	if err != nil {
		return err
	}
	defer s.close()

	r := runner{site: s, source: o.source, cache: cache, out: out}
	reports := r.runAll(ctx, direct, directly, o.jobs)
	reports = append(reports, r.runAll(ctx, tunnel, tunnelled, o.jobs)...)
	reports = append(reports, r.runAll(ctx, pooled, rdsProxy, o.jobs)...)
	wrong := s.finish()
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	fmt.Fprintln(out)
	printTable(out, reports)
	good := 0
	for _, p := range reports {
		if len(p.failures()) == 0 {
			good++
		}
	}
	for _, w := range wrong {
		fmt.Fprintln(out, "FAILED: pgkeyless:", w)
	}
	if len(wrong) > 0 {
		fmt.Fprintf(out, "pgkeyless printed:\n%s\n", s.proxy.Output())
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", good, len(reports)-good+len(wrong))
	if good < len(reports) || len(wrong) > 0 {
		return errors.New("not every client does what it should; the reasons are above")
	}
	if o.write {
		return writeTable(filepath.Join(o.source, "../../../docs/clients.md"), reports)
	}
	return nil
}

// replaceTree makes to a copy of from.
func replaceTree(to, from string) error {
	return errors.Join(os.RemoveAll(to), os.MkdirAll(filepath.Dir(to), 0o700), os.CopyFS(to, os.DirFS(from)))
}

// runner runs clients at one site.
type runner struct {
	site          *site
	source, cache string

	mu  sync.Mutex // one line at a time
	out io.Writer
}

// runAll runs clients, at most jobs at once, and returns their reports in the
// order of clients.
func (r *runner) runAll(ctx context.Context, clients []client, w way, jobs int) []*report {
	reports := make([]*report, len(clients))
	next := make(chan int)
	var workers sync.WaitGroup
	for range jobs {
		workers.Go(func() {
			for i := range next {
				began := time.Now()
				reports[i] = r.runOne(ctx, clients[i], w)
				r.tell(reports[i], time.Since(began))
			}
		})
	}
	for i := range clients {
		next <- i
	}
	close(next)
	workers.Wait()
	return reports
}

// tell prints how a run ended.
func (r *runner) tell(p *report, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	way := map[way]string{tunnelled: ", through the tunnel", rdsProxy: ", through RDS Proxy"}[p.Way]
	wrong := p.failures()
	if len(wrong) == 0 {
		fmt.Fprintf(r.out, "ok      %s %s%s, %.1f s\n", p.Client.Name, p.Version, way, took.Seconds())
		return
	}
	fmt.Fprintf(r.out, "FAILED  %s %s%s, %.1f s\n", p.Client.Name, p.Version, way, took.Seconds())
	for _, w := range wrong {
		fmt.Fprintf(r.out, "        %s\n", w)
	}
	if p.Output != "" {
		fmt.Fprintf(r.out, "        it printed:\n%s\n", p.Output)
	}
}
