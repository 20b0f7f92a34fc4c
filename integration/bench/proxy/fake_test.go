package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// A real driver that verifies the certificate gets its answer, again and again.
func TestFakeIsADatabase(t *testing.T) {
	ca, err := pgserver.NewCA("test")
	if err != nil {
		t.Fatal(err)
	}
	chain, key, err := ca.Issue(lab.Host)
	if err != nil {
		t.Fatal(err)
	}
	f, err := startFake(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, ca.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	config, err := kit.ClientConfig(f.address(), "sslmode=verify-full sslrootcert="+file)
	if err != nil {
		t.Fatal(err)
	}
	config.Password = "any"
	config.AfterConnect = func(ctx context.Context, c *pgconn.PgConn) error {
		results, err := c.Exec(ctx, bulkQuery).ReadAll()
		if err == nil && (len(results) != 1 || len(results[0].Rows) != bulkParts) {
			err = fmt.Errorf("bulk came as %d results", len(results))
		}
		return err
	}
	for name, dial := range map[string]pgconn.DialFunc{
		"by a socket": config.DialFunc,
		"by a pipe":   func(context.Context, string, string) (net.Conn, error) { return f.dial() },
	} {
		t.Run(name, func(t *testing.T) {
			config := config.Copy()
			config.DialFunc = dial
			var counts []int
			if err := kit.Idle(t.Context(), config, []int{1, 20}, 0, func(n int) { counts = append(counts, n) }); err != nil {
				t.Fatal(err)
			}
			if len(counts) != 2 || counts[1] != 20 {
				t.Errorf("measured at %v", counts)
			}
		})
	}
	f.close()
	if _, err := f.dial(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dialled a closed database: %v", err)
	}
}
