package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// aged is how much later than its cause an error may be noted: the client has
// to see it first.
const aged = time.Second

// usage are the resources of pgkeyless; zero where they cannot be seen.
type usage struct {
	rss                int64 // bytes
	threads, openFiles int
}

// leftFiles are the file descriptors that may be more at the end: sockets of
// the sessions in the pool.
const leftFiles = 8

// summary gathers what happened. Its methods are safe for concurrent use.
type summary struct {
	out     io.Writer
	verbose bool
	began   time.Time
	ended   time.Time // of the load

	mu        sync.Mutex
	ok        map[string]int // by task
	bytes     int64
	errors    map[string]int // by SQLSTATE
	causes    map[string]int // harmful faults that errors are put down to
	faults    map[string]int
	struck    []*spell // harmful ones
	messages  int64    // spoilt
	wrongs    []string
	first     usage
	last      usage
	peak      int64
	exit      int
	stoppedIn time.Duration
}

// spell is the time in which a harmful fault explains errors.
type spell struct {
	kind     string
	from, to time.Time
}

func newSummary(out io.Writer, verbose bool) *summary {
	return &summary{
		out: out, verbose: verbose, began: time.Now(),
		ok: map[string]int{}, errors: map[string]int{}, causes: map[string]int{}, faults: map[string]int{},
	}
}

// wrong notes what must not be.
func (s *summary) wrong(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf("%6.1f s: ", time.Since(s.began).Seconds()) + fmt.Sprintf(format, args...)
	s.wrongs = append(s.wrongs, text)
	fmt.Fprintln(s.out, "WRONG", text)
}

func (s *summary) sayf(format string, args ...any) {
	if s.verbose {
		fmt.Fprintf(s.out, "%6.1f s: %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
	}
}

// fault notes a fault's beginning; end its end.
func (s *summary) fault(f fault) (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sayf("%s", f.kind)
	s.faults[f.kind]++
	if f.aftermath == 0 {
		return func() {}
	}
	sp := &spell{kind: f.kind, from: time.Now(), to: time.Now().Add(time.Hour)}
	s.struck = append(s.struck, sp)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		sp.to = time.Now().Add(f.aftermath)
	}
}

// aftermath is how long errors may still come.
func (s *summary) aftermath() (left time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sp := range s.struck {
		left = max(left, time.Until(sp.to))
	}
	return left
}

// suspect is the share of the time in which an error would have been put down
// to a harmful fault.
func (s *summary) suspect(end time.Time) float64 {
	var covered time.Duration
	until := s.began
	for _, sp := range s.struck { // in order of their beginnings
		from, to := sp.from, sp.to
		if from.Before(until) {
			from = until
		}
		if to.After(end) {
			to = end
		}
		if to.After(from) {
			covered += to.Sub(from)
			until = to
		}
	}
	return float64(covered) / float64(end.Sub(s.began))
}

func (s *summary) spoilt(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages += n
}

// done notes a task's end.
func (s *summary) done(kind string, began time.Time, bytes int, err error, hung bool) {
	now := time.Now()
	s.mu.Lock()
	s.bytes += int64(bytes)
	if err == nil {
		s.ok[kind]++
		s.mu.Unlock()
		return
	}
	state := sqlState(err)
	s.errors[state]++
	s.sayf("%s: %s: %v", kind, state, err)
	cause := ""
	for _, sp := range s.struck {
		if now.Add(-aged).Before(sp.to) && sp.from.Before(now) {
			cause = sp.kind
		}
	}
	if cause != "" {
		s.causes[cause]++
	}
	s.mu.Unlock()
	var corrupt corruption
	switch {
	case errors.As(err, &corrupt):
		s.wrong("%s: corrupted: %v", kind, err)
	case hung:
		s.wrong("%s: hung for %v: %v", kind, now.Sub(began).Round(time.Second), err)
	case cause == "":
		s.wrong("%s: unexplained error after %v: %s %v", kind, now.Sub(began).Round(time.Millisecond), state, err)
	}
}

// sqlState is an error's, or "closed" for a connection that was.
func sqlState(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Code
	}
	return "closed"
}

