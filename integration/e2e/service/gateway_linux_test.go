package service

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// replicasName lists the replicas, as a headless Service does.
const replicasName = "replicas.gateway.test"

// gateway is three replicas behind HAProxy, and who uses them.
type gateway struct {
	t        *testing.T // of the part that runs
	all      *testing.T // of all parts: replicas last until its end
	dir      string
	network  *rig.Network
	names    *rig.NameServer
	database *pgserver.Server
	port     string // of the database
	balancer *rig.Host
	replicas []*replica
	clients  []*client

	ca         *rig.Authority // of clients, and of the listeners at first
	roots      string         // file of the CAs by which clients verify listeners
	cert, key  string         // files of the listeners' certificate
	haproxyCLI string         // socket of HAProxy's commands
}

// replica is one pgkeyless.
type replica struct {
	*rig.World
	host  *rig.Host
	audit string // file of its audit log
}

// client is somebody with a certificate and an address of their own.
type client struct {
	user    string
	address netip.Addr
	gateway *pgconn.Config // by way of the balancer
}

// haproxyConfig is what docs/gateway.md shows. The facts are the addresses of the
// command socket, the balancer and the replicas.
const haproxyConfig = `global
    maxconn 2000
    stats socket %s mode 600
defaults
    mode tcp
    timeout connect 5s
    timeout client 8h
    timeout server 8h
    timeout check 10s
    retries 3
    option redispatch
frontend postgres
    bind %s:5432
    default_backend pgkeyless
backend pgkeyless
    balance leastconn
    option httpchk GET /readiness
    default-server check port 9090 inter 2s fall 2 rise 1 send-proxy-v2
    server a %s:5432
    server b %s:5432
    server c %s:5432
`

// start starts all, with so many clients.
func start(t *testing.T, clients int) *gateway {
	t.Helper()
	g := &gateway{t: t, all: t, dir: t.TempDir(), network: rig.NewNetwork(t), ca: rig.NewAuthority(t, "gateway")}
	g.database = rig.StartDatabase(t, rig.Shared.Keys, func(c *pgserver.Config) {
		// A statement whose client is gone ends, as otherwise those of a killed replica
		// would run on.
		c.ExtraConf = fmt.Sprintf("listen_addresses = '127.0.0.1,%s'\nmax_connections = 1000\nclient_connection_check_interval = 1s\n", g.network.Address())
	})
	_, g.port, _ = net.SplitHostPort(g.database.Address())
	g.names = rig.StartNameServerAt(t, g.network.Address())
	g.balancer = g.network.NewHost()
	g.issueListener(g.ca, 2)
	g.roots = g.write("roots.pem", g.ca.PEM)
	g.enrol(clients)
	var addresses []string
	for i := range 3 {
		host := g.network.NewHost()
		addresses = append(addresses, host.Address)
		g.replicas = append(g.replicas, &replica{host: host, audit: filepath.Join(g.dir, fmt.Sprintf("audit%d.jsonl", i))})
	}
	g.names.Name(replicasName, addresses...)
	for i := range g.replicas {
		g.startReplica(i)
	}
	g.startHAProxy(fmt.Sprintf(haproxyConfig, g.cli(), g.balancer.Address, addresses[0], addresses[1], addresses[2]))
	g.awaitAll()
	return g
}

func (g *gateway) cli() string {
	g.haproxyCLI = filepath.Join(g.dir, "haproxy.sock")
	return g.haproxyCLI
}

