package fidelity

// sleepThenInsert has its effect some time after the client has sent its last word.
var sleepThenInsert = query("insert into effects select 1 from pg_sleep(2)")

// An insert waits while somebody holds the gate, which is opened some time after the client
// has gone.
var (
	shutGate     = prepare("select pg_advisory_lock(1)")
	insertBehind = query("insert into effects select 1 from (select pg_advisory_xact_lock(1)) gate")
	openGate     = prepare("select pg_advisory_unlock(1) from pg_sleep(1)")
)

const effects = "select count(*) from effects"

// rowCopied waits until the backend has taken a row.
var rowCopied = until("select exists (select from pg_stat_progress_copy where pid = $pid and tuples_processed > 0)")

// terminateBackend is what an administrator does.
var terminateBackend = until("select pg_terminate_backend($pid)")

// ends are exchanges in which a connection ends, by either side, in every phase.
var ends = []exchange{
	{name: "Terminate", steps: []step{login(), send(terminate), ended, backendGone}},
	{name: "Terminate behind a query", steps: []step{login(), send(query("select 1"), query("insert into effects values (1)"), terminate), ended, backendGone, sql(effects)}},
	{name: "Terminate without waiting", steps: []step{login(), send(query("insert into effects select 1 from pg_sleep(0.2)"), terminate), hangUp, backendGone, sql(effects)}},
	{name: "Terminate in a transaction", steps: []step{login(), send(query("begin; insert into effects values (1)")), await("Z"), send(terminate), ended, backendGone, sql(effects)}},
	{name: "bytes behind Terminate", steps: []step{login(), sendUntilRefused(terminate, query("insert into effects values (1)")), ended, backendGone, sql(effects)}},
	{name: "Terminate in copy in", steps: []step{login(), send(query("copy effects from stdin")), await("G"), send(copyData("1\n"), terminate), ended, backendGone, sql(effects)}},
	{name: "Terminate in the middle of copy out", steps: []step{login(), send(query("copy (select n from generate_series(1, 100000) n) to stdout"), terminate), ended, backendGone}},

	{name: "half closed, idle", steps: []step{login(), shutWriting, ended, backendGone}},
	{name: "half closed after a query", steps: []step{login(), send(query("select n from generate_series(1, 100000) n")), shutWriting, ended, backendGone}},
	{name: "half closed after a slow query", steps: []step{login(), send(sleepThenInsert), shutWriting, ended, backendGone, sql(effects)}},
	{name: "half closed after Terminate", steps: []step{login(), send(terminate), shutWriting, ended, backendGone}},
	{name: "half closed in a transaction", steps: []step{login(), send(query("begin; insert into effects values (1)")), await("Z"), shutWriting, ended, backendGone, sql(effects)}},
	{name: "half closed without Sync", steps: []step{login(), send(simple("insert into effects values (1)")), shutWriting, ended, backendGone, sql(effects)}},
	{name: "half closed in copy in", steps: []step{login(), send(query("copy effects from stdin")), await("G"), send(copyData("1\n")), shutWriting, ended, backendGone, sql(effects)}},
	{name: "half closed amid a message", steps: []step{login(), send(query("select 1")[:9]), shutWriting, ended, backendGone}},
	{name: "half closed with several Syncs in flight", steps: []step{login(), send(simple("select 1"), syncUp, simple("select 1/0"), syncUp, simple("select 2"), syncUp), shutWriting, ended, backendGone}},

	{name: "closed by the client, idle", steps: []step{login(), hangUp, backendGone}},
	{name: "closed by the client in a transaction", steps: []step{login(), send(query("begin; insert into effects values (1)")), await("Z"), hangUp, backendGone, sql(effects)}},
	{name: "closed by the client in a query", steps: []step{shutGate, login(), send(insertBehind), backendWaits("advisory"), hangUp, openGate, backendGone, sql(effects)}},
	{name: "closed by the client in copy in", steps: []step{login(), send(query("copy effects from stdin")), await("G"), send(copyData("1\n")), hangUp, backendGone, sql(effects)}},
	{name: "closed by the client amid a message", steps: []step{login(), send(query("insert into effects values (1)")[:30]), hangUp, backendGone, sql(effects)}},
	{name: "closed by the client in copy out", masks: endlessMasks, steps: []step{login(), send(query("copy (select repeat('x', 10000) from generate_series(1, 1000000)) to stdout")), await("d"), hangUp, backendGone}},

	{name: "reset by the client, idle", steps: []step{login(), reset, backendGone}},
	{name: "reset by the client in a transaction", steps: []step{login(), send(query("begin; insert into effects values (1)")), await("Z"), reset, backendGone, sql(effects)}},
	{name: "reset by the client in a query", steps: []step{shutGate, login(), send(insertBehind), backendWaits("advisory"), reset, openGate, backendGone, sql(effects)}},
	{name: "reset by the client in copy in", steps: []step{login(), send(query("copy effects from stdin")), await("G"), send(copyData("1\n")), reset, backendGone, sql(effects)}},
	{name: "reset by the client in copy out", masks: endlessMasks, steps: []step{login(), send(query("copy (select repeat('x', 10000) from generate_series(1, 1000000)) to stdout")), await("d"), reset, backendGone}},

	// A ready login that ends before its client has asked anything is replaced.
	{name: "ended by the administrator, idle", steps: []step{login(), send(query("select 1")), await("Z"), terminateBackend, ended, backendGone}},
	{name: "ended by the administrator in a query", steps: []step{login(), send(query("select pg_sleep(100)")), backendWaits("PgSleep"), terminateBackend, ended}},
	{name: "ended by the administrator in a transaction", steps: []step{login(), send(query("begin; insert into effects values (1)")), await("Z"), terminateBackend, ended, backendGone, sql(effects)}},
	{name: "ended by the administrator in copy in", steps: []step{login(), send(query("copy effects from stdin")), await("G"), send(copyData("1\n")), rowCopied, terminateBackend, ended, backendGone, sql(effects)}},
	{name: "ended by the administrator in a pipeline", steps: []step{login(), send(simple("select 1"), syncUp, simple("select pg_sleep(100)"), syncUp, simple("select 2"), syncUp), backendWaits("PgSleep"), terminateBackend, ended}},
	{name: "ended by the administrator in copy out", steps: []step{login(), send(query("copy (select n, pg_sleep(case n when 5000 then 100 else 0 end) from generate_series(1, 10000) n) to stdout")), backendWaits("PgSleep"), terminateBackend, ended}},
	{name: "ended by itself", steps: []step{login(), send(query("select pg_terminate_backend(pg_backend_pid())")), ended}},
	{name: "ended by the idle timeout", steps: []step{login("options", "-c idle_session_timeout=100ms"), ended, backendGone}},
	{name: "ended by the timeout of a transaction", steps: []step{login("options", "-c idle_in_transaction_session_timeout=100ms"), send(query("begin; insert into effects values (1)")), ended, backendGone, sql(effects)}},
	{name: "write after the end", steps: []step{login(), send(query("select 1")), await("Z"), terminateBackend, ended, sendUntilRefused(query("insert into effects values (1)")), backendGone, sql(effects)}},
}
