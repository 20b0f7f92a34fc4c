import { readFileSync } from "node:fs";
import { DataSource, EntitySchema } from "typeorm";
import { atOnce, BYTES, check, equal, fails, LARGE, largeRows, main, NOTICE, notAvailable, TEXT, until } from "../harness/checks.mjs";

const Kept = new EntitySchema({
  name: "kept",
  columns: {
    id: { type: Number, primary: true },
    name: { type: "text", nullable: true },
    photo: { type: "bytea", nullable: true },
  },
});

const connect = (settings = {}) =>
  new DataSource({ type: "postgres", url: process.env.DATABASE_URL, entities: [Kept], poolErrorHandler() {}, ...settings }).initialize();
const db = await connect({ synchronize: true });
const other = await connect();

check("connect", async () => equal(await db.query("select current_user as u"), [{ u: "app_user" }]));

check("parameters", async () =>
  equal(await db.query("select $1::text as a, $2::int as b, $3::float8 as c, $4::text as d", [TEXT, 42, 3.25, null]), [
    { a: TEXT, b: 42, c: 3.25, d: null },
  ]));

check("prepared", () =>
  db.transaction(async (tx) => {
    await tx.query("prepare twice (int) as select $1 * 2 as n");
    for (let i = 0; i < 10; i++) equal(await tx.query(`execute twice(${i})`), [{ n: i * 2 }]);
  }));

check("large-result", async () => largeRows((await db.query(LARGE)).map((r) => r.t)));

notAvailable("copy-in", "TypeORM has no COPY; node-postgres does it");
notAvailable("copy-out", "TypeORM has no COPY; node-postgres does it");

// The driver's connection, which TypeORM gives away.
async function borrowed(use) {
  const runner = db.createQueryRunner();
  try {
    await use(await runner.connect(), runner);
  } finally {
    await runner.release();
  }
}

check("notice", () =>
  borrowed(async (client, runner) => {
    const seen = [];
    client.on("notice", (m) => seen.push(m.message));
    await runner.query(NOTICE);
    equal(seen, ["look here"]);
  }));

check("error", async () => {
  await fails(db.query("select 1/0"), "22012");
  equal(await db.query("select 1 as n"), [{ n: 1 }]);
});

check("transaction", async () => {
  await fails(
    db.transaction(async (tx) => {
      await tx.insert(Kept, { id: 1 });
      equal(await other.manager.count(Kept), 0);
      throw new Error("undo");
    }),
  );
  await db.transaction(async (tx) => {
    await tx.insert(Kept, { id: 2, name: TEXT });
    await fails(tx.transaction((inner) => inner.query("select * from nowhere")), "42P01");
  });
  equal((await other.manager.find(Kept)).map((k) => k.name), [TEXT]);
});

check("listen", () =>
  borrowed(async (client, runner) => {
    const heard = new Promise((resolve) => client.on("notification", (m) => resolve(m.payload)));
    await runner.query("listen news");
    await other.query("select pg_notify('news', $1)", [TEXT]);
    equal(await heard, TEXT);
  }));

notAvailable("cancel", "TypeORM has no call for it");

check("binary", async () => {
  await db.manager.insert(Kept, { id: 3, photo: BYTES });
  equal((await db.manager.findOneBy(Kept, { id: 3 })).photo, BYTES);
  equal(await db.query("select encode(photo, 'hex') as hex from kept where id = 3"), [{ hex: BYTES.toString("hex") }]);
});

check("ten", () =>
  atOnce(async (i) => equal(await db.query("select $1::int as n from pg_sleep(0.2)", [i]), [{ n: i }])));

async function encrypted(ssl) {
  const client = await (await connect({ ssl })).driver.master.connect();
  return !!client.connection.stream.encrypted;
}
check("plain", async () => equal(await encrypted(false), false));
check("tls", async () => equal(await encrypted({ rejectUnauthorized: true }), true));

check("pool", async () => {
  const one = await connect({ poolSize: 1 });
  const pid = async () => (await one.query("select pg_backend_pid() as pid"))[0].pid;
  const first = await pid();
  await other.query("select pg_terminate_backend($1)", [first]);
  await until(async () => (await pid().catch(() => first)) !== first, "another connection");
});

main(JSON.parse(readFileSync("node_modules/typeorm/package.json")).version);