func (g *gateway) write(name, text string) string {
	g.t.Helper()
	path := filepath.Join(g.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
	return path
}

// issueListener puts another certificate, for the balancer's address, where the
// replicas read it.
func (g *gateway) issueListener(by *rig.Authority, serial int64) {
	g.t.Helper()
	// In a directory on the same file system, and then moved: nobody reads half a file.
	fresh, err := os.MkdirTemp(g.dir, "fresh")
	if err != nil {
		g.t.Fatal(err)
	}
	cert, key := by.Issue(g.t, fresh, "listener", serial, func(c *x509.Certificate) {
		c.IPAddresses, c.ExtKeyUsage = []net.IP{net.ParseIP(g.balancer.Address)}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	g.cert, g.key = filepath.Join(g.dir, "listener.pem"), filepath.Join(g.dir, "listener-key.pem")
	for from, to := range map[string]string{cert: g.cert, key: g.key} {
		if err := os.Rename(from, to); err != nil {
			g.t.Fatal(err)
		}
	}
}

// enrol makes clients: a database role, a certificate and an address for each.
func (g *gateway) enrol(count int) {
	g.t.Helper()
	admin, err := g.database.AdminConn(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	defer admin.Close(context.Background())
	certs := filepath.Join(g.dir, "clients")
	if err := os.Mkdir(certs, 0o700); err != nil {
		g.t.Fatal(err)
	}
	for i, address := range g.network.More(count) {
		c := &client{user: fmt.Sprintf("client%03d", i), address: address}
		if _, err := admin.Exec(g.t.Context(), "create role "+c.user+" login in role rds_iam"); err != nil {
			g.t.Fatal(err)
		}
		cert, key := g.ca.Issue(g.t, certs, c.user, int64(1000+i), func(x *x509.Certificate) { x.Subject.CommonName = c.user })
		c.gateway = g.config(c, g.balancer.Address, "5432", "sslmode=verify-full sslrootcert="+g.roots+" sslcert="+cert+" sslkey="+key)
		g.clients = append(g.clients, c)
	}
}

// config is how a client connects, from its own address.
func (g *gateway) config(c *client, host, port, more string) *pgconn.Config {
	g.t.Helper()
	config, err := pgconn.ParseConfig(fmt.Sprintf("host=%s port=%s user=%s dbname=%s connect_timeout=60 %s", host, port, c.user, pgserver.Database, more))
	if err != nil {
		g.t.Fatal(err)
	}
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: c.address.AsSlice()}}
	config.DialFunc = from.DialContext
	return config
}

// drainDelay is how long a replica that drains goes on accepting clients: several looks
// of the balancer, and a login, which takes long on a machine that has other work.
const drainDelay = 20 * time.Second

// startReplica starts replica i, or starts it again.
func (g *gateway) startReplica(i int) {
	g.t.Helper()
	r := g.replicas[i]
	r.World = rig.Start(g.all, rig.Setup{
		Database: g.database,
		Args:     []string{lab.Host + "?dial=" + net.JoinHostPort(g.network.Address(), g.port) + "&ca-file=" + g.database.CAFile()},
		Port:     "5432",
		Flags: []string{"--address", "0.0.0.0", "--auth", "cert", "--client-ca-file", g.write("clients.pem", g.ca.PEM), "--require-tls",
			"--tls-cert", g.cert, "--tls-key", g.key, "--peers", replicasName, "--proxy-protocol", "--proxy-protocol-from", g.balancer.Address,
			"--health-check", "--http-address", "0.0.0.0", "--http-port", "9090", "--audit-log", r.audit,
			"--min-sigterm-delay", drainDelay.String(), "--max-sigterm-delay", "2m"},
		Change: func(cmd *exec.Cmd) { g.names.Asking(cmd); r.host.On(cmd) },
	})
}

// startHAProxy runs it until the test's end.
func (g *gateway) startHAProxy(config string) {
	g.t.Helper()
	cmd := exec.Command("/usr/sbin/haproxy", "-db", "-f", g.write("haproxy.cfg", config))
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	g.balancer.On(cmd)
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if g.t.Failed() {
			g.t.Logf("HAProxy printed:\n%s", said.String())
		}
	})
}

// eventually looks again and again until done says nil.
func eventually(t *testing.T, what string, done func() error) {
	t.Helper()
	often := time.NewTicker(20 * time.Millisecond)
	defer often.Stop()
	late := time.NewTimer(2 * time.Minute)
	defer late.Stop()
	for {
		err := done()
		if err == nil {
			return
		}
		select {
		case <-late.C:
			t.Fatalf("%s: %v", what, err)
		case <-often.C:
		}
	}
}

