package cluster

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// world is a machine of a network, podman on it, and the emulated account at its
// loopback: the websockets of the emulator have no TLS, which pgkeyless accepts there
// alone.
type world struct {
	*podman
	aws *awsemu.Emulator
}

func start(t *testing.T) *world {
	t.Helper()
	network := rig.NewNetwork(t)
	host := network.NewHost()
	aws, err := lab.StartAWS(rig.Shared.Keys, rig.Shared.Database.Address(), func(c *awsemu.Config) { c.Pace, c.AckWithin = -1, 15*time.Second })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { aws.Close() })
	aws.SetDatabases(awsemu.Databases{Instances: []awsemu.DBInstance{{Identifier: "orders", ResourceID: rig.OrdersID, Host: lab.Host}}})
	at, err := url.Parse(aws.URL())
	if err != nil {
		t.Fatal(err)
	}
	host.StartRelay(t, at.Host, at.Host)
	return &world{startPodman(t, host), aws}
}

// account are the variables that lead a container to the emulated account, in place of
// those of EKS.
func (w *world) account() []string { return rig.Shared.Keys.Env(w.aws.URL()) }

// target is a target of a manifest, with its way to the emulated database: the jump host
// in place of none, and the CA of the database in the volume of pgkeyless.
func target(way string) string {
	return strings.Replace(way, "via=none", "via="+lab.Target+"&ca-file=/run/pgkeyless/ca.pem", 1)
}

// emptyRun is what the kubelet makes of pgkeyless's emptyDir in memory, a tmpfs: root's,
// and open to every user with the sticky bit. (One on disk has no sticky bit, so
// pgkeyless would not trust it.) The database's CA is in there.
func (w *world) emptyRun() (dir string) {
	w.t.Helper()
	dir = w.mounted("run")
	w.put(rig.Shared.Database.CAFile(), dir, "ca.pem")
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		w.t.Fatal(err)
	}
	return dir
}

// sidecar is a pod of deploy/kubernetes, created.
func (w *world) sidecar(pod object) {
	w.t.Helper()
	p := container(w.t, pod, "pgkeyless")
	args := p["args"].([]any)
	args[0] = target(args[0].(string))
	setEnv(p, w.account())
	hostPath(w.t, pod, "pgkeyless-run", w.emptyRun())
	w.create(write(w.t, pod))
}

// checkProcess looks at the process as the kernel sees it.
func (w *world) checkProcess(container string) {
	w.t.Helper()
	proc := "/proc/" + w.inspect(container, "{{.State.Pid}}") + "/"
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, want := range []string{"Uid:\t65532\t65532\t65532\t65532\n", "Gid:\t65532\t65532\t65532\t65532\n", "CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n",
		"NoNewPrivs:\t1\n", "Seccomp:\t2\n"} {
		if !strings.Contains(string(status), want) {
			w.t.Errorf("the process lacks %q:\n%s", want, status)
		}
	}
	mounts, err := os.ReadFile(proc + "mountinfo")
	if err != nil {
		w.t.Fatal(err)
	}
	root := ""
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); f[4] == "/" {
			root = f[5]
		}
	}
	if !strings.HasPrefix(root, "ro,") {
		w.t.Errorf("the root file system is mounted %q", root)
	}
}

func (w *world) printed(container, want string) {
	w.t.Helper()
	if got := w.logs(container); !strings.Contains(got, want) {
		w.t.Errorf("%s printed %q, want %q", container, got, want)
	}
}

// ended looks at the emulated account when all is over.
func (w *world) ended() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := w.aws.Await(ctx, gateway.AllEnded); err != nil {
		w.t.Errorf("SSM sessions left open: %+v", w.aws.Sessions())
	}
	if broken := w.aws.Violations(); len(broken) > 0 {
		w.t.Errorf("protocol violations: %q", broken)
	}
}

