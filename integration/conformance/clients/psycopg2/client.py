import io
import sys

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.pool

sys.path.insert(0, "../harness")
from checks import BYTES, LARGE, NOTICE, SLEEP, SLEEPS, TEXT, at_once, check, equal, fails, large_rows, main, until, while_running


def connect(**settings):
    return psycopg2.connect("", **settings)  # libpq takes the rest from PG*


def value(conn, sql, args=None):
    with conn.cursor() as cur:
        cur.execute(sql, args)
        return cur.fetchone()[0]


@check("connect")
def _():
    equal(value(connect(), "select current_user"), "app_user")


@check("parameters")
def _():
    with connect().cursor() as cur:
        cur.execute("select %s, %s::int, %s::numeric, %s::text", (TEXT, 42, 3.25, None))
        equal(cur.fetchone(), (TEXT, 42, 3.25, None))


@check("prepared")
def _():
    conn = connect()
    with conn.cursor() as cur:
        cur.execute("prepare twice (int) as select $1 * 2")
        for i in range(10):
            equal(value(conn, "execute twice (%s)", (i,)), i * 2)


@check("large-result")
def _():
    with connect().cursor() as cur:
        cur.execute(LARGE)
        large_rows(cur)
    with connect().cursor("on_the_server") as cur:
        cur.itersize = 5000
        cur.execute(LARGE)
        large_rows(cur)


@check("copy-in")
def _():
    with connect() as conn, conn.cursor() as cur:
        cur.execute("create table copied (id int, t text)")
        cur.copy_expert("copy copied from stdin csv", io.StringIO("".join(f'{i},"{TEXT[0]},{i}"\n' for i in range(20_000))))
        equal(value(conn, "select count(*) from copied where t = 'O,' || id"), 20_000)


@check("copy-out")
def _():
    out = io.StringIO()
    with connect().cursor() as cur:
        cur.copy_expert("copy (select g from generate_series(1, 20000) g) to stdout", out)
    equal(out.getvalue(), "".join(f"{i}\n" for i in range(1, 20_001)))


@check("notice")
def _():
    conn = connect()
    conn.cursor().execute(NOTICE)
    equal(conn.notices, ["NOTICE:  look here\n"])


@check("error")
def _():
    conn = connect()
    conn.autocommit = True
    equal(fails(psycopg2.errors.DivisionByZero, value, conn, "select 1/0").pgcode, "22012")
    equal(value(conn, "select 1"), 1)


@check("transaction")
def _():
    conn, other = connect(), connect()
    other.autocommit = True
    cur = conn.cursor()
    cur.execute("create table kept (id int)")
    conn.commit()
    cur.execute("insert into kept values (1)")
    equal(value(other, "select count(*) from kept"), 0)
    conn.rollback()
    cur.execute("insert into kept values (2)")
    cur.execute("savepoint s")
    fails(psycopg2.errors.UndefinedTable, cur.execute, "select * from nowhere")
    fails(psycopg2.errors.InFailedSqlTransaction, cur.execute, "select 1")
    cur.execute("rollback to s")
    conn.commit()
    equal(value(other, "select array_agg(id) from kept"), [2])


@check("listen")
def _():
    conn, other = connect(), connect()
    conn.autocommit = other.autocommit = True
    conn.cursor().execute("listen news")
    other.cursor().execute("select pg_notify('news', %s)", (TEXT,))
    until(lambda: conn.poll() == psycopg2.extensions.POLL_OK and conn.notifies, "the notification")
    equal((conn.notifies[0].channel, conn.notifies[0].payload), ("news", TEXT))


@check("cancel")
def _():
    conn, other = connect(), connect()
    conn.autocommit = other.autocommit = True
    fails(
        psycopg2.errors.QueryCanceled,
        while_running,
        lambda: value(other, SLEEPS),
        conn.cancel,
        lambda: value(conn, SLEEP),
    )
    equal(value(conn, "select 1"), 1)


@check("binary")
def _():
    conn = connect()
    equal(bytes(value(conn, "select %s::bytea", (psycopg2.Binary(BYTES),))), BYTES)
    equal(value(conn, "select encode(%s::bytea, 'hex')", (psycopg2.Binary(BYTES),)), BYTES.hex())


@check("ten")
def _():
    at_once(lambda i: equal(value(connect(), "select %s from pg_sleep(0.2)", (i,)), i))


@check("plain")
def _():
    equal(connect(sslmode="disable").info.ssl_in_use, False)


@check("tls")
def _():
    equal(connect(sslmode="require").info.ssl_in_use, True)


@check("pool")
def _():
    pool = psycopg2.pool.ThreadedConnectionPool(1, 3, "")
    conn, other = pool.getconn(), pool.getconn()
    equal(value(conn, "select 1"), 1)  # pgkeyless replaces one that has asked nothing yet
    equal(value(other, "select pg_terminate_backend(%s)", (conn.info.backend_pid,)), True)
    fails(psycopg2.OperationalError, lambda: [value(conn, "select pg_sleep(0.05)") for _ in range(100)])
    equal(conn.closed != 0, True)
    pool.putconn(conn)  # which throws the closed one away
    equal(value(pool.getconn(), "select 1"), 1)


@check("search-path")
def _():
    conn = connect()
    conn.autocommit = True
    conn.cursor().execute("create schema elsewhere; create table elsewhere.found as select 42 as it")
    there = connect(options="-c search_path=other,elsewhere -c statement_timeout=1234")
    equal(value(there, "select it || current_setting('statement_timeout') from found"), "421234ms")


main(psycopg2.__version__.split()[0])