// await waits until HAProxy has a server in that state, by a check that has ended: before
// the first one a server is up, too.
func (g *gateway) await(server, state string) {
	g.t.Helper()
	eventually(g.t, "HAProxy", func() error {
		got, err := g.stats(server)
		if err == nil && (!strings.HasPrefix(got["status"], state) || strings.HasSuffix(got["check_status"], "INI")) {
			err = fmt.Errorf("server %s is %s (%s), want %s", server, got["status"], got["check_status"], state)
		}
		return err
	})
}

// awaitAll waits until HAProxy has every replica up. It returns how often a replica was
// lost until now.
func (g *gateway) awaitAll() (lost int) {
	g.t.Helper()
	for i := range g.replicas {
		g.await(g.name(i), "UP")
	}
	return g.lost()
}

// lost is how often HAProxy has seen a replica go down, which happens to one that lives
// if the machine is busy enough.
func (g *gateway) lost() (times int) {
	g.t.Helper()
	for i := range g.replicas {
		got, err := g.stats(g.name(i))
		if err != nil {
			g.t.Fatal(err)
		}
		n, err := strconv.Atoi(got["chkdown"])
		if err != nil {
			g.t.Fatalf("HAProxy says %q went down %q times", g.name(i), got["chkdown"])
		}
		times += n
	}
	return times
}

// stats is what HAProxy says of a server.
func (g *gateway) stats(server string) (map[string]string, error) {
	c, err := net.Dial("unix", g.haproxyCLI)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(15 * time.Second))
	if _, err := io.WriteString(c, "show stat\n"); err != nil {
		return nil, err
	}
	table := csv.NewReader(c)
	table.FieldsPerRecord = -1
	rows, err := table.ReadAll()
	if err != nil {
		return nil, err
	}
	for _, row := range rows[1:] {
		if len(row) > 1 && row[1] == server {
			named := map[string]string{}
			for i, name := range rows[0][:len(row)] {
				named[name] = row[i]
			}
			return named, nil
		}
	}
	return nil, fmt.Errorf("HAProxy knows no server %q", server)
}

// readiness is the status code of a replica's probe.
func (r *replica) readiness() (int, error) {
	answer, err := http.Get("http://" + net.JoinHostPort(r.host.Address, "9090") + "/readiness")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	return answer.StatusCode, nil
}

// session is a client's connection.
type session struct {
	*pgconn.PgConn
	replica string // address of the one that carries it, as the database sees it
}

// connect logs a client in.
func (g *gateway) connect(ctx context.Context, c *client) (*session, error) {
	conn, err := pgconn.ConnectConfig(ctx, c.gateway)
	if err != nil {
		return nil, err
	}
	s := &session{PgConn: conn}
	user, err := s.ask(ctx, "select current_user || ' ' || host(inet_client_addr())")
	if err != nil {
		return nil, err
	}
	who, at, _ := strings.Cut(user, " ")
	if who != c.user {
		return nil, fmt.Errorf("%s is logged in as %s", c.user, who)
	}
	s.replica = at
	return s, nil
}

// ask runs a statement that has one value.
func (s *session) ask(ctx context.Context, sql string) (string, error) {
	results, err := s.Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return "", fmt.Errorf("%s: no answer", sql)
	}
	return string(results[0].Rows[0][0]), nil
}

// serial is that of the certificate that the listener has shown.
func (s *session) serial() int64 {
	return s.Conn().(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// together connects every client at once.
func (g *gateway) together() []*session {
	g.t.Helper()
	all := make([]*session, len(g.clients))
	var done sync.WaitGroup
	for i, c := range g.clients {
		done.Go(func() {
			var err error
			if all[i], err = g.connect(g.t.Context(), c); err != nil {
				g.t.Errorf("%s: %v", c.user, err)
			}
		})
	}
	done.Wait()
	if g.t.Failed() {
		g.t.FailNow()
	}
	return all
}

// hangUp ends sessions.
func hangUp(all []*session) {
	var done sync.WaitGroup
	for _, s := range all {
		done.Go(func() { s.Close(context.Background()) })
	}
	done.Wait()
}
