package access

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// The names that the replicas' name server knows.
const (
	replicasName = "replicas.gateway.test"
	serversName  = "servers.gateway.test"
)

// What a flood of unknown keys from one address may cost: so many at once, and then one
// in so long (proxy/strangers.go).
const (
	burst = 20
	every = time.Second / 5
)

// replicas are several pgkeyless, each on a host of its own, that serve one database.
type replicas struct {
	net    *rig.Network
	names  *rig.NameServer
	hosts  []*rig.Host
	worlds []*rig.World
}

// startReplicas starts two that dial serversName, which must be named before the first
// client comes.
func startReplicas(t *testing.T, flags ...string) *replicas {
	t.Helper()
	r := &replicas{net: rig.NewNetwork(t)}
	r.names = rig.StartNameServerAt(t, r.net.Address())
	var addresses []string
	for range 2 {
		host := r.net.NewHost()
		r.hosts, addresses = append(r.hosts, host), append(addresses, host.Address)
		r.worlds = append(r.worlds, rig.Start(t, rig.Setup{
			// Relays count the connections to the database, and wait for their end.
			Args: []string{lab.Host + "?ready-logins=0&dial=" + serversName + ":5432&ca-file=" + rig.Shared.Database.CAFile()},
			Port: "5432", Flags: append([]string{"--address", "0.0.0.0", "--allow-anyone"}, flags...),
			Change: func(cmd *exec.Cmd) { r.names.Asking(cmd); host.On(cmd) },
		}))
	}
	r.names.Name(replicasName, addresses...)
	return r
}

// at is the address of a replica.
func (r *replicas) at(i int) string { return net.JoinHostPort(r.hosts[i].Address, "5432") }

// database has the replicas' name lead to the shared database, and counts.
func (r *replicas) database(t *testing.T) *rig.Relay {
	t.Helper()
	r.names.Name(serversName, r.net.Address())
	return rig.StartRelay(t, net.JoinHostPort(r.net.Address(), "5432"), rig.Shared.Database.Address())
}

func conninfo(address string) string {
	host, port, _ := net.SplitHostPort(address)
	return fmt.Sprintf("host=%s port=%s user=%s dbname=%s sslmode=disable connect_timeout=60", host, port, pgserver.AppUser, pgserver.Database)
}

// connect opens a connection, whose first bytes are header, to an address.
func connect(t *testing.T, address, header string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(conninfo(address))
	if err != nil {
		t.Fatal(err)
	}
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			_, err = io.WriteString(c, header)
		}
		return c, err
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// A cancel request that a balancer brings to the other replica ends the query: psql's,
// which comes by itself after Ctrl-C, and pgx's.
func TestCancelReachesTheReplicaThatKnowsIt(t *testing.T) {
	for name, flags := range map[string][]string{
		"peers":           {"--peers", replicasName},
		"peers at a port": {"--peers", replicasName + ":5432"},
		"forward-cancels": {"--forward-cancels"},
	} {
		t.Run(name, func(t *testing.T) {
			r := startReplicas(t, flags...)
			r.database(t)
			balancer := net.JoinHostPort(r.net.Address(), "6432")
			balanced := rig.StartRelay(t, balancer, r.at(0), r.at(1))
			for round := range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), 3*rig.Limit)
				defer cancel()
				cmd := rig.PsqlCommand(ctx, conninfo(balancer)+fmt.Sprintf(" application_name=round%d", round), "-c", "select pg_sleep(120)")
				var said bytes.Buffer
				cmd.Stdout, cmd.Stderr = &said, &said
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				r.worlds[0].AwaitSleeper("application_name = $1", fmt.Sprintf("round%d", round))
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
				err := cmd.Wait()
				if !bytes.Contains(said.Bytes(), []byte("canceling statement due to user request")) || err == nil {
					t.Errorf("psql ended with %v: %s", err, said.String())
				}
				conn := connect(t, balancer, "")
				done := r.worlds[0].Sleeping(conn)
				if err := conn.PgConn().CancelRequest(ctx); err != nil {
					t.Error(err)
				}
				rig.AwaitCanceled(t, done)
				conn.Close(ctx)
			}
			if n := balanced.Count(); n != 8 {
				t.Errorf("%d connections, want 8: sessions at one replica, cancel requests at the other", n)
			}
		})
	}
}

