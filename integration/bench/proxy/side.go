package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// The sides' names, as they begin their keys.
const (
	direct    = "direct"
	ours      = "pgkeyless"
	oursUnix  = "pgkeyless_unix" // the same process, by its Unix socket
	pgbouncer = "pgbouncer"
	haproxy   = "haproxy"
	scraped   = "pgkeyless_scraped" // another process, whose metrics are read each second
	tunnel    = "tunnel"            // pgkeyless by an SSM session, for its memory alone
)

var (
	tcpSides  = []string{direct, ours, pgbouncer, haproxy}
	everySide = []string{direct, ours, oursUnix, pgbouncer, haproxy, scraped}
)

// side is a way to the database.
type side struct {
	name   string
	pid    int      // of the process in between; zero where there is none
	libpq  []string // environment of clients, but for a token
	token  bool     // clients send one, and verify the certificate
	listen string   // "host:port" that clients dial, or the socket's directory
	end    func() error
}

func (s *side) stop() error {
	if s.end == nil {
		return nil
	}
	return s.end()
}

// cpu is the CPU time the process has used; false where there is none.
func (s *side) cpu() (time.Duration, bool) {
	t, err := kit.ProcessCPU(s.pid)
	return t, err == nil && s.pid != 0
}

// clientConfig is for a client of the side's, but for a token.
func (b *bench) clientConfig(s *side) (*pgconn.Config, error) {
	tls := "sslmode=disable"
	if s.token {
		tls = "sslmode=verify-full sslrootcert=" + b.caFile()
	}
	config, err := kit.ClientConfig(s.listen, tls)
	if err == nil && s.name == pgbouncer {
		config.User = pgserver.PlainUser
	}
	return config, err
}

// secured makes a side whose clients do TLS with the database themselves.
func (b *bench) secured(name, address string) *side {
	host, port, _ := net.SplitHostPort(address)
	return &side{name: name, token: true, listen: address, libpq: []string{
		"PGHOST=" + lab.Host, "PGHOSTADDR=" + host, "PGPORT=" + port, "PGUSER=" + pgserver.AppUser,
		"PGDATABASE=" + pgserver.Database, "PGSSLMODE=verify-full", "PGSSLROOTCERT=" + b.caFile(),
	}}
}

// plain makes a side whose clients are on this machine with the proxy.
func plain(name, host, port, user string) *side {
	return &side{name: name, listen: net.JoinHostPort(host, port), libpq: []string{
		"PGHOST=" + host, "PGPORT=" + port, "PGUSER=" + user, "PGDATABASE=" + pgserver.Database, "PGSSLMODE=disable",
	}}
}

// startSide starts the process of a side in front of the database at address.
func (b *bench) startSide(ctx context.Context, name, address string) (*side, error) {
	switch name {
	case direct:
		return b.secured(direct, address), nil
	case ours:
		return b.startOurs(ctx, address)
	case pgbouncer:
		return b.startPgBouncer(ctx, address)
	case haproxy:
		return b.startHAProxy(ctx, address)
	}
	return nil, fmt.Errorf("no side %q", name)
}

// startOurs runs pgkeyless in front of the database at address.
func (b *bench) startOurs(ctx context.Context, address string) (*side, error) {
	target := fmt.Sprintf("%s?dial=%s&ca-file=%s", lab.Host, address, b.caFile())
	return b.runOurs(ctx, ours, target, b.env())
}

// startScraped runs pgkeyless beside that with metrics, which are read each second.
func (b *bench) startScraped(ctx context.Context, address string) (*side, error) {
	target := fmt.Sprintf("%s?dial=%s&ca-file=%s&unix-socket=none", lab.Host, address, b.caFile())
	s, p, err := b.runWith(ctx, scraped, []string{target, "--prometheus", "--status-page", "--health-check", "--http-port", "0"}, b.env())
	if err != nil {
		return nil, err
	}
	line, err := p.AwaitLine(ctx, "Metrics: ")
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	_, url, _ := strings.Cut(line, "Metrics: ")
	stop := scrape(strings.TrimSpace(url))
	end := s.end
	s.end = func() error { return errors.Join(stop(), end()) }
	return s, nil
}

// scrape reads url each second until stop, which returns the first error.
func scrape(url string) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		ticks := time.NewTicker(time.Second)
		defer ticks.Stop()
		var failed error
		for {
			select {
			case <-ctx.Done():
				done <- failed
				return
			case <-ticks.C:
				if err := readAll(ctx, url); err != nil && ctx.Err() == nil && failed == nil {
					failed = fmt.Errorf("scraping: %w", err)
				}
			}
		}
	}()
	return func() error { cancel(); return <-done }
}

