package service

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

var full = flag.Bool("full", false, "300 clients in place of 45, and measurements for docs/benchmarks.md")

func size() int {
	if *full {
		return 300
	}
	return 45
}

// Three replicas are one service: who uses it need not know how many there are, nor
// which is being replaced.
func TestReplicasAreOneService(t *testing.T) {
	g := start(t, size())
	for _, part := range []struct {
		name string
		test func(*gateway)
	}{
		{"sessions", (*gateway).sessionsAreSpread},
		{"cancel requests", (*gateway).cancelsArrive},
		{"a killed replica", (*gateway).oneDies},
		{"a replica that is ended", (*gateway).oneIsEnded},
		{"certificates and a rolling restart", (*gateway).rolls},
	} {
		t.Run(part.name, func(t *testing.T) {
			g.t = t
			part.test(g)
		})
		if t.Failed() {
			break
		}
	}
	g.t = t
	if *full && !t.Failed() {
		g.measure()
	}
	for _, r := range g.replicas { // which is quicker than to drain each
		if got, want := r.Stop(syscall.SIGINT), 128+int(syscall.SIGINT); got != want {
			t.Errorf("exit code after SIGINT = %d, want %d", got, want)
		}
	}
}

// sessionsAreSpread: each replica has its share, and knows who each client is and where.
// Clients that connected while HAProxy had lost a replica do not count: they connect again.
func (g *gateway) sessionsAreSpread() {
	connected := 0
	var all []*session
	for {
		before := g.awaitAll()
		all = g.together()
		connected += len(all)
		if g.lost() == before {
			break
		}
		g.t.Log("HAProxy lost a replica meanwhile")
		hangUp(all)
		if connected > 9*len(all) {
			g.t.Fatal("HAProxy loses replicas again and again")
		}
	}
	defer func() { hangUp(all) }()
	at := map[string]int{}
	for _, s := range all {
		at[s.replica]++
	}
	for _, r := range g.replicas {
		if n := at[r.host.Address]; n < len(all)/6 {
			g.t.Errorf("of %d sessions a replica has %d, want about a third", len(all), n)
		}
	}
	from := map[string]string{}
	for _, c := range g.clients {
		from[c.user] = c.address.String()
	}
	logins := 0
	for _, r := range g.replicas {
		for _, line := range r.records(g.t) {
			if line.Event != "login" {
				continue
			}
			logins++
			host, _, _ := strings.Cut(line.From, ":")
			via, _, _ := strings.Cut(line.Via, ":")
			if line.Identity != line.User || line.Proof != "cert" || host != from[line.User] || via != g.balancer.Address {
				g.t.Errorf("the audit log says %+v; want it from %s via %s", line, from[line.User], g.balancer.Address)
			}
		}
	}
	if logins != connected {
		g.t.Errorf("the audit logs have %d logins, want %d", logins, connected)
	}
}

// record is a line of an audit log.
type record struct {
	Event, Identity, Proof, User, From, Via, Reason string
	Application                                     string `json:"application_name"`
}

func (r *replica) records(t *testing.T) (all []record) {
	t.Helper()
	text, err := os.ReadFile(r.audit)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		var one record
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, one)
	}
	return all
}

// outcome is how a statement ended.
type outcome struct {
	*session
	err error
}

// each runs a statement in every session at once.
func (g *gateway) each(all []*session, sql string) <-chan outcome {
	done := make(chan outcome, len(all))
	for _, s := range all {
		go func() {
			_, err := s.ask(g.t.Context(), sql)
			done <- outcome{s, err}
		}()
	}
	return done
}

// awaitSleepers waits until so many sessions are in pg_sleep.
func (g *gateway) awaitSleepers(count int) {
	g.t.Helper()
	admin, err := g.database.AdminConn(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	defer admin.Close(context.Background())
	eventually(g.t, "sleepers", func() error {
		var n int
		err := admin.QueryRow(g.t.Context(), "select count(*) from pg_stat_activity where wait_event = 'PgSleep'").Scan(&n)
		if err == nil && n < count {
			err = fmt.Errorf("%d statements run, want %d", n, count)
		}
		return err
	})
}

// code is the SQLSTATE of err, or "".
func code(err error) string {
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		return said.Code
	}
	return ""
}

