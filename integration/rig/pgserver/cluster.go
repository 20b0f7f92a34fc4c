package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Files in the server's directory.
const (
	dataDir  = "data"
	caFile   = "ca.pem"
	certFile = "server.pem"
	keyFile  = "server-key.pem"
	logFile  = "postgresql.log"
)

const (
	superuser     = "postgres"
	maxSocketPath = 103 // bytes; macOS allows one less than Linux
	maxPortTries  = 10  // a port found free may be taken before it is used
)

// cluster is a database cluster on disk, not running.
type cluster struct {
	dir      string // everything; the Unix socket is directly in it
	binaries binaries
	account  *account // who runs the server; nil means this process's user
	release  func()   // gives up the server's port; nil before run
}

// newCluster makes the directory and the cluster in it. When it fails it leaves
// nothing.
func newCluster(ctx context.Context, b binaries) (*cluster, error) {
	who, err := serverAccount()
	if err != nil {
		return nil, err
	}
	dir, err := makeDir(who)
	if err != nil {
		return nil, fmt.Errorf("making a directory for PostgreSQL: %w", err)
	}
	c := &cluster{dir: dir, binaries: b, account: who}
	if err := c.initdb(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return c, nil
}

// makeDir makes a private directory that who owns, where the socket's path is
// short enough: the temporary directory, or else /tmp.
func makeDir(who *account) (string, error) {
	parent := os.TempDir()
	const sample = "/pgkeyless-0123456789/.s.PGSQL.65535"
	if len(parent)+len(sample) > maxSocketPath || !who.reaches(parent) {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "pgkeyless-")
	if err != nil {
		return "", err
	}
	return dir, who.own(dir)
}

func (c *cluster) initdb(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, filepath.Join(c.binaries.dir, "initdb"),
		"--pgdata="+filepath.Join(c.dir, dataDir), "--username="+superuser,
		"--auth=reject", "--encoding=UTF8", "--locale=C", "--no-sync")
	c.prepare(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running initdb: %w\n%s", err, out)
	}
	return nil
}

// prepare makes cmd run as the server's user with a small environment: PG* and
// LDAP settings of the caller's must not reach the server.
func (c *cluster) prepare(cmd *exec.Cmd) {
	cmd.Dir = c.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir, "LC_ALL=C", "TZ=UTC", "LDAPNOINIT=1"}
	cmd.SysProcAttr = c.account.sysProcAttr()
}

// configure writes certificates, postgresql.conf and pg_hba.conf.
func (c *cluster) configure(ca *CA, certHosts []string, bindPort int, extraConf, extraHBA string) error {
	chain, key, err := ca.Issue(certHosts[0], certHosts[1:]...)
	if err != nil {
		return err
	}
	conf := fmt.Sprintf(`
listen_addresses = '127.0.0.1'
unix_socket_directories = %s
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 64MB
dynamic_shared_memory_type = mmap  # containers may have little /dev/shm, or none
jit = off
fsync = off
full_page_writes = off
synchronous_commit = off
wal_level = minimal
max_wal_senders = 0
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%%m [%%p] %%u@%%d '
password_encryption = 'scram-sha-256'
ssl = on
ssl_min_protocol_version = 'TLSv1.2'
ssl_cert_file = %s
ssl_key_file = %s
%s
`, quoteConf(c.dir), quoteConf(filepath.Join(c.dir, certFile)), quoteConf(filepath.Join(c.dir, keyFile)), extraConf)
	hba := fmt.Sprintf(`
local     all %s trust
%s
hostssl   all,replication +rds_iam all ldap ldapserver=127.0.0.1 ldapport=%d ldapprefix="%s" ldapsuffix="%s"
hostssl   all all all scram-sha-256
hostnossl all all all reject
`, superuser, extraHBA, bindPort, bindPrefix, bindSuffix)
	return errors.Join(
		os.WriteFile(filepath.Join(c.dir, caFile), ca.PEM(), 0o644),
		c.write(certFile, chain),
		c.write(keyFile, key),
		c.write(filepath.Join(dataDir, "postgresql.conf"), []byte(conf)),
		c.write(filepath.Join(dataDir, "pg_hba.conf"), []byte(hba)),
	)
}

// write makes a file that only the server's user reads.
func (c *cluster) write(name string, content []byte) error {
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return err
	}
	return c.account.own(path)
}

// quoteConf writes a string as postgresql.conf wants it.
func quoteConf(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// run starts the server on a free port and waits until it takes connections.
func (c *cluster) run(ctx context.Context) (*postmaster, int, error) {
	for try := 1; ; try++ {
		port, release, err := reserve()
		if err != nil {
			return nil, 0, err
		}
		p, err := c.startOn(port)
		if err != nil {
			release()
			return nil, 0, err
		}
		if err := awaitReady(ctx, p, adminURL(c.dir, port, superuser)); err == nil {
			c.release = release
			return p, port, nil
		} else {
			err = errors.Join(err, p.stop())
			release()
			log, _ := os.ReadFile(filepath.Join(c.dir, logFile)) // may not exist yet
			if ctx.Err() != nil || try == maxPortTries || !strings.Contains(string(log), "could not create any TCP/IP sockets") {
				return nil, 0, fmt.Errorf("%w\n%s", err, log)
			}
		}
	}
}

func (c *cluster) startOn(port int) (*postmaster, error) {
	log, err := os.OpenFile(filepath.Join(c.dir, logFile), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the server has its own copy
	cmd := exec.Command(filepath.Join(c.binaries.dir, "postgres"),
		"-D", filepath.Join(c.dir, dataDir), "-p", strconv.Itoa(port))
	c.prepare(cmd)
	endWithParent(cmd.SysProcAttr)
	cmd.Stdout, cmd.Stderr = log, log
	return startPostmaster(cmd)
}

// awaitReady tries to connect until it works, the server ends or ctx does.
func awaitReady(ctx context.Context, p *postmaster, url string) error {
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := pgx.Connect(ctx, url)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-p.ended:
			return fmt.Errorf("server ended at its start: %w", p.err)
		case <-ctx.Done():
			return fmt.Errorf("waiting for the server: %w", context.Cause(ctx))
		case <-retry.C:
		}
	}
}

// adminURL is for the superuser through the Unix socket in dir.
func adminURL(dir string, port int, database string) string {
	u := url.URL{Scheme: "postgresql", Path: "/" + database, User: url.User(superuser)}
	u.RawQuery = url.Values{"host": {dir}, "port": {strconv.Itoa(port)}}.Encode()
	return u.String()
}

// FreePort finds a port of 127.0.0.1 that was free a moment ago.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