func readAll(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// runOurs runs pgkeyless as a user does.
func (b *bench) runOurs(ctx context.Context, name, target string, env []string) (*side, error) {
	s, _, err := b.runWith(ctx, name, []string{target}, env)
	return s, err
}

// runWith runs one pgkeyless with args.
func (b *bench) runWith(ctx context.Context, name string, args, env []string) (*side, *lab.Proxy, error) {
	sockets, err := os.MkdirTemp(b.dir, "s")
	if err != nil {
		return nil, nil, err
	}
	p, err := lab.StartProxy(ctx, lab.Command{
		Binary: b.binary,
		Args:   append([]string{"serve", "--port", "0", "--unix-socket", sockets}, args...),
		Env:    append(env, "HOME="+b.dir),
	})
	if err != nil {
		return nil, nil, err
	}
	host, port, _ := net.SplitHostPort(p.Addresses()[0])
	s := plain(name, host, port, pgserver.AppUser)
	s.pid = p.PID()
	s.end = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		return kit.Stop(ctx, p)
	}
	return s, p, nil
}

// bySocket is the way to the same pgkeyless by its Unix socket.
func bySocket(tcp *side, sockets string) *side {
	_, port, _ := net.SplitHostPort(tcp.listen)
	s := plain(oursUnix, sockets, port, pgserver.AppUser)
	s.pid = tcp.pid
	return s
}

// startPgBouncer runs PgBouncer with a connection to the database for each
// client. It logs in with a password: what it pools cannot have tokens that end.
func (b *bench) startPgBouncer(ctx context.Context, address string) (*side, error) {
	_, database, _ := net.SplitHostPort(address)
	free, err := pgserver.FreePort()
	if err != nil {
		return nil, err
	}
	port := strconv.Itoa(free)
	most := b.most() + 10
	config := fmt.Sprintf(`[databases]
* = host=localhost port=%s dbname=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = session
max_client_conn = %d
default_pool_size = %d
server_tls_sslmode = verify-full
server_tls_ca_file = %s
server_reset_query =
server_idle_timeout = 10
log_connections = 0
log_disconnections = 0
`, database, pgserver.Database, port, filepath.Join(b.dir, "users"), most, most, b.caFile())
	args := []string{filepath.Join(b.dir, "pgbouncer-"+port+".ini")}
	if os.Geteuid() == 0 {
		args = append([]string{"-u", "nobody"}, args...) // it refuses to run as root
	}
	users := fmt.Sprintf("%q %q\n", pgserver.PlainUser, pgserver.PlainPassword)
	if err := errors.Join(
		os.WriteFile(filepath.Join(b.dir, "users"), []byte(users), 0o644),
		os.WriteFile(args[len(args)-1], []byte(config), 0o644),
	); err != nil {
		return nil, err
	}
	s := plain(pgbouncer, "127.0.0.1", port, pgserver.PlainUser)
	return s, b.startProgram(ctx, s, "pgbouncer", args...)
}

// startHAProxy runs HAProxy as it comes: a thread for each processor.
func (b *bench) startHAProxy(ctx context.Context, address string) (*side, error) {
	free, err := pgserver.FreePort()
	if err != nil {
		return nil, err
	}
	port := strconv.Itoa(free)
	file := filepath.Join(b.dir, "haproxy-"+port+".cfg")
	config := fmt.Sprintf(`global
	maxconn %d
defaults
	mode tcp
	timeout connect 10s
	timeout client 1h
	timeout server 1h
listen database
	bind 127.0.0.1:%s
	server database %s
`, b.most()+10, port, address)
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return nil, err
	}
	s := b.secured(haproxy, "127.0.0.1:"+port)
	return s, b.startProgram(ctx, s, "haproxy", "-db", "-f", file)
}

// startProgram runs one of Debian's for s and waits until it takes connections.
func (b *bench) startProgram(ctx context.Context, s *side, name string, args ...string) error {
	path, err := lookPath(name)
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(b.dir, name+".log"))
	if err != nil {
		return err
	}
	defer log.Close() // the program has its own copy
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	s.pid = cmd.Process.Pid
	s.end = func() error {
		_ = cmd.Process.Kill()
		<-ended
		return nil
	}
	for {
		c, err := net.Dial("tcp", s.listen)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ended:
			words, _ := os.ReadFile(log.Name())
			return fmt.Errorf("%s ended at its start:\n%s", name, words)
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), s.end())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// lookPath finds a program, also where Debian keeps those of the system.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	if path, err := exec.LookPath("/usr/sbin/" + name); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("%w: run scripts/install-deps --bench", err)
}