// The Deployment with a native sidecar: what starts when, and what ends when.
func TestSidecar(t *testing.T) {
	w := start(t)
	pod := asPod("shop", template(manifest(t, "kubernetes/sidecar.yaml", "Deployment")))
	w.sidecar(pod)

	// Without pgkeyless, what uses the database fails: that is what the order is for.
	w.start("shop-migrate")
	if code := w.exit("shop-migrate"); code == "0" {
		t.Error("the migration ran without pgkeyless")
	}

	w.start("shop-pgkeyless")
	w.awaitProbe("/startup", 200)
	w.start("shop-migrate") // an init container after the sidecar: it starts when the startup probe has succeeded
	if code := w.exit("shop-migrate"); code != "0" {
		t.Errorf("the migration ended with %s: %s\n%s", code, w.logs("shop-migrate"), w.logs("shop-pgkeyless"))
	}
	w.printed("shop-migrate", "migrate: connected as "+pgserver.AppUser)
	w.start("shop-app")
	w.await("the application's connection", func() bool { return strings.Contains(w.logs("shop-app"), "serve: connected as "+pgserver.AppUser) })

	w.checkProcess("shop-pgkeyless")
	for _, path := range []string{"/startup", "/readiness", "/liveness", "/metrics"} {
		if status, body, err := w.probe(path); err != nil || status != 200 {
			t.Errorf("%s: %d, %v: %s", path, status, err, body)
		}
	}
	w.run("exec", "shop-pgkeyless", "/pgkeyless", "wait", "--max", "30s") // as an exec probe, by the private socket
	if got := w.logs("shop-pgkeyless"); strings.Contains(got, "on the way to it") || strings.Contains(got, "no unix socket") {
		t.Errorf("pgkeyless does not trust its directory: %s", got)
	}
	if conn, err := net.DialTimeout("tcp", net.JoinHostPort(w.host.Address, "5432"), 15*time.Second); err == nil {
		conn.Close()
		t.Error("the sidecar's port is open to other pods")
	}

	// The kubelet ends the application first.
	if code := w.stop("shop-app", limit); code != "0" {
		t.Errorf("the application ended with %s: %s", code, w.logs("shop-app"))
	}
	if code := w.stop("shop-pgkeyless", limit); code != "0" {
		t.Errorf("pgkeyless ended with %s: %s", code, w.logs("shop-pgkeyless"))
	}
	w.ended()
	rig.CheckOutput(t, w.logs("shop-pgkeyless"))
}

// The Job ends when its own container does, and pgkeyless keeps nothing open.
func TestJob(t *testing.T) {
	w := start(t)
	w.sidecar(asPod("shop-report", template(manifest(t, "kubernetes/job.yaml", "Job"))))
	w.start("shop-report-pgkeyless")
	w.awaitProbe("/startup", 200)
	w.start("shop-report-report")
	if code := w.exit("shop-report-report"); code != "0" {
		t.Errorf("the Job ended with %s: %s\n%s", code, w.logs("shop-report-report"), w.logs("shop-report-pgkeyless"))
	}
	w.printed("shop-report-report", "report: connected as "+pgserver.AppUser)
	w.checkProcess("shop-report-pgkeyless")
	if code := w.stop("shop-report-pgkeyless", limit); code != "0" {
		t.Errorf("pgkeyless ended with %s: %s", code, w.logs("shop-report-pgkeyless"))
	}
	w.ended()
}