func (s *summary) before(u usage) { s.first, s.peak = u, u.rss }
func (s *summary) after(u usage)  { s.last, s.peak = u, max(s.peak, u.rss) }

// watch looks for the highest memory use, until ctx ends.
func (s *summary) watch(ctx context.Context, proxy *lab.Proxy) {
	for ctx.Err() == nil {
		u := usageOf(proxy)
		s.mu.Lock()
		s.peak = max(s.peak, u.rss)
		s.mu.Unlock()
		pause(ctx, time.Second)
	}
}

// stop ends pgkeyless by SIGTERM and looks at what it leaves.
func (s *summary) stop(proxy *lab.Proxy, aws *awsemu.Emulator) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	began := time.Now()
	if err := proxy.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.wrong("SIGTERM: %v", err)
	}
	code, err := proxy.Wait(ctx)
	if err != nil {
		_ = proxy.Signal(syscall.SIGQUIT) // prints its goroutines
		s.wrong("%v", err)
		proxy.Kill()
	}
	s.exit, s.stoppedIn = code, time.Since(began)
	if want := 128 + int(syscall.SIGTERM); code != want {
		s.wrong("exit code %d, want %d", code, want)
	}
	ended, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := aws.Await(ended, gateway.AllEnded); err != nil {
		s.wrong("%d SSM sessions left open", aws.OpenSessions())
	}
	for _, v := range aws.Violations() {
		s.wrong("protocol violation: %s", v)
	}
	if more := s.last.openFiles - s.first.openFiles; more > leftFiles {
		s.wrong("%d more open files at the end than at the start", more)
	}
}

// secrets looks for what must never be printed, and for races and panics.
func (s *summary) secrets(output string, keys lab.Credentials) {
	for _, leak := range keys.Leaks(output) {
		s.wrong("%s", leak)
	}
}

// print writes the summary.
func (s *summary) print(sessions []gateway.Session) {
	resumes, streams, connections := 0, 0, 0
	endings := map[string]int{}
	for _, x := range sessions {
		resumes += x.Resumes
		streams += x.Streams
		connections += x.Connections
		endings[x.Ending]++
	}
	total := 0
	for _, n := range s.ok {
		total += n
	}
	fmt.Fprintf(s.out, "\n%-12s %d without error, %.1f MB compared\n", "tasks", total, float64(s.bytes)/1e6)
	list(s.out, s.ok)
	fmt.Fprintf(s.out, "%-12s %d sessions, %d streams, %d websockets, %d resumes\n", "tunnel", len(sessions), streams, connections, resumes)
	list(s.out, endings)
	fmt.Fprintf(s.out, "%-12s %d kinds, %d messages spoilt\n", "faults", len(s.faults), s.messages)
	list(s.out, s.faults)
	fmt.Fprintf(s.out, "errors by SQLSTATE; for %.0f %% of the time they would be put down to a harmful fault\n", 100*s.suspect(s.ended))
	list(s.out, s.errors)
	fmt.Fprintln(s.out, "errors by the harmful fault of their time")
	list(s.out, s.causes)
	if s.first.rss > 0 {
		fmt.Fprintf(s.out, "%-12s %.1f MB at the start, %.1f at most, %.1f at the end\n", "memory", float64(s.first.rss)/1e6, float64(s.peak)/1e6, float64(s.last.rss)/1e6)
		fmt.Fprintf(s.out, "%-12s %d and %d at the start, %d and %d at the end\n", "files, threads", s.first.openFiles, s.first.threads, s.last.openFiles, s.last.threads)
	}
	fmt.Fprintf(s.out, "%-12s code %d, %v after SIGTERM\n", "exit", s.exit, s.stoppedIn.Round(time.Millisecond))
}

func list(out io.Writer, counts map[string]int) {
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(out, "  %6d %s\n", counts[key], key)
	}
}

// verdict is nil when nothing was wrong.
func (s *summary) verdict(output string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wrongs) == 0 {
		fmt.Fprintln(s.out, "nothing wrong")
		return nil
	}
	return fmt.Errorf("%d things wrong:\n%s\npgkeyless printed at last:\n%s", len(s.wrongs), strings.Join(s.wrongs, "\n"), lastLines(output, 60))
}
