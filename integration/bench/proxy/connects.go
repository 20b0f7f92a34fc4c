package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
)

// connecting are the numbers of clients that connect again for each query: one, as many
// as two processors make use of, and eight.
var connecting = []int{1, 4, 8}

// connectRates are the connections a second of clients that pace themselves: a quarter
// or so of what the database can take.
var connectRates = map[int]int{1: 10, 8: 30}

const (
	connectReadyKey = "connect_ready"
	connectPause    = 100 * time.Millisecond
)

func connectsKey(clients int) string {
	if clients == 4 {
		return "connects" // as it is called since the first table
	}
	return fmt.Sprintf("connects%d", clients)
}

func connectsPacedKey(clients int) string { return fmt.Sprintf("connects_paced%d", clients) }

// connects counts connections that ask once and close, each client's as soon as its
// last is closed.
func connects(clients int) func(*bench, *side) error {
	return func(b *bench, s *side) error {
		script, err := b.script("select1.sql", "select 1\n")
		if err != nil {
			return err
		}
		cpu, known := s.cpu()
		r, err := b.pgbench(s, b.plan.window, clients, "-C", "-f", script)
		if err != nil {
			return err
		}
		b.samples.Add(s.name, connectsKey(clients), r.perSecond)
		if now, ok := s.cpu(); known && ok {
			b.samples.Add(s.name, connectsKey(clients)+"_cpu_us", (now-cpu).Seconds()*1e6/r.count)
		}
		return nil
	}
}

// connectReady takes the time from dialing to ReadyForQuery of one client after the
// other, ten a second: no connection is the first, and each is closed at once.
func (b *bench) connectReady(s *side) error {
	config, err := b.clientConfig(s)
	if err != nil {
		return err
	}
	if s.token {
		if config.Password, err = kit.Token(b.ctx, b.binary, b.dir, b.env()); err != nil {
			return err
		}
	}
	connect := func(ctx context.Context) (*pgconn.PgConn, error) { return pgconn.ConnectConfig(ctx, config) }
	return kit.ConnectTimes(b.ctx, connect, 1, int(b.plan.pacing/connectPause), connectPause, func(took time.Duration) {
		b.samples.Add(s.name, connectReadyKey, kit.Milliseconds(took))
	})
}

// connectsPaced takes the time from when a connection is due until it is closed, of
// clients that come by the clock, and what that costs the database.
func connectsPaced(clients int) func(*bench, *side) error {
	key := connectsPacedKey(clients)
	return func(b *bench, s *side) error {
		script, err := b.script("select1.sql", "select 1\n")
		if err != nil {
			return err
		}
		postmaster, err := b.postmaster()
		if err != nil {
			return err
		}
		before, cpu, cpuErr := len(b.database.Logins()), time.Duration(0), error(nil)
		cpu, cpuErr = kit.EndedChildrenCPU(postmaster)
		counted := len(b.samples.Of(s.name, key))
		if err := b.logged(s, key, b.plan.pacing, clients, "-C", "-f", script, "-R", strconv.Itoa(connectRates[clients])); err != nil {
			return err
		}
		made := float64(len(b.samples.Of(s.name, key)) - counted)
		if made == 0 {
			return fmt.Errorf("pgbench logged no transaction")
		}
		b.samples.Add(s.name, key+"_logins", float64(len(b.database.Logins())-before)/made)
		if now, err := kit.EndedChildrenCPU(postmaster); err == nil && cpuErr == nil {
			b.samples.Add(s.name, key+"_database_cpu", kit.Milliseconds(now-cpu)/made)
		}
		return nil
	}
}

// postmaster is the database's first process, whose children the sessions are.
func (b *bench) postmaster() (int, error) {
	conn, err := b.database.AdminConn(b.ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close(b.ctx)
	var dir string
	if err := conn.QueryRow(b.ctx, "show data_directory").Scan(&dir); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(first)
}
