package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/lab"
	"github.com/pgkeyless/pgkeyless/integration/pgserver"
)

//go:embed differences.txt
var differences string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	binary := flag.String("pgkeyless", "", "the `path` of pgkeyless, built")
	only := flag.String("only", "", "the `name` of the one suite to run: pgx or pq")
	flag.Parse()
	if err := compareAll(ctx, *binary, *only); err != nil {
		fmt.Fprintln(os.Stderr, "suites: error:", err)
		os.Exit(1)
	}
}

func compareAll(ctx context.Context, binary, only string) error {
	known, err := parseDifferences(differences)
	if err != nil {
		return err
	}
	keys := lab.NewCredentials()
	database, err := lab.StartDatabase(ctx, keys, func(c *pgserver.Config) {
		c.ExtraHBA = "hostnossl all " + role + " 127.0.0.1/32 trust\n"
	})
	if err != nil {
		return err
	}
	defer database.Close()
	if err := prepare(ctx, database); err != nil {
		return err
	}
	proxy, err := lab.StartProxy(ctx, lab.Command{
		Binary: binary,
		Args:   []string{"serve", lab.Host + "?dial=" + database.Address() + "&ca-file=" + database.CAFile(), "--port", "0"},
		Env:    keys.Env("http://127.0.0.1:1"), // no call is made
	})
	if err != nil {
		return err
	}
	defer proxy.Kill()

	failed := false
	for _, s := range suites {
		if only != "" && s.name != only {
			continue
		}
		complaints, err := s.compare(ctx, database.Address(), proxy.Addresses()[0], known[s.name])
		if err != nil {
			return err
		}
		for _, c := range complaints {
			fmt.Println("FAIL", c)
			failed = true
		}
	}
	if failed {
		return fmt.Errorf("what passes directly does not pass through pgkeyless, or the list is out of date")
	}
	return nil
}

// prepare makes role and database.
func prepare(ctx context.Context, database *pgserver.Server) error {
	outside, err := database.AdminConn(ctx)
	if err != nil {
		return err
	}
	defer outside.Close(ctx)
	cfg, err := pgx.ParseConfig(database.AdminURL())
	if err != nil {
		return err
	}
	for _, sql := range setUp {
		if _, err := outside.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	cfg.Database = role
	inside, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer inside.Close(ctx)
	for _, sql := range setUpInside {
		if _, err := inside.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// compare runs the suite at both addresses, and returns what is not as it must
// be. Tests that were lost are tried once more, since some of them depend on
// timing.
func (s suite) compare(ctx context.Context, direct, proxied string, known map[string]string) ([]string, error) {
	dir, err := os.MkdirTemp("", "pgkeyless-suite-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	dir = filepath.Join(dir, "src")
	if err := s.copyTo(ctx, dir); err != nil {
		return nil, err
	}
	at := func(address string, only []string) (results, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return run(ctx, dir, s.packages, s.env(host, port), only)
	}
	want, err := at(direct, nil)
	if err != nil {
		return nil, err
	}
	got, err := at(proxied, nil)
	if err != nil {
		return nil, err
	}
	missing := lost(want, got)
	if len(missing) > 0 {
		again, err := at(proxied, topLevel(missing))
		if err != nil {
			return nil, err
		}
		for _, name := range missing {
			got[name] = again[name]
		}
		missing = lost(want, got)
	}
	fmt.Printf("%s: %d tests pass directly (%d fail, %d are skipped), %d through pgkeyless; %d differ, %d of them listed\n",
		s.name, want.count("pass"), want.count("fail"), want.count("skip"), got.count("pass"), len(missing), len(known))
	if bad := want.failed(); len(bad) > 0 {
		fmt.Printf("%s: fail directly: %s\n", s.name, strings.Join(bad, " "))
	}
	return judge(missing, known), nil
}

// judge says which losses are not known, and which that are known did not happen.
func judge(missing []string, known map[string]string) (complaints []string) {
	happened := make(map[string]bool)
	for _, name := range missing {
		happened[name] = true
		if known[name] == "" {
			complaints = append(complaints, name+" passes directly, and not through pgkeyless")
		}
	}
	for name := range known {
		if !happened[name] {
			complaints = append(complaints, name+" is listed in differences.txt, and is none")
		}
	}
	return complaints
}

// parseDifferences reads "SUITE TEST: reason" lines, by suite and test.
func parseDifferences(text string) (map[string]map[string]string, error) {
	all := make(map[string]map[string]string)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, reason, ok := strings.Cut(line, ": ")
		name, test, ok2 := strings.Cut(key, " ")
		if !ok || !ok2 {
			return nil, fmt.Errorf("differences.txt: %q is not SUITE TEST: REASON", line)
		}
		if all[name] == nil {
			all[name] = make(map[string]string)
		}
		all[name][test] = reason
	}
	return all, nil
}
