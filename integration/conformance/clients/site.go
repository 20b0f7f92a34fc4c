package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
	"github.com/pgkeyless/pgkeyless/integration/rig/rdsproxy"
)

// way is how a client gets to the database.
type way int

// They are in the order of pgkeyless's targets.
const (
	directly  way = iota
	tunnelled     // by a jump host
	rdsProxy      // by a stand-in for RDS Proxy
)

// site is one database, emulated AWS, and one pgkeyless with a target for each way.
type site struct {
	keys     lab.Credentials
	database *pgserver.Server
	pool     *rdsproxy.Server // in front of database
	aws      *awsemu.Emulator
	proxy    *lab.Proxy
	sockets  string // directory of the Unix sockets
	ca       string // the file by which clients verify pgkeyless
}

// pace is ten times the agent's: fast enough for 50 MB, and no more than a busy
// machine takes.
const pace = 100 * time.Microsecond

// startLimit is ample for initdb on a busy machine.
const startLimit = 2 * time.Minute

// startSite starts all parts. The caller must close it.
func startSite(ctx context.Context, binary string) (*site, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	s := &site{keys: lab.NewCredentials()}
	if err := s.start(ctx, binary); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *site) start(ctx context.Context, binary string) (err error) {
	if s.database, err = lab.StartDatabase(ctx, s.keys, nil); err != nil {
		return err
	}
	s.aws, err = lab.StartAWS(s.keys, s.database.Address(), func(c *awsemu.Config) {
		c.Pace, c.AckWithin = pace, 15*time.Second // a starved machine is not the client's fault
	})
	if err != nil {
		return err
	}
	if s.pool, err = lab.StartRDSProxy(s.keys, s.database, nil); err != nil {
		return err
	}
	if s.sockets, err = os.MkdirTemp("", "pgk-"); err != nil {
		return err
	}
	direct := fmt.Sprintf("%s?dial=%s&ca-file=%s", lab.Host, s.database.Address(), s.database.CAFile())
	pooled := fmt.Sprintf("%s?dial=%s&ca-file=%s", lab.PooledHost, s.pool.Address(), s.pool.CAFile())
	s.proxy, err = lab.StartProxy(ctx, lab.Command{
		Binary: binary,
		Args: []string{"serve", direct + "&port=0", lab.TargetArg(s.database.CAFile(), "port=0"), pooled + "&port=0",
			"--unix-socket", s.sockets, "--debug-logs"},
		Env: append(s.keys.Env(s.aws.URL()), "HOME="+s.sockets),
	})
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, binary, "ca", "path")
	command.Env = []string{"HOME=" + s.sockets}
	path, err := command.Output()
	s.ca = strings.TrimSpace(string(path))
	return err
}

// createDatabase makes an empty database that the clients' user owns.
func (s *site) createDatabase(ctx context.Context, name string) error {
	admin, err := s.database.AdminConn(ctx)
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	quoted := pgx.Identifier{name}.Sanitize()
	if _, err = admin.Exec(ctx, "CREATE DATABASE "+quoted+" OWNER "+pgserver.AppUser); err != nil {
		return fmt.Errorf("creating database %s: %w", name, err)
	}
	return nil
}

// environment tells a client where to connect, and nothing of anybody else's
// settings.
func (s *site) environment(database string, w way) ([]string, error) {
	host, port, err := net.SplitHostPort(s.proxy.Addresses()[w])
	if err != nil {
		return nil, err
	}
	return []string{
		"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC", "PGPASSFILE=/nonexistent", "PGCONNECT_TIMEOUT=30",
		"PGHOST=" + host, "PGPORT=" + port, "PGUSER=" + pgserver.AppUser, "PGDATABASE=" + database,
		fmt.Sprintf("DATABASE_URL=postgresql://%s@%s/%s", pgserver.AppUser, net.JoinHostPort(host, port), database),
		"PGSSLROOTCERT=" + s.ca, "NODE_EXTRA_CA_CERTS=" + s.ca, // as pgkeyless exec does
		"SOCKET_DIRECTORY=" + s.sockets,
	}, nil
}

// finish ends pgkeyless as a user does, and says what is wrong with how it ended
// and what it printed.
func (s *site) finish() (wrong []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.proxy.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		wrong = append(wrong, err.Error())
	}
	code, err := s.proxy.Wait(ctx)
	if err != nil {
		wrong = append(wrong, err.Error())
	} else if want := 128 + int(syscall.SIGTERM); code != want {
		wrong = append(wrong, fmt.Sprintf("exit code %d after SIGTERM, want %d", code, want))
	}
	ended, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.aws.Await(ended, gateway.AllEnded); err != nil {
		wrong = append(wrong, fmt.Sprintf("%d SSM sessions left open", s.aws.OpenSessions()))
	}
	wrong = append(wrong, s.aws.Violations()...)
	return append(wrong, s.keys.Leaks(s.proxy.Output())...)
}

// close ends what is still running.
func (s *site) close() {
	if s.proxy != nil {
		s.proxy.Kill()
	}
	if s.aws != nil {
		s.aws.Close()
	}
	if s.pool != nil {
		s.pool.Close()
	}
	if s.database != nil {
		s.database.Close()
	}
	os.RemoveAll(s.sockets)
}
