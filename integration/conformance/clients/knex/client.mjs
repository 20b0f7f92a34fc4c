import { readFileSync } from "node:fs";
import knex from "knex";
import { atOnce, BYTES, check, equal, fails, LARGE, largeRows, main, NOTICE, notAvailable, SLEEP, SLEEPS, TEXT, until } from "../harness/checks.mjs";

const connect = (settings = {}, pool = { max: 10 }) =>
  knex({ client: "pg", connection: { connectionString: process.env.DATABASE_URL, ...settings }, pool });
const db = connect(), other = connect();
const rows = async (sql, args = []) => (await db.raw(sql, args)).rows;

await db.schema.createTable("kept", (t) => {
  t.integer("id");
  t.text("name");
  t.binary("photo");
});

check("connect", async () => equal(await rows("select current_user as u"), [{ u: "app_user" }]));

check("parameters", async () =>
  equal(await rows("select ?::text as a, ?::int as b, ?::float8 as c, ?::text as d", [TEXT, 42, 3.25, null]), [
    { a: TEXT, b: 42, c: 3.25, d: null },
  ]));

check("prepared", () =>
  db.transaction(async (tx) => {
    await tx.raw("prepare twice (int) as select $1 * 2 as n");
    for (let i = 0; i < 10; i++) equal((await tx.raw(`execute twice(${i})`)).rows, [{ n: i * 2 }]);
  }));

check("large-result", async () => largeRows((await rows(LARGE)).map((r) => r.t)));

notAvailable("copy-in", "knex has no COPY; node-postgres does it");
notAvailable("copy-out", "knex has no COPY; node-postgres does it");

check("notice", async () => {
  const conn = await db.client.acquireConnection();
  const seen = [];
  conn.on("notice", (m) => seen.push(m.message));
  await db.raw(NOTICE).connection(conn);
  await db.client.releaseConnection(conn);
  equal(seen, ["look here"]);
});

check("error", async () => {
  await fails(rows("select 1/0"), "22012");
  equal(await rows("select 1 as n"), [{ n: 1 }]);
});

check("transaction", async () => {
  await fails(
    db.transaction(async (tx) => {
      await tx("kept").insert({ id: 1 });
      equal(await other("kept").select(), []);
      throw new Error("undo");
    }),
  );
  await db.transaction(async (tx) => {
    await tx("kept").insert({ id: 2, name: TEXT });
    await fails(tx.transaction((inner) => inner("nowhere").select()), "42P01");
  });
  equal(await other("kept").select("id", "name"), [{ id: 2, name: TEXT }]);
});

check("listen", async () => {
  const conn = await db.client.acquireConnection();
  const heard = new Promise((resolve) => conn.on("notification", (m) => resolve(m.payload)));
  await db.raw("listen news").connection(conn);
  await other.raw("select pg_notify('news', ?)", [TEXT]);
  equal(await heard, TEXT);
  await db.client.releaseConnection(conn);
});

// knex cancels by pg_cancel_backend on another connection of its pool.
check("cancel", async () => {
  const e = await fails(db.raw(SLEEP).timeout(500, { cancel: true }));
  equal(e.name, "KnexTimeoutError");
  await until(async () => (await rows(SLEEPS))[0].n === 0, "the query to end");
  equal(await rows("select 1 as n"), [{ n: 1 }]);
});

check("binary", async () => {
  await db("kept").insert({ id: 3, photo: BYTES });
  equal((await db("kept").where({ id: 3 }).first()).photo, BYTES);
  equal(await rows("select encode(photo, 'hex') as hex from kept where id = 3"), [{ hex: BYTES.toString("hex") }]);
});

check("ten", () =>
  atOnce(async (i) => equal(await rows("select ?::int as n from pg_sleep(0.2)", [i]), [{ n: i }])));

async function encrypted(ssl) {
  const conn = await connect({ ssl }).client.acquireConnection();
  return !!conn.connection.stream.encrypted;
}
check("plain", async () => equal(await encrypted(false), false));
check("tls", async () => equal(await encrypted({ rejectUnauthorized: true }), true));

check("pool", async () => {
  const one = connect({}, { min: 0, max: 1 });
  const pid = async () => (await one.raw("select pg_backend_pid() as pid")).rows[0].pid;
  const first = await pid();
  await other.raw("select pg_terminate_backend(?)", [first]);
  await until(async () => (await pid().catch(() => first)) !== first, "another connection");
});

main(JSON.parse(readFileSync("node_modules/knex/package.json")).version);
