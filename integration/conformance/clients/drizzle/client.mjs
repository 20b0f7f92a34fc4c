import { readFileSync } from "node:fs";
import { eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { customType, integer, pgTable, text } from "drizzle-orm/pg-core";
import pg from "pg";
import { atOnce, BYTES, check, equal, fails, LARGE, largeRows, main, NOTICE, notAvailable, TEXT, until } from "../harness/checks.mjs";

// connect gives drizzle a pool of node-postgres, as its manual does.
function connect(settings = {}) {
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, ...settings });
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  return drizzle(pool);
}
const db = connect(), other = connect();
const rows = async (query, on = db) => (await on.execute(query)).rows;

const bytea = customType({ dataType: () => "bytea" });
const kept = pgTable("kept", { id: integer("id"), name: text("name"), photo: bytea("photo") });
await rows(sql`create table kept (id int, name text, photo bytea)`);

check("connect", async () => equal(await rows(sql`select current_user as u`), [{ u: "app_user" }]));

check("parameters", async () =>
  equal(await rows(sql`select ${TEXT}::text as a, ${42}::int as b, ${3.25}::float8 as c, ${null}::text as d`), [
    { a: TEXT, b: 42, c: 3.25, d: null },
  ]));

check("prepared", async () => {
  const query = db.select({ n: sql`${sql.placeholder("i")}::int * 2` }).from(sql`(values (1)) v`).prepare("twice");
  for (let i = 0; i < 10; i++) equal(await query.execute({ i }), [{ n: i * 2 }]);
});

check("large-result", async () => largeRows((await rows(sql.raw(LARGE))).map((r) => r.t)));

notAvailable("copy-in", "drizzle has no COPY; node-postgres does it");
notAvailable("copy-out", "drizzle has no COPY; node-postgres does it");

check("notice", async () => {
  const client = await db.$client.connect();
  const seen = [];
  client.on("notice", (m) => seen.push(m.message));
  await drizzle(client).execute(sql.raw(NOTICE));
  client.release();
  equal(seen, ["look here"]);
});

check("error", async () => {
  await fails(rows(sql`select 1/0`), "22012");
  equal(await rows(sql`select 1 as n`), [{ n: 1 }]);
});

check("transaction", async () => {
  await fails(
    db.transaction(async (tx) => {
      await tx.insert(kept).values({ id: 1 });
      equal(await other.select().from(kept), []);
      tx.rollback();
    }),
  );
  await db.transaction(async (tx) => {
    await tx.insert(kept).values({ id: 2, name: TEXT });
    await fails(tx.transaction((inner) => inner.execute(sql`select * from nowhere`)), "42P01");
  });
  equal(await other.select().from(kept), [{ id: 2, name: TEXT, photo: null }]);
});

check("listen", async () => {
  const client = await db.$client.connect();
  const heard = new Promise((resolve) => client.on("notification", (m) => resolve(m.payload)));
  await drizzle(client).execute(sql`listen news`);
  await other.execute(sql`select pg_notify('news', ${TEXT})`);
  equal(await heard, TEXT);
  client.release();
});

notAvailable("cancel", "drizzle has no call for it");

check("binary", async () => {
  await db.insert(kept).values({ id: 3, photo: BYTES });
  equal((await db.select().from(kept).where(eq(kept.id, 3)))[0].photo, BYTES);
  equal(await rows(sql`select encode(photo, 'hex') as hex from kept where id = 3`), [{ hex: BYTES.toString("hex") }]);
});

check("ten", () =>
  atOnce(async (i) => equal(await rows(sql`select ${i}::int as n from pg_sleep(0.2)`), [{ n: i }])));

async function encrypted(ssl) {
  const client = await connect({ ssl }).$client.connect();
  return !!client.connection.stream.encrypted;
}
check("plain", async () => equal(await encrypted(false), false));
check("tls", async () => equal(await encrypted({ rejectUnauthorized: true }), true));

check("pool", async () => {
  const one = connect({ max: 1 });
  const pid = async () => (await rows(sql`select pg_backend_pid() as pid`, one))[0].pid;
  const first = await pid();
  await rows(sql`select pg_terminate_backend(${first})`);
  await until(async () => (await pid().catch(() => first)) !== first, "another connection");
});

main(JSON.parse(readFileSync("node_modules/drizzle-orm/package.json")).version);
