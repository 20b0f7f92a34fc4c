import { readFileSync } from "node:fs";
import { DataTypes, QueryTypes, Sequelize } from "sequelize";
import { atOnce, BYTES, check, equal, fails, LARGE, largeRows, main, NOTICE, notAvailable, SLEEP, SLEEPS, TEXT, until } from "../harness/checks.mjs";

const connect = (settings = {}) =>
  new Sequelize(process.env.DATABASE_URL, { logging: false, pool: { max: 10 }, ...settings });
const db = connect();
const other = connect();
const rows = (sql, bind, more = {}) => db.query(sql, { bind, type: QueryTypes.SELECT, ...more });

const Kept = db.define("kept", { name: DataTypes.TEXT, photo: DataTypes.BLOB }, { timestamps: false, freezeTableName: true });
await Kept.sync();

check("connect", async () => equal(await rows("select current_user as u"), [{ u: "app_user" }]));

check("parameters", async () =>
  equal(await rows("select $1::text as a, $2::int as b, $3::float8 as c, $4::text as d", [TEXT, 42, 3.25, null]), [
    { a: TEXT, b: 42, c: 3.25, d: null },
  ]));

check("prepared", () =>
  db.transaction(async (transaction) => {
    await db.query("prepare twice (int) as select $1 * 2 as n", { transaction });
    for (let i = 0; i < 10; i++) equal(await rows(`execute twice(${i})`, undefined, { transaction }), [{ n: i * 2 }]);
  }));

check("large-result", async () => largeRows((await rows(LARGE)).map((r) => r.t)));

notAvailable("copy-in", "Sequelize has no COPY; node-postgres does it");
notAvailable("copy-out", "Sequelize has no COPY; node-postgres does it");

check("notice", async () => {
  // By itself it asks the database for warnings only.
  const talkative = connect({ dialectOptions: { clientMinMessages: "notice" } });
  const conn = await talkative.connectionManager.getConnection();
  const seen = [];
  conn.on("notice", (m) => seen.push(m.message));
  await conn.query(NOTICE);
  equal(seen, ["look here"]);
});

check("error", async () => {
  await fails(rows("select 1/0"), "22012");
  equal(await rows("select 1 as n"), [{ n: 1 }]);
});

check("transaction", async () => {
  const undone = await fails(
    db.transaction(async (transaction) => {
      await Kept.create({ id: 1 }, { transaction });
      equal(await Kept.count(), 0);
      throw new Error("undo");
    }),
  );
  equal(undone.message, "undo");
  await db.transaction(async (transaction) => {
    await Kept.create({ id: 2, name: TEXT }, { transaction });
    await fails(db.transaction({ transaction }, (inner) => rows("select * from nowhere", [], { transaction: inner })), "42P01");
  });
  equal((await Kept.findAll()).map((k) => k.name), [TEXT]);
});

check("listen", async () => {
  const conn = await db.connectionManager.getConnection();
  const heard = new Promise((resolve) => conn.on("notification", (m) => resolve(m.payload)));
  await conn.query("listen news");
  await other.query("select pg_notify('news', $1)", { bind: [TEXT] });
  equal(await heard, TEXT);
  db.connectionManager.releaseConnection(conn);
});

notAvailable("cancel", "Sequelize has no call for it");

check("binary", async () => {
  await Kept.create({ id: 3, photo: BYTES });
  equal((await Kept.findByPk(3)).photo, BYTES);
  equal(await rows("select encode(photo, 'hex') as hex from kept where id = 3"), [{ hex: BYTES.toString("hex") }]);
});

check("ten", () =>
  atOnce(async (i) => equal(await rows("select $1::int as n from pg_sleep(0.2)", [i]), [{ n: i }])));

async function encrypted(ssl) {
  const sequelize = connect({ dialectOptions: { ssl } });
  const conn = await sequelize.connectionManager.getConnection();
  return !!conn.connection.stream.encrypted;
}
check("plain", async () => equal(await encrypted(false), false));
check("tls", async () => equal(await encrypted({ rejectUnauthorized: true }), true));

check("pool", async () => {
  const one = connect({ pool: { max: 1 } });
  const pid = async () => (await one.query("select pg_backend_pid() as pid", { type: QueryTypes.SELECT }))[0].pid;
  const first = await pid();
  const end = fails(one.query(SLEEP));
  await until(async () => (await other.query(SLEEPS, { type: QueryTypes.SELECT }))[0].n > 0, "the query to run");
  await other.query("select pg_terminate_backend($1)", { bind: [first] });
  await end;
  let second;
  await until(async () => (second = await pid().catch(() => first)) !== first, "another connection");
  await other.query("select pg_terminate_backend($1)", { bind: [second] }); // while it is in the pool
  await until(async () => (await pid().catch(() => second)) !== second, "a third one");
});

main(JSON.parse(readFileSync("node_modules/sequelize/package.json")).version);