// Where replicas take each other for balancers, they send each other headers.
func TestCancelAmongReplicasThatWantHeaders(t *testing.T) {
	n := "10.0.0.0/8"
	r := startReplicas(t, "--peers", replicasName, "--proxy-protocol", "--proxy-protocol-from", n)
	r.database(t)
	const header = "PROXY TCP4 203.0.113.9 203.0.113.1 4711 5432\r\n"
	conn := connect(t, r.at(0), header)
	done := r.worlds[0].Sleeping(conn)
	packet := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 16, 4, 210, 22, 46}, conn.PgConn().PID())
	say(t, r.at(1), append([]byte(header), append(packet, conn.PgConn().SecretKey()...)...))
	rig.AwaitCanceled(t, done)
}

// say sends packet to an address and waits until that has closed.
func say(t *testing.T, address string, packet []byte) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(rig.Limit))
	if _, err := c.Write(packet); err != nil {
		t.Error(err)
	}
	io.Copy(io.Discard, c)
}

// A flood of random keys costs what the bound says: connections to the database, or to
// each peer. It keeps no request with a known key from its database.
func TestFloodOfUnknownKeysIsBounded(t *testing.T) {
	for _, peers := range []bool{false, true} {
		flags := []string{"--forward-cancels"}
		if peers {
			flags = []string{"--peers", replicasName + ":5432"}
		}
		r := startReplicas(t, flags...)
		counted := r.database(t)
		if peers {
			third := r.net.More(1)[0].String()
			counted = rig.StartRelay(t, net.JoinHostPort(third, "5432"), rig.ClosedPort) // a peer that knows no key
			r.names.Name(replicasName, r.hosts[0].Address, r.hosts[1].Address, third)
		}
		conn := connect(t, r.at(0), "")
		done := r.worlds[0].Sleeping(conn)
		before, began := counted.Count(), time.Now()
		const flood, atOnce = 600, 20
		sent := make(chan struct{})
		for range atOnce {
			go func() {
				defer func() { sent <- struct{}{} }()
				for range flood / atOnce {
					key := make([]byte, 8)
					rand.Read(key)
					say(t, r.at(0), append([]byte{0, 0, 0, 16, 4, 210, 22, 46}, key...))
				}
			}()
		}
		for range atOnce {
			<-sent
		}
		got, most := counted.Count()-before, burst+int(time.Since(began)/every)+1
		if got == 0 || got > most || most > flood {
			t.Errorf("peers %v: %d random keys cost %d connections, want %d at most", peers, flood, got, most)
		}
		if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
			t.Error(err)
		}
		rig.AwaitCanceled(t, done)
	}
}

// A reader endpoint has several servers behind it. Each is asked, as one of them runs
// the query.
func TestCancelReachesEachServerOfAName(t *testing.T) {
	r := startReplicas(t, "--forward-cancels")
	first, second := r.net.Address(), r.net.More(1)[0].String()
	other := rig.StartDatabase(t, rig.Shared.Keys, func(c *pgserver.Config) { c.CA = rig.Shared.Database.CA() })
	servers := map[string]*rig.Relay{
		first:  rig.StartRelay(t, net.JoinHostPort(first, "5432"), rig.Shared.Database.Address()),
		second: rig.StartRelay(t, net.JoinHostPort(second, "5432"), other.Address()),
	}
	for _, order := range [][]string{{first, second}, {second, first}} {
		r.names.Name(serversName, order...)
		before := servers[order[0]].Count()
		conn := connect(t, r.at(0), "")
		if got := servers[order[0]].Count(); got != before+1 {
			t.Fatalf("the session is not at %s, which is named first", order[0])
		}
		done := make(chan error, 1)
		go func() {
			_, err := conn.Exec(t.Context(), "select pg_sleep(120)")
			done <- err
		}()
		r.names.Name(serversName, order[1], order[0]) // so that the other replica dials the wrong one first
		world := &rig.World{T: t, Database: rig.Shared.Database}
		if order[0] == second {
			world.Database = other
		}
		world.AwaitSleep(conn.PgConn().PID())
		cancelAt(t, conn.PgConn(), r.at(1))
		rig.AwaitCanceled(t, done)
	}
}
