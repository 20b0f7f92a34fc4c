import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import pg from "pg";
import copy from "pg-copy-streams";
import QueryStream from "pg-query-stream";
import {
  atOnce, BYTES, check, equal, fails, LARGE, largeRow, largeRows, main, NOTICE, ROWS, SLEEP, SLEEPS, TEXT, until,
} from "../harness/checks.mjs";

async function connect(settings = {}) {
  const client = new pg.Client(settings); // takes PG* from the environment
  client.on("error", () => {});
  await client.connect();
  return client;
}

async function value(client, text, values) {
  const { rows } = await client.query({ text, values, rowMode: "array" });
  return rows[0][0];
}

check("connect", async () => equal(await value(await connect(), "select current_user"), "app_user"));

check("parameters", async () => {
  const client = await connect();
  const { rows } = await client.query({
    text: "select $1::text, $2::int, $3::float8, $4::text", values: [TEXT, 42, 3.25, null], rowMode: "array",
  });
  equal(rows[0], [TEXT, 42, 3.25, null]);
});

check("prepared", async () => {
  const client = await connect();
  for (let i = 0; i < 10; i++) {
    const { rows } = await client.query({ name: "twice", text: "select $1::int * 2 as n", values: [i] });
    equal(rows, [{ n: i * 2 }]);
  }
  equal(await value(client, "select count(*)::int from pg_prepared_statements"), 1);
});

check("large-result", async () => {
  const client = await connect();
  largeRows((await client.query(LARGE)).rows.map((r) => r.t));
  let n = 0;
  for await (const row of client.query(new QueryStream(LARGE, [], { batchSize: 1000 }))) largeRow(++n, row.t);
  equal(n, ROWS);
});

check("copy-in", async () => {
  const client = await connect();
  await client.query("create table copied (id int)");
  const lines = Readable.from(Array.from({ length: 20_000 }, (_, i) => `${i}\n`));
  await pipeline(lines, client.query(copy.from("copy copied from stdin")));
  equal(await value(client, "select sum(id)::int from copied"), 199_990_000);
});

check("copy-out", async () => {
  const client = await connect();
  let out = "";
  for await (const chunk of client.query(copy.to("copy (select g from generate_series(1, 20000) g) to stdout"))) out += chunk;
  equal(out, Array.from({ length: 20_000 }, (_, i) => `${i + 1}\n`).join(""));
});

check("notice", async () => {
  const client = await connect();
  const seen = [];
  client.on("notice", (m) => seen.push(m.message));
  await client.query(NOTICE);
  equal(seen, ["look here"]);
});

check("error", async () => {
  const client = await connect();
  await fails(client.query("select 1/0"), "22012");
  equal(await value(client, "select 1"), 1);
});

check("transaction", async () => {
  const client = await connect(), other = await connect();
  await client.query("create table kept (id int)");
  await client.query("begin; insert into kept values (1)");
  equal(await value(other, "select count(*)::int from kept"), 0);
  await client.query("rollback");
  await client.query("begin; insert into kept values (2); savepoint s");
  await fails(client.query("select * from nowhere"), "42P01");
  await fails(client.query("select 1"), "25P02");
  await client.query("rollback to s; commit");
  equal(await value(other, "select array_agg(id) from kept"), [2]);
});

check("listen", async () => {
  const client = await connect(), other = await connect();
  const heard = new Promise((resolve) => client.on("notification", (m) => resolve([m.channel, m.payload])));
  await client.query("listen news");
  await other.query("select pg_notify('news', $1)", [TEXT]);
  equal(await heard, ["news", TEXT]);
});

// The client sends CancelRequests by a second Client, told host and port as a
// pool of old did.
check("cancel", async () => {
  const client = await connect(), other = await connect();
  const query = new pg.Query(SLEEP);
  const ended = fails(new Promise((resolve, reject) => query.on("end", resolve).on("error", reject)), "57014");
  client.query(query);
  await until(async () => (await value(other, SLEEPS)) > 0, "the query to run");
  new pg.Client().cancel(client, query);
  await ended;
  equal(await value(client, "select 1"), 1);
});

check("binary", async () => {
  const client = await connect();
  equal(await value(client, "select $1::bytea", [BYTES]), BYTES);
  equal(await value(client, "select encode($1::bytea, 'hex')", [BYTES]), BYTES.toString("hex"));
});

check("ten", () =>
  atOnce(async (i) => equal(await value(await connect(), "select $1::int from pg_sleep(0.2)", [i]), i)));

check("plain", async () => equal((await connect({ ssl: false })).connection.stream.encrypted, undefined));

check("tls", async () =>
  equal((await connect({ ssl: { rejectUnauthorized: true } })).connection.stream.encrypted, true));

const VERIFYING = ["sslmode=prefer", "sslmode=require", "sslmode=verify-ca", "sslmode=verify-full", "ssl=true"];

function url(host, setting) {
  const { PGUSER, PGPORT, PGDATABASE } = process.env;
  return `postgresql://${PGUSER}@${host}:${PGPORT}/${PGDATABASE}?${setting}`;
}

// The rows of docs/clients.md on this client: settings with which it verifies, with
// the CA of NODE_EXTRA_CA_CERTS and, in a process of its own, without.
check("verify", async () => {
  for (const setting of [...VERIFYING, "sslmode=no-verify"]) {
    for (const host of ["localhost", "127.0.0.1"]) {
      const client = await connect({ connectionString: url(host, setting) });
      const { encrypted, authorized } = client.connection.stream;
      equal([setting, encrypted, authorized], [setting, true, true]);
      await client.end();
    }
  }
  const without = `
    import pg from "pg";
    for (const connectionString of process.argv.slice(1)) {
      const client = new pg.Client({ connectionString });
      client.on("error", () => {});
      console.log(await client.connect().then(() => "connected", (e) => e.message));
      await client.end().catch(() => {});
    }`;
  const urls = [...VERIFYING, "sslmode=no-verify", "sslmode=disable"].map((setting) => url("localhost", setting));
  const { NODE_EXTRA_CA_CERTS, ...env } = process.env;
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", without, ...urls], { env, encoding: "utf8" });
  equal(said.trim().split("\n"), [...VERIFYING.map(() => "unable to verify the first certificate"), "connected", "connected"]);
});

check("pool", async () => {
  const pool = new pg.Pool({ max: 1 });
  pool.on("error", () => {});
  const client = await pool.connect();
  client.on("error", () => {});
  equal(await value(client, "select 1"), 1); // pgkeyless replaces one that has asked nothing yet
  await (await connect()).query("select pg_terminate_backend($1)", [client.processID]);
  const e = await fails(client.query(SLEEP));
  client.release(e);
  equal(await value(pool, "select 1"), 1);
  const idle = await value(pool, "select pg_backend_pid()");
  await (await connect()).query("select pg_terminate_backend($1)", [idle]); // while it is in the pool
  await until(() => pool.totalCount === 0, "the pool to drop it");
  equal(await value(pool, "select 1"), 1);
});

check("search-path", async () => {
  await (await connect()).query("create schema elsewhere; create table elsewhere.found as select 42 as it");
  const there = await connect({ options: "-c search_path=other,elsewhere", statement_timeout: 1234 });
  equal(await value(there, "select it || current_setting('statement_timeout') from found"), "421234ms");
});

main(createRequire(import.meta.url)("pg/package.json").version);