// The gateway of the kustomize base, which is the chart's: a client proves its service
// account, and SIGTERM lets its query end.
func TestGateway(t *testing.T) {
	w := start(t)
	api := rig.StartCluster(t)
	apiURL, err := url.Parse(api.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.host.StartRelay(t, apiURL.Host, apiURL.Host)
	deployment := manifest(t, "kustomize/base/deployment.yaml", "Deployment")
	pod := asPod("gateway", template(deployment))
	p := container(t, pod, "pgkeyless")
	p["image"] = image // the tag is kustomize's to add
	setEnv(p, append(w.account(), "KUBERNETES_SERVICE_HOST="+apiURL.Hostname(), "KUBERNETES_SERVICE_PORT="+apiURL.Port()))

	// What the kubelet does for a Secret, and for the token of the pod's service account.
	ca := rig.NewAuthority(t, "gateway")
	secret := w.mounted("tls")
	cert, key := ca.Issue(t, t.TempDir(), "listener", 2, func(c *x509.Certificate) {
		c.IPAddresses, c.ExtKeyUsage = []net.IP{net.ParseIP(w.host.Address)}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	w.put(cert, secret, "tls.crt")
	w.put(key, secret, "tls.key")
	hostPath(t, pod, "tls", secret)
	hostPath(t, pod, "run", w.emptyRun())
	account := w.mounted("account")
	w.put(api.CAFile, account, "ca.crt")
	w.put(api.TokenFile, account, "token")
	spec := pod["spec"].(object)
	spec["volumes"] = append(spec["volumes"].([]any), object{"name": "account"})
	hostPath(t, pod, "account", account)
	p["volumeMounts"] = append(p["volumeMounts"].([]any), object{"name": "account", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true})

	text, err := os.ReadFile("../../../deploy/kustomize/base/pgkeyless.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := strings.Replace(string(text), "via: none", "via: "+lab.Target+"\n    ca-file: /run/pgkeyless/ca.pem", 1)
	w.create(write(t, object{"apiVersion": "v1", "kind": "ConfigMap", "metadata": object{"name": "pgkeyless"}, "data": object{"pgkeyless.yaml": file}}, pod))

	const name = "gateway-pgkeyless"
	w.start(name)
	w.awaitProbe("/startup", 200)
	w.awaitProbe("/readiness", 200)
	w.awaitProbe("/liveness", 200)
	w.checkProcess(name)

	roots := w.write("roots.pem", ca.PEM)
	connect := func(token string) (*pgx.Conn, error) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		return pgx.Connect(ctx, fmt.Sprintf("host=%s port=5432 user=%s password=%s dbname=%s sslmode=verify-full sslrootcert=%s", w.host.Address, pgserver.AppUser, token, pgserver.Database, roots))
	}
	other := api.Token(func(claims map[string]any) { claims["sub"] = "system:serviceaccount:elsewhere:orders" })
	if conn, err := connect(other); err == nil || !strings.Contains(err.Error(), "may not connect") {
		t.Errorf("a service account of another namespace: %v, %v", conn, err)
	}
	conn, err := connect(api.Token(nil))
	if err != nil {
		t.Fatalf("%v\n%s", err, w.logs(name))
	}
	defer conn.Close(context.Background())

	// A query that lasts until this test says so.
	admin, err := rig.Shared.Database.AdminConn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	if _, err := admin.Exec(t.Context(), "select pg_advisory_lock(16)"); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		var user string
		err := conn.QueryRow(t.Context(), "select current_user from (select pg_advisory_lock_shared(16)) as waited").Scan(&user)
		if err == nil && user != pgserver.AppUser {
			err = fmt.Errorf("answer %q", user)
		}
		answered <- err
	}()
	w.await("the query", func() bool {
		var waiting int
		err := admin.QueryRow(t.Context(), "select count(*) from pg_locks where locktype = 'advisory' and objid = 16 and not granted").Scan(&waiting)
		return err == nil && waiting == 1
	})

	w.run("kill", "--signal", "TERM", name)
	w.awaitProbe("/readiness", 503)
	if status, body, err := w.probe("/liveness"); err != nil || status != 200 {
		t.Errorf("liveness while it drains: %d, %v: %s", status, err, body)
	}
	select {
	case err := <-answered:
		t.Errorf("the query ended before its lock was free: %v", err)
	default:
	}
	if _, err := admin.Exec(t.Context(), "select pg_advisory_unlock(16)"); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("the open query: %v", err)
	}
	conn.Close(context.Background())
	if code := w.exit(name); code != "0" {
		t.Errorf("pgkeyless ended with %s: %s", code, w.logs(name))
	}
	w.ended()
	rig.CheckOutput(t, w.logs(name))
}

// mounted is a directory of the machine for a volume.
func (w *world) mounted(name string) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, "volume-"+name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	return dir
}

// put copies a file there as the kubelet does for a Secret: root's, and the fsGroup's to
// read.
func (w *world) put(from, dir, name string) {
	w.t.Helper()
	content, err := os.ReadFile(from)
	path := filepath.Join(dir, name)
	if err == nil {
		err = os.WriteFile(path, content, 0o440)
	}
	if err == nil {
		err = os.Chown(path, 0, 65532)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