// cancelsArrive: each client cancels its statement, all at once, through the balancer,
// which brings most requests to a replica that does not have the session.
func (g *gateway) cancelsArrive() {
	all := g.together()
	defer hangUp(all)
	done := g.each(all, "select pg_sleep(300)")
	g.awaitSleepers(len(all))
	began := time.Now()
	var cancelling sync.WaitGroup
	defer cancelling.Wait()
	for _, s := range all {
		cancelling.Go(func() {
			if err := s.CancelRequest(g.t.Context()); err != nil {
				g.t.Errorf("cancelling: %v", err)
			}
		})
	}
	for range all {
		if o := <-done; code(o.err) != "57014" {
			g.t.Errorf("a statement ended with %v, want it cancelled", o.err)
		}
	}
	g.t.Logf("%d statements were cancelled in %v", len(all), time.Since(began).Round(time.Millisecond))
	forwarded := 0
	eventually(g.t, "the audit logs", func() error { // which have a request once it was served
		forwarded = 0
		for _, r := range g.replicas {
			for _, line := range r.records(g.t) {
				if line.Event == "cancel" && strings.HasPrefix(line.Reason, "forwarded") {
					forwarded++
				}
			}
		}
		if forwarded == 0 {
			return errors.New("no request came to the wrong replica")
		}
		return nil
	})
	g.t.Logf("%d of %d requests came to the wrong replica", forwarded, len(all))
}

// oneDies: of a replica that is killed, its own sessions end, and no other. The balancer
// brings new ones elsewhere.
func (g *gateway) oneDies() {
	g.lose(0, func(r *replica) { r.Proxy.Kill() }, "")
}

// oneIsEnded: clients are told why their sessions end where that is possible.
func (g *gateway) oneIsEnded() {
	g.lose(1, func(r *replica) {
		for range 2 { // the second signal ends sessions
			if err := r.Proxy.Signal(syscall.SIGINT); err != nil {
				g.t.Error(err)
			}
			r.AwaitLine("stopping; a second signal")
		}
	}, "57P01")
}

// lose ends replica i by end, while every session runs a statement. Those of its own
// sessions end with an SQLSTATE, or "" for a connection that breaks.
func (g *gateway) lose(i int, end func(*replica), want string) {
	lost := g.replicas[i]
	g.awaitAll()
	all := g.together()
	defer func() { hangUp(all) }()
	// Others go on for as long as it takes to see that they do.
	done := g.each(all, "select pg_sleep(600)")
	g.awaitSleepers(len(all))
	own := 0
	for _, s := range all {
		if s.replica == lost.host.Address {
			own++
		}
	}
	end(lost)
	for range own {
		o := <-done
		if o.replica != lost.host.Address {
			g.t.Errorf("a session of another replica ended: %v", o.err)
		}
		if o.err == nil || code(o.err) != want {
			g.t.Errorf("a session of the lost replica ended with %v, want SQLSTATE %q", o.err, want)
		}
	}
	lost.AwaitExit()
	var others []*session
	for _, s := range all {
		if s.replica == lost.host.Address {
			continue
		}
		others = append(others, s)
		if err := s.CancelRequest(g.t.Context()); err != nil {
			g.t.Errorf("cancelling: %v", err)
		}
	}
	for range others {
		if o := <-done; code(o.err) != "57014" { // it still ran
			g.t.Errorf("a session of another replica ended with %v", o.err)
		}
	}
	hangUp(all)
	all = g.together()
	for _, s := range all {
		if s.replica == lost.host.Address {
			g.t.Errorf("a session is at a replica that is gone")
		}
	}
	g.startReplica(i)
	g.await(g.name(i), "UP")
}

// name is what HAProxy's configuration calls a replica.
func (g *gateway) name(i int) string { return string(rune('a' + i)) }

// load is clients that connect, run some statements, and leave, again and again.
type load struct {
	stop    chan struct{}
	working sync.WaitGroup
	done    atomic.Int64 // connections
	serial  atomic.Int64 // of the certificate that the last one saw
	failed  chan error
}

func (g *gateway) load() *load {
	l := &load{stop: make(chan struct{}), failed: make(chan error, len(g.clients))}
	for _, c := range g.clients {
		l.working.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				if err := l.visit(g, c); err != nil {
					l.failed <- fmt.Errorf("%s: %w", c.user, err)
					return
				}
			}
		})
	}
	return l
}

// visit is one connection.
func (l *load) visit(g *gateway, c *client) error {
	s, err := g.connect(context.Background(), c)
	if err != nil {
		return err
	}
	defer s.Close(context.Background())
	for range 3 {
		if _, err := s.ask(context.Background(), fmt.Sprintf("select pg_sleep(%f)", 0.002*float64(len(g.clients)))); err != nil {
			return fmt.Errorf("a statement: %w", err)
		}
	}
	l.serial.Store(s.serial())
	l.done.Add(1)
	return nil
}

