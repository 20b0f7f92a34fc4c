import io
import logging
import os
import select
import sys

import psycopg2.errors
import sqlalchemy
from sqlalchemy import Column, Integer, LargeBinary, String, create_engine, text
from sqlalchemy.exc import DataError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session, declarative_base

sys.path.insert(0, "../harness")
from checks import BYTES, LARGE, NOTICE, SLEEP, SLEEPS, TEXT, at_once, check, equal, fails, large_rows, main, while_running


def engine(**settings):
    return create_engine(os.environ["DATABASE_URL"], **settings)


E = engine(isolation_level="AUTOCOMMIT", pool_size=12)


def value(sql, conn=None, **args):
    if conn is None:
        with E.connect() as conn:
            return value(sql, conn, **args)
    return conn.execute(text(sql), args).scalar()


Base = declarative_base()


class Kept(Base):
    __tablename__ = "kept"
    id = Column(Integer, primary_key=True)
    name = Column(String)
    photo = Column(LargeBinary)


Base.metadata.create_all(E)


@check("connect")
def _():
    equal(value("select current_user"), "app_user")


@check("parameters")
def _():
    with E.connect() as conn:
        row = conn.execute(text("select :a, :b, cast(:c as float), :d"), {"a": TEXT, "b": 42, "c": 3.25, "d": None}).one()
    equal(tuple(row), (TEXT, 42, 3.25, None))


@check("prepared")
def _():
    with E.connect() as conn:
        conn.execute(text("prepare twice (int) as select $1 * 2"))
        for i in range(10):
            equal(value("execute twice (:i)", conn, i=i), i * 2)


@check("large-result")
def _():
    with E.connect() as conn:
        large_rows(conn.execute(text(LARGE)))
    with engine().connect().execution_options(stream_results=True) as conn:  # a cursor on the server
        large_rows(conn.execute(text(LARGE)).yield_per(5000))


@check("copy-in")
def _():
    value("create table copied (id int); select 1")
    raw = E.raw_connection()
    raw.cursor().copy_expert("copy copied from stdin", io.StringIO("".join(f"{i}\n" for i in range(20_000))))
    raw.close()
    equal(value("select sum(id) from copied"), 199_990_000)


@check("copy-out")
def _():
    out, raw = io.StringIO(), E.raw_connection()
    raw.cursor().copy_expert("copy (select g from generate_series(1, 20000) g) to stdout", out)
    raw.close()
    equal(out.getvalue(), "".join(f"{i}\n" for i in range(1, 20_001)))


@check("notice")
def _():
    seen = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())
    log = logging.getLogger("sqlalchemy.dialects.postgresql")  # where the dialect puts them
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    with E.connect() as conn:
        conn.execute(text(NOTICE))
    equal(seen, ["NOTICE:  look here"])


@check("error")
def _():
    with E.connect() as conn:
        equal(fails(DataError, value, "select 1/0", conn).orig.pgcode, "22012")
        equal(value("select 1", conn), 1)


@check("transaction")
def _():
    with Session(engine()) as session:
        session.add(Kept(id=1))
        session.flush()
        equal(value("select count(*) from kept"), 0)
        session.rollback()
        session.add(Kept(id=2, name=TEXT))
        session.flush()

        def inner():
            with session.begin_nested():
                session.execute(text("select * from nowhere"))

        fails(ProgrammingError, inner)
        session.commit()
        equal(session.query(Kept).one().name, TEXT)


@check("listen")
def _():
    with E.connect() as conn:
        conn.execute(text("listen news"))
        with E.connect() as other:
            other.execute(text("select pg_notify('news', :t)"), {"t": TEXT})
        driver = conn.connection.connection
        equal(len(select.select([driver], [], [], 30)[0]), 1)
        driver.poll()
        equal(driver.notifies[0].payload, TEXT)


@check("cancel")
def _():
    with E.connect() as conn:
        driver = conn.connection.connection
        e = fails(OperationalError, while_running, lambda: value(SLEEPS), driver.cancel, lambda: value(SLEEP, conn))
        equal(type(e.orig), psycopg2.errors.QueryCanceled)
        equal(value("select 1", conn), 1)


@check("binary")
def _():
    with Session(engine()) as session:
        session.add(Kept(id=3, photo=BYTES))
        session.commit()
        equal(bytes(session.get(Kept, 3).photo), BYTES)
    equal(value("select encode(photo, 'hex') from kept where id = 3"), BYTES.hex())


@check("ten")
def _():
    at_once(lambda i: equal(value("select :i from pg_sleep(0.2)", i=i), i))


def in_tls(mode):
    with engine(connect_args={"sslmode": mode}).connect() as conn:
        return conn.connection.connection.info.ssl_in_use


@check("plain")
def _():
    equal(in_tls("disable"), False)


@check("tls")
def _():
    equal(in_tls("require"), True)


@check("pool")
def _():
    pooled = engine(pool_size=1, max_overflow=0, pool_pre_ping=True)
    with pooled.connect() as conn:
        pid = value("select pg_backend_pid()", conn)
    value("select pg_terminate_backend(:pid)", pid=pid)
    with pooled.connect() as conn:  # pinged first
        equal(value("select pg_backend_pid()", conn) != pid, True)
        value("select pg_terminate_backend(:pid)", pid=value("select pg_backend_pid()", conn))
        fails(OperationalError, value, SLEEP, conn)
    with pooled.connect() as conn:  # invalidated by the error
        equal(value("select 1", conn), 1)


@check("search-path")
def _():
    value("create schema elsewhere; create table elsewhere.found as select 42 as it; select 1")
    with engine(connect_args={"options": "-c search_path=other,elsewhere -c statement_timeout=1234"}).connect() as conn:
        equal(value("select it || current_setting('statement_timeout') from found", conn), "421234ms")


main(sqlalchemy.__version__)
