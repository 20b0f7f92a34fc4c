/* The checks of libpq; integration/conformance/clients/doc.go says what is printed. */

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#define LARGE "select repeat(chr(97 + g % 26), 1000) from generate_series(1, 50000) g"
#define SLEEP "select pg_sleep(60)"
#define SLEEPS "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"

static const char text[] = "O'Reilly \\ \"quoted\" – Übergröße 東京 🐘";
static unsigned char bytes[1024];

/* Why the check under way has failed; empty while it has not. Of the main thread. */
static char why[512];

static void wrong(const char *format, ...)
{
	va_list args;
	if (*why)
		return;
	va_start(args, format);
	vsnprintf(why, sizeof why, format, args);
	va_end(args);
	for (char *c = why; *c; c++)
		if (*c == '\n')
			*c = ' ';
}

static PGconn *connect_with(const char *settings)
{
	PGconn *conn = PQconnectdb(settings); /* the rest from PG* */
	if (PQstatus(conn) != CONNECTION_OK)
		wrong("connecting: %s", PQerrorMessage(conn));
	return conn;
}

static void equal(const char *got, const char *want)
{
	if (strcmp(got, want))
		wrong("got '%.200s', want '%.200s'", got, want);
}

/* execute wants the result to have status and frees it. */
static void execute(PGconn *conn, const char *sql, ExecStatusType status)
{
	PGresult *r = PQexec(conn, sql);
	if (PQresultStatus(r) != status)
		wrong("%.100s: %s %s", sql, PQresStatus(PQresultStatus(r)), PQerrorMessage(conn));
	PQclear(r);
}

/* value wants the only value of the statement to be want. */
static void value(PGconn *conn, const char *sql, const char *want)
{
	PGresult *r = PQexec(conn, sql);
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		wrong("%.100s: %s", sql, PQerrorMessage(conn));
	else
		equal(PQgetvalue(r, 0, 0), want);
	PQclear(r);
}

static void state(PGconn *conn, const char *sql, const char *want)
{
	PGresult *r = PQexec(conn, sql);
	const char *got = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	equal(got ? got : "none", want);
	PQclear(r);
}

static bool says(PGconn *conn, const char *sql, const char *want)
{
	PGresult *r = PQexec(conn, sql);
	bool yes = PQresultStatus(r) == PGRES_TUPLES_OK && !strcmp(PQgetvalue(r, 0, 0), want);
	PQclear(r);
	return yes;
}

static void until(PGconn *conn, const char *sql, const char *want)
{
	for (time_t end = time(NULL) + 30; !says(conn, sql, want);) {
		if (time(NULL) > end) {
			wrong("waited in vain for %s to be %s", sql, want);
			return;
		}
	}
}

static void check_connect(PGconn *conn) { value(conn, "select current_user", "app_user"); }

static void check_parameters(PGconn *conn)
{
	const char *args[] = {text, "42", "3.25", NULL};
	PGresult *r = PQexecParams(conn, "select $1::text, $2::int, $3::float8, $4::text", 4, NULL, args, NULL, NULL, 0);
	for (int i = 0; i < 3; i++)
		equal(PQgetvalue(r, 0, i), args[i]);
	if (!PQgetisnull(r, 0, 3))
		wrong("the fourth is no NULL");
	PQclear(r);
}

static void check_prepared(PGconn *conn)
{
	PQclear(PQprepare(conn, "twice", "select $1::int * 2", 1, NULL));
	for (int i = 0; i < 10; i++) {
		char arg[8], want[8];
		const char *args[] = {arg};
		PGresult *r;
		snprintf(arg, sizeof arg, "%d", i);
		snprintf(want, sizeof want, "%d", i * 2);
		r = PQexecPrepared(conn, "twice", 1, args, NULL, NULL, 0);
		equal(PQgetvalue(r, 0, 0), want);
		PQclear(r);
	}
}

static void large_row(int row, const char *v)
{
	if (strlen(v) != 1000 || strspn(v, (char[]){(char)('a' + row % 26), 0}) != 1000)
		wrong("row %d is %.40s", row, v);
}

static void check_large_result(PGconn *conn)
{
	PGresult *r = PQexec(conn, LARGE);
	int n = 0;
	if (PQntuples(r) != 50000)
		wrong("%d rows", PQntuples(r));
	for (int i = 0; i < PQntuples(r); i++)
		large_row(i + 1, PQgetvalue(r, i, 0));
	PQclear(r);
	PQsendQuery(conn, LARGE);
	PQsetSingleRowMode(conn);
	while ((r = PQgetResult(conn))) {
		if (PQresultStatus(r) == PGRES_SINGLE_TUPLE)
			large_row(++n, PQgetvalue(r, 0, 0));
		PQclear(r);
	}
	if (n != 50000)
		wrong("%d single rows", n);
}

