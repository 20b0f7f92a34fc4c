package fidelity

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// shared is what all exchanges use and none changes.
var shared struct {
	binary   string
	keys     lab.Credentials
	database *pgserver.Server
}

// replicaUser may replicate, and like the usual user logs in with a token.
const replicaUser = "replica_user"

// limitedUser may have one connection at a time.
const limitedUser = "limited_user"

func TestMain(m *testing.M) {
	code, err := setUpAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "fidelity:", err)
		code = 1
	}
	os.Exit(code)
}

func setUpAndRun(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "pgkeyless-fidelity-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if shared.binary, err = lab.BuildProxy(ctx, dir); err != nil {
		return 0, err
	}
	shared.keys = lab.NewCredentials()
	shared.database, err = lab.StartDatabase(ctx, shared.keys, func(c *pgserver.Config) {
		c.ExtraConf = "wal_level = logical\nmax_wal_senders = 8\nmax_replication_slots = 8\nlog_min_messages = fatal\n"
	})
	if err != nil {
		return 0, err
	}
	defer shared.database.Close()
	admin, err := shared.database.AdminConn(ctx)
	if err != nil {
		return 0, err
	}
	defer admin.Close(ctx)
	for _, sql := range []string{
		"CREATE ROLE " + replicaUser + " LOGIN REPLICATION IN ROLE rds_iam",
		"CREATE ROLE " + limitedUser + " LOGIN CONNECTION LIMIT 1 IN ROLE rds_iam",
		"CREATE DATABASE closed", "REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
		"CREATE TABLE effects (n int)", "GRANT ALL ON effects TO PUBLIC",
		"CREATE TABLE parents (id int PRIMARY KEY)",
		"CREATE TABLE children (parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED)",
		"GRANT ALL ON parents, children TO PUBLIC",
	} {
		if _, err := admin.Exec(ctx, sql); err != nil {
			return 0, fmt.Errorf("%s: %w", sql, err)
		}
	}
	return m.Run(), nil
}
