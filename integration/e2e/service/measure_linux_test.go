package service

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// What measure does: so many clients at a time, for so long, and each side so often.
const (
	atATime = 32
	forLong = 5 * time.Second
	rounds  = 3
)

// measure prints logins per second and latency, of the database itself, of one replica
// and of three behind the balancer. The rounds take the sides in turn.
func (g *gateway) measure() {
	g.t.Helper()
	token, errs, exit := rig.Run(g.t, rig.Shared.Keys.Env("http://127.0.0.1:1"), "token", lab.Host+"?via=none&user="+pgserver.AppUser+"&ca-file="+g.database.CAFile())
	if exit != 0 {
		g.t.Fatalf("pgkeyless token: %s", errs)
	}
	sides := []string{"PostgreSQL", "one replica", "three behind HAProxy"}
	configs := map[string][]*pgconn.Config{}
	for _, c := range g.clients[:atATime] {
		certs := g.dir + "/clients/" + c.user
		own := "sslmode=verify-ca sslrootcert=" + g.roots + " sslcert=" + certs + ".pem sslkey=" + certs + "-key.pem"
		direct := g.config(c, g.network.Address(), g.port, "sslmode=verify-ca sslrootcert="+g.database.CAFile())
		direct.User, direct.Password = pgserver.AppUser, strings.TrimSpace(token)
		for i, config := range []*pgconn.Config{direct, g.config(c, g.replicas[0].host.Address, "5432", own), c.gateway} {
			configs[sides[i]] = append(configs[sides[i]], config)
		}
	}
	logins, queries := map[string][]time.Duration{}, map[string][]time.Duration{}
	for range rounds {
		for _, side := range sides {
			logins[side] = append(logins[side], g.logins(configs[side])...)
			queries[side] = append(queries[side], g.queries(configs[side])...)
		}
	}
	spent := float64(rounds) * forLong.Seconds()
	var table strings.Builder
	fmt.Fprintf(&table, "| %d clients at a time | logins/s | login, median | 99 %% | queries/s | query, median | 99 %% |\n|---|---|---|---|---|---|---|\n", atATime)
	for _, side := range sides {
		fmt.Fprintf(&table, "| %s | %.0f | %s | %s | %.0f | %s | %s |\n", side,
			float64(len(logins[side]))/spent, percentile(logins[side], 50), percentile(logins[side], 99),
			float64(len(queries[side]))/spent, percentile(queries[side], 50), percentile(queries[side], 99))
	}
	g.t.Logf("\n%s", table.String())
}

func percentile(all []time.Duration, p int) string {
	slices.SortFunc(all, cmp.Compare)
	return fmt.Sprintf("%.1f ms", all[len(all)*p/100].Seconds()*1000)
}

// logins connects and leaves, and returns how long each login took.
func (g *gateway) logins(configs []*pgconn.Config) []time.Duration {
	return g.repeat(configs, func(ctx context.Context, config *pgconn.Config) (func() error, func(), error) {
		return func() error {
			conn, err := pgconn.ConnectConfig(ctx, config)
			if err == nil {
				go conn.Close(context.Background()) // which is not part of a login
			}
			return err
		}, func() {}, nil
	})
}

// queries asks for one row, and returns how long each answer took.
func (g *gateway) queries(configs []*pgconn.Config) []time.Duration {
	return g.repeat(configs, func(ctx context.Context, config *pgconn.Config) (func() error, func(), error) {
		conn, err := pgconn.ConnectConfig(ctx, config)
		if err != nil {
			return nil, nil, err
		}
		return func() error {
			_, err := conn.Exec(ctx, "select 1").ReadAll()
			return err
		}, func() { conn.Close(ctx) }, nil
	})
}

// repeat does something for each config, again and again for as long as it takes.
func (g *gateway) repeat(configs []*pgconn.Config, begin func(context.Context, *pgconn.Config) (do func() error, end func(), err error)) []time.Duration {
	g.t.Helper()
	each, ready := make([][]time.Duration, len(configs)), new(sync.WaitGroup)
	start := make(chan struct{})
	var done sync.WaitGroup
	ready.Add(len(configs))
	for i, config := range configs {
		done.Go(func() {
			do, end, err := begin(g.t.Context(), config)
			ready.Done()
			if err != nil {
				g.t.Error(err)
				return
			}
			defer end()
			<-start
			for until := time.Now().Add(forLong); time.Now().Before(until); {
				began := time.Now()
				if err := do(); err != nil {
					g.t.Errorf("%s: %v", net.JoinHostPort(config.Host, fmt.Sprint(config.Port)), err)
					return
				}
				each[i] = append(each[i], time.Since(began))
			}
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return slices.Concat(each...)
}
