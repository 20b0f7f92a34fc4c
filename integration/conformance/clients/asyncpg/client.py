import asyncio
import io
import os
import sys

import asyncpg

sys.path.insert(0, "../harness")
import checks
from checks import BYTES, LARGE, NOTICE, SLEEP, SLEEPS, TEXT, equal, large_rows, main

connect = asyncpg.connect  # takes PG* from the environment


def check(name):
    return lambda function: checks.check(name)(lambda: asyncio.run(function()))


async def fails(kind, awaitable):
    try:
        await awaitable
    except kind as e:
        return e
    raise AssertionError("it did not fail")


@check("connect")
async def _():
    equal(await (await connect()).fetchval("select current_user"), "app_user")


@check("parameters")
async def _():
    row = await (await connect()).fetchrow("select $1::text, $2::int, $3::float8, $4::text", TEXT, 42, 3.25, None)
    equal(tuple(row), (TEXT, 42, 3.25, None))


@check("prepared")
async def _():
    statement = await (await connect()).prepare("select $1::int * 2")
    for i in range(10):
        equal(await statement.fetchval(i), i * 2)


@check("large-result")
async def _():
    conn = await connect()
    large_rows(await conn.fetch(LARGE))
    async with conn.transaction():
        large_rows([row async for row in conn.cursor(LARGE, prefetch=5000)])


@check("copy-in")
async def _():
    conn = await connect()
    await conn.execute("create table copied (id int, t text)")
    await conn.copy_records_to_table("copied", records=((i, f"{TEXT}{i}") for i in range(20_000)))
    equal(await conn.fetchval("select count(*) from copied where t = $1 || id::text", TEXT), 20_000)


@check("copy-out")
async def _():
    out = io.BytesIO()
    await (await connect()).copy_from_query("select g from generate_series(1, 20000) g", output=out)
    equal(out.getvalue(), "".join(f"{i}\n" for i in range(1, 20_001)).encode())


@check("notice")
async def _():
    conn, seen = await connect(), []
    conn.add_log_listener(lambda _, message: seen.append((message.severity, message.message)))
    await conn.execute(NOTICE)
    await conn.execute("select 1")  # listeners are called from the loop
    equal(seen, [("NOTICE", "look here")])


@check("error")
async def _():
    conn = await connect()
    equal((await fails(asyncpg.DivisionByZeroError, conn.fetchval("select 1/0"))).sqlstate, "22012")
    equal(await conn.fetchval("select 1"), 1)


@check("transaction")
async def _():
    conn, other = await connect(), await connect()
    await conn.execute("create table kept (id int)")
    tx = conn.transaction()
    await tx.start()
    await conn.execute("insert into kept values (1)")
    equal(await other.fetchval("select count(*) from kept"), 0)
    await tx.rollback()
    async with conn.transaction():
        await conn.execute("insert into kept values (2)")

        async def inner():
            async with conn.transaction():  # a savepoint
                await conn.execute("select * from nowhere")

        await fails(asyncpg.UndefinedTableError, inner())
    equal(await other.fetchval("select array_agg(id) from kept"), [2])


@check("listen")
async def _():
    conn, other = await connect(), await connect()
    heard = asyncio.get_running_loop().create_future()
    await conn.add_listener("news", lambda _conn, _pid, channel, payload: heard.set_result((channel, payload)))
    await other.execute("select pg_notify('news', $1)", TEXT)
    equal(await asyncio.wait_for(heard, 30), ("news", TEXT))


@check("cancel")
async def _():
    conn, other = await connect(), await connect()
    query = asyncio.create_task(conn.execute(SLEEP))
    await running(other)
    query.cancel()  # sends a CancelRequest
    await fails(asyncio.CancelledError, query)
    equal(await asyncio.wait_for(conn.fetchval("select 1"), 30), 1)


@check("binary")
async def _():
    conn = await connect()
    equal(await conn.fetchval("select $1::bytea", BYTES), BYTES)
    equal(await conn.fetchval("select encode($1::bytea, 'hex')", BYTES), BYTES.hex())


@check("ten")
async def _():
    async def one(i):
        equal(await (await connect()).fetchval("select $1::int from pg_sleep(0.2)", i), i)

    await asyncio.gather(*(one(i) for i in range(10)))


def in_tls(conn):
    return conn._transport.get_extra_info("cipher") is not None


@check("plain")
async def _():
    equal(in_tls(await connect(ssl="disable")), False)


@check("tls")
async def _():
    equal(in_tls(await connect(ssl="require")), True)


@check("verify")
async def _():
    env = os.environ
    url = f"postgresql://{env['PGUSER']}@localhost:{env['PGPORT']}/{env['PGDATABASE']}?sslmode=verify-full&sslrootcert="
    equal(in_tls(await asyncpg.connect(url + env["PGSSLROOTCERT"])), True)


async def running(conn):
    while not await conn.fetchval(SLEEPS):
        await asyncio.sleep(0.02)


@check("pool")
async def _():
    other = await connect()
    async with asyncpg.create_pool(min_size=1, max_size=1) as pool:
        async with pool.acquire() as conn:
            pid = conn.get_server_pid()
            query = asyncio.create_task(conn.execute(SLEEP))
            await running(other)  # this version leaks a connection that ends between two queries
            await other.execute("select pg_terminate_backend($1)", pid)
            await fails((asyncpg.PostgresError, asyncpg.InterfaceError), query)
        equal(await pool.fetchval("select 1"), 1)


main(asyncpg.__version__)
