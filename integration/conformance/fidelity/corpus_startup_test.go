package fidelity

import (
	"context"
	"strings"

	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// The usual ones.
const (
	user     = pgserver.AppUser
	database = pgserver.Database
)

// startups are exchanges about the beginning of a session.
var startups = []exchange{
	{name: "settings at startup", steps: []step{login("application_name", "orders", "client_encoding", "LATIN1", "timezone", "Asia/Tokyo", "datestyle", "SQL, DMY",
		"options", "-c statement_timeout=12345 -c search_path=\"a\\ b\" --work_mem=1MB"),
		send(query("select current_setting('application_name'), current_setting('statement_timeout'), current_setting('search_path'), current_setting('work_mem')")), await("Z")}},
	{name: "the last of two values counts", steps: []step{login("application_name", "one", "application_name", "two"), send(query("show application_name")), await("Z")}},
	{name: "no database named", steps: []step{startup(3<<16, user), ended}},
	{name: "setting of its extension", steps: []step{login("my.own", "x"), send(query("show my.own")), await("Z")}},
	{name: "protocol 3.2", steps: []step{startup(3<<16|2, user, "database", database), await("Z"), send(query("select 1")), await("Z")}},
	{name: "protocol 3.1", steps: []step{startup(3<<16|1, user, "database", database), await("Z")}},
	{name: "protocol 3.9999 with options", steps: []step{startup(3<<16|9999, user, "database", database,
		"_pq_.test_protocol_negotiation", "", "_pq_.compression", "zstd"), await("Z")}},
	{name: "protocol 3.0 with an option", steps: []step{startup(3<<16, user, "database", database, "_pq_.keys", "long"), await("Z")}},
	{name: "unknown database", steps: []step{startup(3<<16, user, "database", "nowhere"), ended}},
	{name: "database that may not be entered", steps: []step{startup(3<<16, user, "database", "closed"), ended}},
	{name: "setting that does not exist", steps: []step{startup(3<<16, user, "database", database, "no_such_setting", "1"), ended}},
	{name: "setting with a wrong value", steps: []step{startup(3<<16, user, "database", database, "options", "-c work_mem=plenty"), ended}},
	{name: "setting that is not the user's", steps: []step{startup(3<<16, user, "database", database, "options", "-c log_statement=all"), ended}},
	{name: "options that are none", steps: []step{startup(3<<16, user, "database", database, "options", "--nonsense"), ended}},
	// With replication named there are no ready logins: one that was late would have the
	// place that another way needs.
	{name: "too many connections", steps: []step{
		loginAs(limitedUser, "database", database, "replication", "false"),
		as(1, startup(3<<16, limitedUser, "database", database, "replication", "false"), ended),
		send(terminate), ended, backendGone}}, // the next one needs the place
	{name: "replication without the right", steps: []step{startup(3<<16, user, "database", database, "replication", "true"), ended}},
	{name: "replication with a wrong value", steps: []step{startup(3<<16, user, "database", database, "replication", "perhaps"), ended}},
}

// replications are exchanges with a WAL sender.
var replications = []exchange{
	{name: "physical replication", masks: physicalMasks, steps: []step{
		loginAs(replicaUser, "replication", "true"),
		send(query("IDENTIFY_SYSTEM")), await("Z"),
		send(query("SHOW wal_level")), await("Z"),
		send(query("select 1")), await("Z"),
		startHere, await("W"), send(copyDone), await("c"), await("Z"),
		send(terminate), ended, backendGone}},
	{name: "logical replication", masks: replicationMasks, steps: []step{
		loginAs(replicaUser, "database", database, "replication", "database"),
		send(query("IDENTIFY_SYSTEM")), await("Z"),
		send(query("CREATE_REPLICATION_SLOT here TEMPORARY LOGICAL test_decoding NOEXPORT_SNAPSHOT")), await("Z"),
		send(query("select 1")), await("Z"),
		send(query("START_REPLICATION SLOT here LOGICAL 0/0 (\"include-xids\" '0', \"skip-empty-xacts\" '1')")), await("W"),
		prepare("insert into effects select n from generate_series(1, 100) n"),
		prepare("delete from effects"),
		awaitLog(2 * 102), // begin, each row, commit; twice
		send(copyDone), await("c"), await("Z"),
		send(query("IDENTIFY_SYSTEM")), await("Z"),
		send(terminate), ended, backendGone}},
	{name: "replication from the future", masks: replicationMasks, steps: []step{
		loginAs(replicaUser, "replication", "true"),
		send(query("START_REPLICATION PHYSICAL FF/0")), await("Z")}},
	{name: "client lost while it replicates", masks: physicalMasks, steps: []step{
		loginAs(replicaUser, "replication", "on"), startHere, await("W"), reset, backendGone}},
}

// startHere starts physical replication at the end of the log.
func startHere(k *talk) error {
	var at string
	if err := k.admin.QueryRow(context.Background(), "select pg_current_wal_flush_lsn()::text").Scan(&at); err != nil {
		return err
	}
	return k.do([]step{send(query("START_REPLICATION PHYSICAL " + at))})
}

// awaitLog waits for n messages of XLogData.
func awaitLog(n int) step {
	return func(k *talk) error {
		for n := n; n > 0; {
			r, err := k.peer().await("d")
			if err != nil {
				return err
			}
			if strings.HasPrefix(r.body, "w") {
				n--
			}
		}
		return nil
	}
}
