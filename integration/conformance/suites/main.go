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

	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

//go:embed differences.txt
var differences string

//go:embed failures.txt
var failures string

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
	differ, err := parseList(differences)
	if err != nil {
		return fmt.Errorf("differences.txt: %w", err)
	}
	fail, err := parseList(failures)
	if err != nil {
		return fmt.Errorf("failures.txt: %w", err)
	}
	keys := lab.NewCredentials()
	database, err := lab.StartDatabase(ctx, keys, func(c *pgserver.Config) {
		c.ExtraHBA = hba
	})
	if err != nil {
		return err
	}
	defer database.Close()
	if err := prepare(ctx, database); err != nil {
		return err
	}
	// pgkeyless asks it about logins that are refused.
	cloud, err := lab.StartAWS(keys, database.Address(), nil)
	if err != nil {
		return err
	}
	defer cloud.Close()
	state, err := os.MkdirTemp("", "pgk-") // for the CA
	if err != nil {
		return err
	}
	defer os.RemoveAll(state)
	proxy, err := lab.StartProxy(ctx, lab.Command{
		Binary: binary,
		Args:   []string{"serve", lab.Host + "?dial=" + database.Address() + "&ca-file=" + database.CAFile(), "--port", "0"},
		Env:    append(keys.Env(cloud.URL()), "XDG_STATE_HOME="+state),
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
		complaints, err := s.compare(ctx, database.Address(), proxy.Addresses()[0], fail[s.name], differ[s.name])
		if err != nil {
			return err
		}
		for _, c := range complaints {
			fmt.Println("FAIL", c)
			failed = true
		}
	}
	if failed {
		return fmt.Errorf("what passes directly does not pass through pgkeyless, or a list is out of date")
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

// maxAgain is how often a test may be tried again. What fails by a difference
// fails each time; a busy machine does not.
const maxAgain = 4

// compare runs the suite at both addresses, and returns what is not as it must
// be. Functions whose tests failed or were lost without being listed are tried
// again, by themselves, since some allow no more than 50 ms for what they do.
func (s suite) compare(ctx context.Context, direct, proxied string, fail, differ list) ([]string, error) {
	dir, err := os.MkdirTemp("", "pgkeyless-suite-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "src")
	if err := s.copyTo(ctx, source); err != nil {
		return nil, err
	}
	env := func(address string) []string {
		_, port, _ := net.SplitHostPort(address)
		return s.env(port)
	}
	binaries, err := build(ctx, source, dir, s.packages, env(direct))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, b := range binaries {
		names = append(names, b.tests...)
	}
	// at runs them at address, and then again those that wrong names.
	at := func(address string, wrong func(results) []string) (results, error) {
		began := time.Now()
		env := env(address)
		all, err := runAll(ctx, binaries, env, names)
		if err != nil {
			return nil, err
		}
		for try := 1; try <= maxAgain; try++ {
			again := functions(wrong(all))
			if len(again) == 0 {
				break
			}
			fmt.Printf("%s: once more at %s: %s\n", s.name, address, strings.Join(again, " "))
			second, err := runAll(ctx, binaries, env, again)
			if err != nil {
				return nil, err
			}
			all.replace(again, second)
		}
		fmt.Printf("%s: %d pass, %d fail, %d are skipped at %s, in %d s\n",
			s.name, all.count("pass"), all.count("fail"), all.count("skip"), address, int(time.Since(began).Seconds()))
		return all, nil
	}
	want, err := at(direct, func(r results) []string { return fail.without(r.that("fail")) })
	if err != nil {
		return nil, err
	}
	got, err := at(proxied, func(r results) []string { return differ.without(lost(want, r)) })
	if err != nil {
		return nil, err
	}
	var complaints []string
	failed, missing := want.that("fail"), lost(want, got)
	for _, name := range fail.without(failed) {
		complaints = append(complaints, name+" fails without pgkeyless, and is not in failures.txt:\n"+want[name].said)
	}
	for _, name := range fail.idle(failed) {
		complaints = append(complaints, name+" is in failures.txt, and does not fail")
	}
	for _, name := range differ.without(missing) {
		complaints = append(complaints, name+" passes directly, and not through pgkeyless:\n"+got[name].said)
	}
	for _, name := range differ.idle(missing) {
		complaints = append(complaints, name+" is in differences.txt, and is no difference")
	}
	fmt.Printf("%s: %d fail directly and %d differ, by %d and %d entries of the lists\n", s.name, len(failed), len(missing), len(fail), len(differ))
	return complaints, nil
}
