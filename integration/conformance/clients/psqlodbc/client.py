import os
import sys

import pyodbc

sys.path.insert(0, "../harness")
from checks import BYTES, LARGE, SLEEP, SLEEPS, TEXT, at_once, check, equal, fails, large_rows, main, not_available, while_running

pyodbc.pooling = False


def connect(more="", autocommit=True):
    e = os.environ
    return pyodbc.connect(
        f"Driver={{PostgreSQL Unicode}};Server={e['PGHOST']};Port={e['PGPORT']};Database={e['PGDATABASE']};Uid={e['PGUSER']};{more}",
        autocommit=autocommit,
    )


def value(conn, sql, *args):
    return conn.execute(sql, *args).fetchone()[0]


@check("connect")
def _():
    equal(value(connect(), "select current_user"), "app_user")


@check("parameters")
def _():
    row = connect().execute("select cast(? as text), cast(? as int), cast(? as float8), cast(? as text)", TEXT, 42, 3.25, None).fetchone()
    equal(tuple(row), (TEXT, 42, 3.25, None))


@check("prepared")
def _():  # UseServerSidePrepare is the driver's default
    conn = connect()
    cur = conn.cursor()
    for i in range(10):
        equal(cur.execute("select cast(? as int) * 2", i).fetchone()[0], i * 2)
    conn.cursor().executemany("select cast(? as int)", [(i,) for i in range(10)])


@check("large-result")
def _():
    large_rows(connect("MaxLongVarcharSize=2000;").execute(LARGE))
    large_rows(connect("UseDeclareFetch=1;Fetch=5000;", autocommit=False).execute(LARGE))


not_available("copy-in", "ODBC has no COPY")
not_available("copy-out", "ODBC has no COPY")
not_available("notice", "pyodbc of this version does not show the driver's diagnostics of a success")


@check("error")
def _():
    conn = connect()
    equal(fails(pyodbc.Error, value, conn, "select 1/0").args[0], "22012")
    equal(value(conn, "select 1"), 1)


@check("transaction")
def _():
    conn, other = connect(autocommit=False), connect()
    conn.execute("create table kept (id int)")
    conn.commit()
    conn.execute("insert into kept values (1)")
    equal(value(other, "select count(*) from kept"), 0)
    conn.rollback()
    conn.execute("insert into kept values (2)")
    fails(pyodbc.ProgrammingError, conn.execute, "select * from nowhere")  # a statement rolls back alone, by default
    conn.commit()
    equal(value(other, "select max(id) from kept"), 2)


not_available("listen", "ODBC has no notifications")


@check("cancel")
def _():
    conn, other = connect(), connect()
    cur = conn.cursor()
    e = fails(pyodbc.Error, while_running, lambda: value(other, SLEEPS), cur.cancel, lambda: cur.execute(SLEEP))
    equal("canceling statement due to user request" in str(e), True)
    equal(value(conn, "select 1"), 1)


@check("binary")
def _():
    conn = connect()
    equal(value(conn, "select cast(? as bytea)", BYTES), BYTES)
    equal(value(conn, "select encode(cast(? as bytea), 'hex')", BYTES), BYTES.hex())


@check("ten")
def _():
    at_once(lambda i: equal(value(connect(), "select cast(? as int) from pg_sleep(0.2)", i), i))


@check("plain")
def _():
    equal(value(connect("SSLmode=disable;"), "select 1"), 1)


@check("tls")
def _():
    equal(value(connect("SSLmode=require;"), "select 1"), 1)


not_available("pool", "unixODBC pools only where odbcinst.ini says so")


def driver_version():
    return connect().getinfo(pyodbc.SQL_DRIVER_VER)


main(driver_version())