static void check_copy_in(PGconn *conn)
{
	execute(conn, "create table copied (id int)", PGRES_COMMAND_OK);
	execute(conn, "copy copied from stdin", PGRES_COPY_IN);
	for (int i = 0; i < 20000; i++) {
		char line[8];
		int n = snprintf(line, sizeof line, "%d\n", i);
		if (PQputCopyData(conn, line, n) != 1)
			wrong("PQputCopyData: %s", PQerrorMessage(conn));
	}
	PQputCopyEnd(conn, NULL);
	for (PGresult *r; (r = PQgetResult(conn)); PQclear(r))
		if (PQresultStatus(r) != PGRES_COMMAND_OK)
			wrong("COPY: %s", PQerrorMessage(conn));
	value(conn, "select sum(id) from copied", "199990000");
	execute(conn, "copy copied from stdin", PGRES_COPY_IN); /* the client's change of mind */
	PQputCopyEnd(conn, "changed my mind");
	for (PGresult *r; (r = PQgetResult(conn)); PQclear(r))
		equal(PQresultErrorField(r, PG_DIAG_SQLSTATE), "57014");
}

static void check_copy_out(PGconn *conn)
{
	char *line, want[16];
	int n = 0;
	execute(conn, "copy (select generate_series(1, 20000)) to stdout", PGRES_COPY_OUT);
	while (PQgetCopyData(conn, &line, 0) > 0) {
		snprintf(want, sizeof want, "%d\n", ++n);
		equal(line, want);
		PQfreemem(line);
	}
	if (n != 20000)
		wrong("%d lines", n);
	for (PGresult *r; (r = PQgetResult(conn)); PQclear(r))
		if (PQresultStatus(r) != PGRES_COMMAND_OK)
			wrong("COPY: %s", PQerrorMessage(conn));
}

static void take_notice(void *seen, const PGresult *r) { snprintf(seen, 64, "%s", PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY)); }

static void check_notice(PGconn *conn)
{
	char seen[64] = "";
	PQsetNoticeReceiver(conn, take_notice, seen);
	execute(conn, "do $$ begin raise notice 'look here'; end $$", PGRES_COMMAND_OK);
	equal(seen, "look here");
}

static void check_error(PGconn *conn)
{
	state(conn, "select 1/0", "22012");
	value(conn, "select 1", "1");
}

static void check_transaction(PGconn *conn)
{
	PGconn *other = connect_with("");
	execute(conn, "create table kept (id int)", PGRES_COMMAND_OK);
	execute(conn, "begin; insert into kept values (1)", PGRES_COMMAND_OK);
	value(other, "select count(*) from kept", "0");
	execute(conn, "rollback; begin; insert into kept values (2); savepoint s", PGRES_COMMAND_OK);
	state(conn, "select * from nowhere", "42P01");
	state(conn, "select 1", "25P02");
	if (PQtransactionStatus(conn) != PQTRANS_INERROR)
		wrong("transaction status %d", PQtransactionStatus(conn));
	execute(conn, "rollback to s; commit", PGRES_COMMAND_OK);
	value(other, "select array_agg(id) from kept", "{2}");
	PQfinish(other);
}

static void check_listen(PGconn *conn)
{
	PGconn *other = connect_with("");
	PGnotify *n = NULL;
	const char *args[] = {text};
	execute(conn, "listen news", PGRES_COMMAND_OK);
	PQclear(PQexecParams(other, "select pg_notify('news', $1)", 1, NULL, args, NULL, NULL, 0));
	while (!(n = PQnotifies(conn))) {
		struct pollfd p = {.fd = PQsocket(conn), .events = POLLIN};
		if (poll(&p, 1, 30000) != 1 || !PQconsumeInput(conn)) {
			wrong("no notification: %s", PQerrorMessage(conn));
			PQfinish(other);
			return;
		}
	}
	equal(n->extra, text);
	PQfreemem(n);
	PQfinish(other);
}

static void check_cancel(PGconn *conn)
{
	PGconn *other = connect_with("");
	char error[256] = "";
	PGcancel *cancel = PQgetCancel(conn);
	PQsendQuery(conn, SLEEP);
	until(other, SLEEPS, "1");
	if (!PQcancel(cancel, error, sizeof error))
		wrong("PQcancel: %s", error);
	for (PGresult *r; (r = PQgetResult(conn)); PQclear(r)) {
		const char *got = PQresultErrorField(r, PG_DIAG_SQLSTATE);
		equal(got ? got : "none", "57014");
	}
	value(conn, "select 1", "1");
	PQfreeCancel(cancel);
	PQfinish(other);
}

