import io
import os
import sys

import pg8000

sys.path.insert(0, "../harness")
from checks import BYTES, LARGE, NOTICE, TEXT, at_once, check, equal, fails, large_rows, main, not_available


def connect(ssl=False):
    conn = pg8000.connect(
        user=os.environ["PGUSER"], host=os.environ["PGHOST"], port=int(os.environ["PGPORT"]),
        database=os.environ["PGDATABASE"], ssl=ssl,
    )
    conn.autocommit = True
    return conn


def execute(conn, sql, args=(), **how):
    cur = conn.cursor()
    cur.execute(sql, args, **how)
    return cur


def value(conn, sql, args=()):
    return execute(conn, sql, args).fetchone()[0]


@check("connect")
def _():
    equal(value(connect(), "select current_user::text"), "app_user")


@check("parameters")
def _():
    row = execute(connect(), "select cast(%s as text), cast(%s as int), cast(%s as float8), cast(%s as text)", (TEXT, 42, 3.25, None))
    equal(list(row.fetchone()), [TEXT, 42, 3.25, None])


@check("prepared")
def _():  # it prepares every statement and keeps it
    conn = connect()
    for i in range(10):
        equal(value(conn, "select cast(%s as int) * 2", (i,)), i * 2)
    equal(value(conn, "select count(*) from pg_prepared_statements where statement like '%%* 2'") > 0, True)


@check("large-result")
def _():
    conn = connect()
    conn.autocommit = False
    large_rows(execute(conn, LARGE.replace("%", "%%")))


@check("copy-in")
def _():
    conn = connect()
    execute(conn, "create table copied (id int, t text)")
    execute(conn, "copy copied from stdin csv", stream=io.BytesIO("".join(f'{i},"東,{i}"\n' for i in range(20_000)).encode()))
    equal(value(conn, "select count(*) from copied where t = '東,' || id"), 20_000)


@check("copy-out")
def _():
    out = io.BytesIO()
    execute(connect(), "copy (select g from generate_series(1, 20000) g) to stdout", stream=out)
    equal(out.getvalue(), "".join(f"{i}\n" for i in range(1, 20_001)).encode())


@check("notice")
def _():
    conn = connect()
    seen = []
    conn.NoticeReceived += seen.append
    execute(conn, NOTICE)
    equal(seen[0][b"M"], b"look here")


@check("error")
def _():
    conn = connect()
    equal("22012" in fails(pg8000.ProgrammingError, value, conn, "select 1/0").args, True)
    equal(value(conn, "select 1"), 1)


@check("transaction")
def _():
    conn, other = connect(), connect()
    execute(conn, "create table kept (id int)")
    conn.autocommit = False
    execute(conn, "insert into kept values (1)")
    equal(value(other, "select count(*) from kept"), 0)
    conn.rollback()
    execute(conn, "insert into kept values (2)")
    execute(conn, "savepoint s")
    fails(pg8000.ProgrammingError, execute, conn, "select * from nowhere")
    execute(conn, "rollback to savepoint s")
    conn.commit()
    equal(value(other, "select array_agg(id) from kept"), [2])


@check("listen")
def _():
    conn, other = connect(), connect()
    seen = []
    conn.NotificationReceived += seen.append
    execute(conn, "listen news")
    execute(other, "notify news, 'read all about it'")
    execute(conn, "select 1")  # it takes notifications that come before an answer
    equal(b"news\0read all about it" in seen[0], True)


not_available("cancel", "pg8000 has no call for it")


@check("binary")
def _():
    conn = connect()
    equal(value(conn, "select cast(%s as bytea)", (pg8000.Binary(BYTES),)), BYTES)
    equal(value(conn, "select encode(%s, 'hex')", (pg8000.Binary(BYTES),)), BYTES.hex())


@check("ten")
def _():
    at_once(lambda i: equal(value(connect(), "select cast(%s as int) from pg_sleep(0.2)", (i,)), i))


@check("plain")
def _():
    equal(type(connect(ssl=False)._usock).__name__, "socket")


@check("tls")
def _():
    equal(type(connect(ssl=True)._usock).__name__, "SSLSocket")


not_available("pool", "pg8000 has none")

main(pg8000.__version__)
