import sys

import psycopg
import psycopg.errors
import psycopg_pool

sys.path.insert(0, "../harness")
from checks import BYTES, LARGE, NOTICE, SLEEP, SLEEPS, TEXT, at_once, check, equal, fails, large_rows, main, while_running


def connect(conninfo="", **settings):
    return psycopg.connect(conninfo, autocommit=True, **settings)


def value(conn, sql, args=None, **how):
    return conn.execute(sql, args, **how).fetchone()[0]


@check("connect")
def _():
    equal(value(connect(), "select current_user"), "app_user")


@check("parameters")
def _():
    row = connect().execute("select %s::text, %s, %b::numeric, %s::text", (TEXT, 42, 3.25, None)).fetchone()
    equal(row, (TEXT, 42, 3.25, None))


@check("prepared")
def _():
    conn = connect()
    for i in range(10):
        equal(value(conn, "select %s::int * 2", (i,), prepare=True), i * 2)
    equal(value(conn, "select count(*) from pg_prepared_statements"), 1)


@check("large-result")
def _():
    large_rows(connect().execute(LARGE))
    large_rows(connect().cursor().stream(LARGE))  # row by row


@check("copy-in")
def _():
    conn = connect()
    conn.execute("create table copied (id int, t text)")
    with conn.cursor().copy("copy copied from stdin (format binary)") as copy:
        copy.set_types(["int4", "text"])
        for i in range(20_000):
            copy.write_row((i, f"{TEXT}{i}"))
    equal(value(conn, "select count(*) from copied where t = %s || id", (TEXT,)), 20_000)


@check("copy-out")
def _():
    with connect().cursor().copy("copy (select g from generate_series(1, 20000) g) to stdout") as copy:
        equal(b"".join(copy), "".join(f"{i}\n" for i in range(1, 20_001)).encode())


@check("notice")
def _():
    conn, seen = connect(), []
    conn.add_notice_handler(lambda d: seen.append((d.severity, d.message_primary)))
    conn.execute(NOTICE)
    equal(seen, [("NOTICE", "look here")])


@check("error")
def _():
    conn = connect()
    equal(fails(psycopg.errors.DivisionByZero, value, conn, "select 1/0").sqlstate, "22012")
    with conn.pipeline() as pipeline:
        good = conn.execute("select 1")
        pipeline.sync()
        bad = conn.execute("select nonsense")
        equal(good.fetchone()[0], 1)
        fails(psycopg.errors.UndefinedColumn, bad.fetchone)
    equal(value(conn, "select 1"), 1)


@check("transaction")
def _():
    conn, other = connect(), connect()
    conn.execute("create table kept (id int)")
    with conn.transaction():
        conn.execute("insert into kept values (1)")
        equal(value(other, "select count(*) from kept"), 0)
        raise psycopg.Rollback
    with conn.transaction():
        conn.execute("insert into kept values (2)")

        def inner():
            with conn.transaction():  # a savepoint
                conn.execute("select * from nowhere")

        fails(psycopg.errors.UndefinedTable, inner)
    equal(value(other, "select array_agg(id) from kept"), [2])


@check("listen")
def _():
    conn, other = connect(), connect()
    conn.execute("listen news")
    other.execute("select pg_notify('news', %s)", (TEXT,))
    n = next(conn.notifies())
    equal((n.channel, n.payload), ("news", TEXT))


@check("cancel")
def _():
    conn, other = connect(), connect()
    fails(psycopg.errors.QueryCanceled, while_running, lambda: value(other, SLEEPS), conn.cancel, lambda: value(conn, SLEEP))
    equal(value(conn, "select 1"), 1)


@check("binary")
def _():
    conn = connect()
    equal(value(conn, "select %b::bytea", (BYTES,), binary=True), BYTES)
    equal(value(conn, "select encode(%b::bytea, 'hex')", (BYTES,)), BYTES.hex())


@check("ten")
def _():
    at_once(lambda i: equal(value(connect(), "select %s from pg_sleep(0.2)", (i,)), i))


@check("plain")
def _():
    equal(connect(sslmode="disable").pgconn.ssl_in_use, False)


@check("tls")
def _():
    equal(connect(sslmode="require").pgconn.ssl_in_use, True)


@check("pool")
def _():
    with psycopg_pool.ConnectionPool("", min_size=1, max_size=2) as pool:

        def broken():
            with pool.connection() as conn:
                equal(value(conn, "select 1"), 1)  # pgkeyless replaces one that has asked nothing yet
                connect().execute("select pg_terminate_backend(%s)", (conn.info.backend_pid,))
                for _ in range(100):
                    value(conn, "select pg_sleep(0.02)")

        fails(psycopg.OperationalError, broken)
        with pool.connection() as conn:
            equal(value(conn, "select 1"), 1)


main(psycopg.__version__)