// end waits for the clients, none of which may have had an error.
func (l *load) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.working.Wait()
	close(l.failed)
	for err := range l.failed {
		t.Error(err)
	}
	t.Logf("%d connections without an error", l.done.Load())
}

// rolls replaces the listeners' certificate, by one of another CA, and then every
// replica, while clients come and go. None of them sees an error.
func (g *gateway) rolls() {
	next := rig.NewAuthority(g.t, "next")
	// Clients trust both before the listeners change, as one has to.
	trusted, err := os.ReadFile(g.roots)
	if err != nil {
		g.t.Fatal(err)
	}
	g.write("roots.pem", string(trusted)+next.PEM)
	for i, c := range g.clients {
		host, certs := g.balancer.Address, g.dir+"/clients/"+c.user
		g.clients[i].gateway = g.config(c, host, "5432", "sslmode=verify-full sslrootcert="+g.roots+" sslcert="+certs+".pem sslkey="+certs+"-key.pem")
	}
	l := g.load()
	ended := false
	defer func() {
		if !ended {
			l.end(g.t)
		}
	}()
	const renewed = 77
	g.issueListener(next, renewed)
	eventually(g.t, "the new certificate", func() error {
		if l.serial.Load() != renewed {
			return errors.New("no client has seen it")
		}
		return nil
	})
	for i, r := range g.replicas {
		g.restart(i, r)
	}
	ended = true
	l.end(g.t)
}

// restart drains a replica that runs a statement, and starts it again.
func (g *gateway) restart(i int, r *replica) {
	g.t.Helper()
	g.awaitAll()
	long := g.sessionAt(r)
	defer long.Close(context.Background())
	done := g.each([]*session{long}, "select pg_sleep(600)")
	before := g.loginsOf(long)
	if err := r.Proxy.Signal(syscall.SIGTERM); err != nil {
		g.t.Fatal(err)
	}
	eventually(g.t, "readiness", func() error {
		if status, err := r.readiness(); err != nil || status == 200 {
			return fmt.Errorf("a replica that drains answers %d, %v", status, err)
		}
		return nil
	})
	g.await(g.name(i), "DOWN")
	eventually(g.t, "sessions", func() error {
		if n := g.loginsOf(long); n != 1 || before == 0 {
			return fmt.Errorf("%d sessions are at the replica that drains, want the one that runs a statement", n)
		}
		return nil
	})
	select {
	case o := <-done:
		g.t.Fatalf("a statement that was begun before ended with %v", o.err)
	default:
	}
	// The replica that knows the key takes no connection any more.
	eventually(g.t, "the listener", func() error {
		c, err := net.Dial("tcp", net.JoinHostPort(r.host.Address, "5432"))
		if err == nil {
			c.Close()
			return errors.New("it is still open")
		}
		return nil
	})
	if err := long.CancelRequest(g.t.Context()); err != nil {
		g.t.Errorf("cancelling: %v", err)
	}
	if o := <-done; code(o.err) != "57014" {
		g.t.Errorf("a statement that was begun before ended with %v, want what the database says", o.err)
	}
	if _, err := long.ask(g.t.Context(), "select 1"); err != nil {
		g.t.Errorf("a session at a replica that drains: %v", err)
	}
	long.Close(context.Background())
	if code := r.AwaitExit(); code != 128+int(syscall.SIGTERM) {
		g.t.Errorf("exit code %d", code)
	}
	g.startReplica(i)
	g.await(g.name(i), "UP")
}

// sessionAt is a session at that replica.
func (g *gateway) sessionAt(r *replica) *session {
	g.t.Helper()
	for range 100 {
		s, err := g.connect(g.t.Context(), g.clients[0])
		if err != nil {
			g.t.Fatal(err)
		}
		if s.replica == r.host.Address {
			return s
		}
		s.Close(context.Background())
	}
	g.t.Fatal("no session came to the replica")
	return nil
}

// loginsOf counts the sessions of the replica that carries s, as the database sees them.
func (g *gateway) loginsOf(s *session) (n int) {
	admin, err := g.database.AdminConn(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	defer admin.Close(context.Background())
	if err := admin.QueryRow(g.t.Context(), "select count(*) from pg_stat_activity where host(client_addr) = $1", s.replica).Scan(&n); err != nil {
		g.t.Fatal(err)
	}
	return n
}
