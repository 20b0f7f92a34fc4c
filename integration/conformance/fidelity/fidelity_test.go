package fidelity

import (
	"context"
	"flag"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

// exchange is one conversation, held over each way.
type exchange struct {
	name  string
	steps []step
	masks []mask // beside those for all
	bulk  bool   // too long for the tunnel, whose transfers have tests of their own
	lost  bool   // pgkeyless must tell a client of it that its database is lost
}

// gigabyte adds an exchange that takes a minute or two; what it shows is held by
// proxy's TestRelayTakesMessagesOfAnyLength otherwise.
var gigabyte = flag.Bool("gigabyte", false, "exchange a row of nearly a gigabyte, too")

var corpus = slices.Concat(queries, copies, startups, replications, ends)

func TestWhatArrivesIsWhatTheDatabaseSent(t *testing.T) {
	admin, err := shared.database.AdminConn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	address := shared.database.Address()
	straight, near, tunnel := direct(address), withoutTunnel(t, address), throughTunnel(t, address)
	all := corpus
	if *gigabyte {
		all = append(slices.Clone(corpus), largest)
	}
	for _, e := range all {
		t.Run(e.name, func(t *testing.T) {
			want := e.hold(t, straight, admin)
			ways := near
			if !e.bulk {
				ways = append(slices.Clone(near), tunnel)
			}
			for _, w := range ways {
				compare(t, w.name, e.hold(t, w, admin), want)
			}
		})
	}
}

// outcome is what each connection saw, and what the database says became of it.
type outcome struct {
	seen    [][]record
	effects []string
	lost    bool // a client was told by pgkeyless that its database is
}

// hold has the conversation.
func (e exchange) hold(t *testing.T, w way, admin *pgx.Conn) outcome {
	t.Helper()
	return e.holdOver(t, &talk{way: w, admin: admin})
}

func (e exchange) holdOver(t *testing.T, k *talk) outcome {
	t.Helper()
	if err := k.do(e.steps); err != nil {
		t.Fatalf("%s: %v", k.way.name, err)
	}
	o := outcome{effects: k.effects}
	for _, p := range k.peers {
		p.mu.Lock()
		o.lost = o.lost || slices.ContainsFunc(p.records, toldLost)
		o.seen = append(o.seen, masked(p.records, e.masks))
		p.mu.Unlock()
		p.conn.Close()
	}
	after := []step{
		// What is ready for the next conversation has asked nothing yet.
		until("select not exists (select from pg_stat_activity where usename <> 'postgres' and not (state = 'idle' and query = ''))"),
		prepare("truncate effects"),
	}
	if err := k.do(after); err != nil {
		t.Fatalf("%s: after the exchange: %v", k.way.name, err)
	}
	return o
}

func compare(t *testing.T, name string, got, want outcome) {
	t.Helper()
	if !slices.Equal(got.effects, want.effects) {
		t.Errorf("%s: effects\n got %q\nwant %q", name, got.effects, want.effects)
	}
	for n := range want.seen {
		got, want := got.seen[n], want.seen[n]
		if slices.Equal(got, want) {
			continue
		}
		i := 0
		for i < len(got) && i < len(want) && got[i] == want[i] {
			i++
		}
		t.Errorf("%s: connection %d differs from record %d (of %d, want %d) on:\n got %v\nwant %v",
			name, n, i, len(got), len(want), abbreviate(got[i:]), abbreviate(want[i:]))
	}
}
