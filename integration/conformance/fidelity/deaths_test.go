package fidelity

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// cut ends the database's side of every connection.
func cut(byReset bool) step {
	return func(k *talk) error {
		k.wire.cut(byReset)
		return nil
	}
}

// stall lets the database say n more bytes, as they are on the wire.
func stall(n int64) step {
	return func(k *talk) error {
		k.wire.stall(n)
		return nil
	}
}

// dropBackend ends the connection's backend if it is still busy.
var dropBackend = until("select count(pg_terminate_backend(pid)) = 0 from pg_stat_activity where pid = $pid")

// Logins wait while somebody holds the roles.
var (
	holdRoles    = prepare("begin; lock pg_authid")
	loginWaits   = until("select exists (select from pg_locks where relation = 'pg_authid'::regclass and not granted)")
	releaseRoles = prepare("rollback")
)

// deathsBy are exchanges in which the database's side of the connection ends, by
// a reset or by the end of its stream.
func deathsBy(byReset bool) []exchange {
	die := cut(byReset)
	insert := query("begin; insert into effects values (1)")
	all := []exchange{
		{name: "idle", lost: true, steps: []step{login(), die, ended, backendGone}},
		{name: "in a transaction", lost: true, steps: []step{login(), send(insert), await("Z"), die, ended, backendGone, sql(effects)}},
		{name: "between two messages", lost: true, steps: []step{login(),
			send(simple("select 1"), flush, simple("select pg_sleep(100)"), syncUp), await("C"), backendWaits("PgSleep"), die, ended, dropBackend}},
		{name: "in a row", steps: []step{login(),
			stall(50_000), send(query("select repeat('x', 200000)")), await("T"), die, ended, dropBackend}},
		{name: "in a long row", steps: []step{login(),
			stall(500_000), send(query("select repeat('x', 20000000)")), await("T"), die, ended, dropBackend}},
		{name: "in copy in", lost: true, steps: []step{login(),
			send(query("copy effects from stdin")), await("G"), send(copyData("1\n")), rowCopied, die, ended, backendGone, sql(effects)}},
		{name: "behind an error", steps: []step{login(),
			send(simple("select 1/0"), flush), await("E"), die, ended, backendGone}},
		{name: "written to afterwards", lost: true, steps: []step{login(), die, ended, sendUntilRefused(query("insert into effects values (1)")), backendGone, sql(effects)}},
		{name: "during the login", lost: true, steps: []step{holdRoles, startup(3<<16, user, "database", database), loginWaits, die, ended, releaseRoles}},
	}
	for i := range all {
		all[i].masks = deathMasks
	}
	return all
}

// TestDeathOfADatabaseIsSeen cuts the connection to the database. What a client
// sees through pgkeyless is what it sees directly, and words in addition where
// they can be said.
func TestDeathOfADatabaseIsSeen(t *testing.T) {
	admin, err := shared.database.AdminConn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	w := newWire(t, shared.database.Address())
	straight := direct(w.address())
	ways := append(withoutTunnel(t, w.address()), throughTunnel(t, w.address()))
	for _, byReset := range []bool{false, true} {
		for _, e := range deathsBy(byReset) {
			t.Run(fmt.Sprintf("%s, reset %v", e.name, byReset), func(t *testing.T) {
				over := func(way way) outcome {
					w.mend()
					return e.holdOver(t, &talk{way: way, admin: admin, wire: w})
				}
				compareDeaths(t, e, over(straight), ways, over)
			})
		}
	}
}

// compareDeaths compares each way with the direct one, which has no words.
func compareDeaths(t *testing.T, e exchange, want outcome, ways []way, over func(way) outcome) {
	t.Helper()
	if want.lost {
		t.Error("directly, a client was told that its database is lost: that is for pgkeyless to say")
	}
	for _, way := range ways {
		got := over(way)
		compare(t, way.name, got, want)
		if got.lost != e.lost {
			t.Errorf("%s: the client was told that its database is lost: %v, want %v", way.name, got.lost, e.lost)
		}
	}
}

// killBackend ends the connection's backend without giving it a chance.
func killBackend(k *talk) error {
	backend, err := os.FindProcess(int(k.peer().pid))
	if err != nil {
		return err
	}
	return backend.Kill()
}

// The server ends all other sessions when one of its processes is killed. Each client has
// asked something before: a ready login that ends unused is replaced, and the server may
// take nobody meanwhile.
var crashes = []exchange{
	{name: "killed, idle", lost: true, masks: deathMasks, steps: []step{login(), send(query("select 1")), await("Z"), killBackend, ended}},
	{name: "killed in a query", lost: true, masks: deathMasks, steps: []step{login(), send(query("select pg_sleep(100)")), backendWaits("PgSleep"), killBackend, ended}},
	{name: "beside one that is killed", lost: true, masks: append(slices.Clone(deathMasks), crashMask), steps: []step{login(), send(query("select 1")), await("Z"),
		as(1, login(), send(query("select 1")), await("Z"), killBackend, ended), ended}},
}

func TestKilledBackendIsSeen(t *testing.T) {
	database, err := lab.StartDatabase(t.Context(), shared.keys, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	// It is another certificate authority's than that of the shared database.
	before := shared.database
	shared.database = database
	defer func() { shared.database = before }()
	admin := func() *pgx.Conn { // once the server has recovered
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for {
			conn, err := database.AdminConn(ctx)
			if err == nil {
				return conn
			}
			select {
			case <-ctx.Done():
				t.Fatal(err)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	conn := admin()
	for _, sql := range []string{"create table effects (n int)", "checkpoint"} { // commits wait for no disk
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	conn.Close(context.Background())
	address := database.Address()
	straight := direct(address)
	ways := append(withoutTunnel(t, address), throughTunnel(t, address))
	for _, e := range crashes {
		t.Run(e.name, func(t *testing.T) {
			over := func(way way) outcome {
				k := &talk{way: way, admin: admin()}
				steps := append(slices.Clone(e.steps), func(k *talk) error {
					k.admin.Exec(context.Background(), "select pg_sleep(60)") // until its backend is ended, too
					k.admin.Close(context.Background())
					k.admin = admin()
					return nil
				})
				defer func() { k.admin.Close(context.Background()) }()
				e := e
				e.steps = steps
				return e.holdOver(t, k)
			}
			compareDeaths(t, e, over(straight), ways, over)
		})
	}
}
