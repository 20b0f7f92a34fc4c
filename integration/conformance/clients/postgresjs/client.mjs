import { readFileSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import postgres from "postgres";
import {
  atOnce, BYTES, check, equal, fails, LARGE, largeRow, largeRows, main, NOTICE, ROWS, SLEEP, SLEEPS, TEXT, until,
} from "../harness/checks.mjs";

// connect makes a pool of one connection; settings come from PG*.
const connect = (settings = {}) => postgres({ max: 1, onnotice() {}, ...settings });
const other = connect();

check("connect", async () => equal([...(await connect()`select current_user as u`)], [{ u: "app_user" }]));

check("parameters", async () => {
  const [row] = await connect()`select ${TEXT}::text as a, ${42}::int as b, ${3.25}::float8 as c, ${null}::text as d`;
  equal({ ...row }, { a: TEXT, b: 42, c: 3.25, d: null });
});

check("prepared", async () => {
  const sql = connect();
  for (let i = 0; i < 10; i++) equal((await sql`select ${i}::int * 2 as n`)[0].n, i * 2);
  equal((await sql`select count(*)::int as n from pg_prepared_statements where statement like 'select $1::int * 2%'`)[0].n, 1);
});

check("large-result", async () => {
  const sql = connect();
  largeRows((await sql.unsafe(LARGE)).map((r) => r.t));
  let n = 0;
  for await (const rows of sql.unsafe(LARGE).cursor(1000)) for (const row of rows) largeRow(++n, row.t);
  equal(n, ROWS);
});

check("copy-in", async () => {
  const sql = connect();
  await sql`create table copied (id int)`;
  await pipeline(Readable.from(Array.from({ length: 20_000 }, (_, i) => `${i}\n`)), await sql`copy copied from stdin`.writable());
  equal((await sql`select sum(id)::int as n from copied`)[0].n, 199_990_000);
});

check("copy-out", async () => {
  let out = "";
  for await (const chunk of await connect()`copy (select g from generate_series(1, 20000) g) to stdout`.readable()) out += chunk;
  equal(out, Array.from({ length: 20_000 }, (_, i) => `${i + 1}\n`).join(""));
});

check("notice", async () => {
  const seen = [];
  await connect({ onnotice: (n) => seen.push(n.message) }).unsafe(NOTICE);
  equal(seen, ["look here"]);
});

check("error", async () => {
  const sql = connect();
  await fails(sql`select 1/0`, "22012");
  equal((await sql`select 1 as n`)[0].n, 1);
});

check("transaction", async () => {
  const sql = connect();
  await sql`create table kept (id int)`;
  const undone = await fails(
    sql.begin(async (tx) => {
      await tx`insert into kept values (1)`;
      equal((await other`select count(*)::int as n from kept`)[0].n, 0);
      throw new Error("undo");
    }),
  );
  equal(undone.message, "undo");
  await sql.begin(async (tx) => {
    await tx`insert into kept values (2)`;
    await fails(tx.savepoint((sp) => sp`select * from nowhere`), "42P01");
  });
  equal([...(await other`select id from kept`)], [{ id: 2 }]);
});

check("listen", async () => {
  const sql = connect();
  let heard;
  const payload = new Promise((resolve) => (heard = resolve));
  await sql.listen("news", heard); // on a connection of its own
  await other.notify("news", TEXT);
  equal(await payload, TEXT);
});

check("cancel", async () => {
  const sql = connect();
  const query = sql.unsafe(SLEEP).execute();
  const ended = fails(query, "57014");
  await until(async () => (await other.unsafe(SLEEPS))[0].n > 0, "the query to run");
  query.cancel();
  await ended;
  equal((await sql`select 1 as n`)[0].n, 1);
});

check("binary", async () => {
  const [row] = await connect()`select ${BYTES}::bytea as b, encode(${BYTES}::bytea, 'hex') as hex`;
  equal(row.b, BYTES);
  equal(row.hex, BYTES.toString("hex"));
});

check("ten", async () => {
  const sql = connect({ max: 10 });
  await atOnce(async (i) => equal((await sql`select ${i}::int as n from pg_sleep(0.2)`)[0].n, i));
});

check("plain", async () => equal((await connect({ ssl: false })`select 1 as n`)[0].n, 1));
check("tls", async () => equal((await connect({ ssl: "require" })`select 1 as n`)[0].n, 1)); // fails without TLS

check("pool", async () => {
  const sql = connect();
  const [{ pid }] = await sql`select pg_backend_pid() as pid`;
  await other`select pg_terminate_backend(${pid})`;
  await until(async () => {
    try {
      return (await sql`select pg_backend_pid() as pid`)[0].pid !== pid;
    } catch {
      return false; // the end itself
    }
  }, "another connection");
});

main(JSON.parse(readFileSync("node_modules/postgres/package.json")).version);