static void check_binary(PGconn *conn)
{
	const char *args[] = {(char *)bytes};
	PGresult *r = PQexecParams(conn, "select $1::bytea, length($1::bytea)::text", 1, NULL, args, (int[]){sizeof bytes}, (int[]){1}, 1);
	if (PQgetlength(r, 0, 0) != sizeof bytes || memcmp(PQgetvalue(r, 0, 0), bytes, sizeof bytes))
		wrong("other bytes came back: %s", PQerrorMessage(conn));
	else
		equal(PQgetvalue(r, 0, 1), "1024");
	PQclear(r);
}

static void *one_of_ten(void *arg)
{
	char sql[64], want[4];
	PGconn *conn = PQconnectdb("");
	snprintf(sql, sizeof sql, "select %d from pg_sleep(0.2)", *(int *)arg);
	snprintf(want, sizeof want, "%d", *(int *)arg);
	if (!says(conn, sql, want))
		*(int *)arg = -1;
	PQfinish(conn);
	return NULL;
}

static void check_ten(PGconn *conn)
{
	pthread_t threads[10];
	int numbers[10];
	(void)conn;
	for (int i = 0; i < 10; i++) {
		numbers[i] = i;
		pthread_create(&threads[i], NULL, one_of_ten, &numbers[i]);
	}
	for (int i = 0; i < 10; i++) {
		pthread_join(threads[i], NULL);
		if (numbers[i] != i)
			wrong("connection %d failed", i);
	}
}

static void tls(const char *settings, int want)
{
	PGconn *conn = connect_with(settings);
	if (PQsslInUse(conn) != want)
		wrong("%s: PQsslInUse is %d", settings, PQsslInUse(conn));
	value(conn, "select 1", "1");
	PQfinish(conn);
}

static void check_plain(PGconn *conn) { (void)conn; tls("sslmode=disable", 0); }
static void check_tls(PGconn *conn) { (void)conn; tls("sslmode=require", 1); }

/* libpq has no pool, but can connect anew. */
static void check_pool(PGconn *conn)
{
	PGconn *other = connect_with("");
	char sql[64];
	value(conn, "select 1", "1"); /* pgkeyless replaces one that has asked nothing yet */
	snprintf(sql, sizeof sql, "select pg_terminate_backend(%d)", PQbackendPID(conn));
	value(other, sql, "t");
	execute(conn, SLEEP, PGRES_FATAL_ERROR);
	if (PQstatus(conn) != CONNECTION_BAD)
		wrong("the connection seems good");
	PQreset(conn);
	value(conn, "select 1", "1");
	PQfinish(other);
}

/* Ten statements in a pipeline; the fifth fails, and takes those after it until
 * the next Sync. */
static void check_pipeline(PGconn *conn)
{
	PGresult *r;
	PQenterPipelineMode(conn);
	for (int i = 0; i < 10; i++) {
		PQsendQueryParams(conn, i == 4 ? "select 1/0" : "select 1", 0, NULL, NULL, NULL, NULL, 0);
		if (i == 7)
			PQpipelineSync(conn);
	}
	PQpipelineSync(conn);
	for (int i = 0; i < 10; i++) {
		ExecStatusType want = i == 4 ? PGRES_FATAL_ERROR : i > 4 && i < 8 ? PGRES_PIPELINE_ABORTED : PGRES_TUPLES_OK;
		r = PQgetResult(conn);
		if (PQresultStatus(r) != want)
			wrong("statement %d: %s, want %s", i, PQresStatus(PQresultStatus(r)), PQresStatus(want));
		PQclear(r);
		PQgetResult(conn); /* NULL, the statement's end */
		if (i == 7 || i == 9) {
			r = PQgetResult(conn);
			if (PQresultStatus(r) != PGRES_PIPELINE_SYNC)
				wrong("after statement %d: %s, want a Sync", i, PQresStatus(PQresultStatus(r)));
			PQclear(r);
		}
	}
	PQexitPipelineMode(conn);
	value(conn, "select 1", "1");
}

static const struct {
	const char *name;
	void (*run)(PGconn *);
} checks[] = {
	{"connect", check_connect},         {"parameters", check_parameters}, {"prepared", check_prepared},
	{"large-result", check_large_result}, {"copy-in", check_copy_in},       {"copy-out", check_copy_out},
	{"notice", check_notice},           {"error", check_error},           {"transaction", check_transaction},
	{"listen", check_listen},           {"cancel", check_cancel},         {"binary", check_binary},
	{"ten", check_ten},                 {"plain", check_plain},           {"tls", check_tls},
	{"pool", check_pool},               {"pipeline", check_pipeline},
};

int main(void)
{
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)i;
	printf("version %d.%d\n", PQlibVersion() / 10000, PQlibVersion() % 10000);
	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
		PGconn *conn;
		*why = 0;
		conn = connect_with("");
		if (!*why)
			checks[i].run(conn);
		PQfinish(conn);
		if (*why)
			printf("fail %s: %s\n", checks[i].name, why);
		else
			printf("ok %s\n", checks[i].name);
		fflush(stdout);
	}
	return 0;
}
