import { readFileSync } from "node:fs";
import { PrismaPg } from "@prisma/adapter-pg";
import { PrismaClient } from "@prisma/client";
import { atOnce, BYTES, check, equal, fails, LARGE, largeRows, main, notAvailable, TEXT, until } from "../harness/checks.mjs";

const connect = (settings = {}) =>
  new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL, max: 10, ...settings }), errorFormat: "minimal" });
const db = connect(), other = connect();
const rows = (sql, ...args) => db.$queryRawUnsafe(sql, ...args);

await db.$executeRawUnsafe("create table kept (id int primary key, name text, photo bytea)");

check("connect", async () => equal(await rows("select current_user::text as u"), [{ u: "app_user" }]));

check("parameters", async () =>
  equal(await db.$queryRaw`select ${TEXT}::text as a, ${42}::int as b, ${3.25}::float8 as c, ${null}::text as d`, [
    { a: TEXT, b: 42, c: 3.25, d: null },
  ]));

check("prepared", () =>
  db.$transaction(async (tx) => {
    await tx.$executeRawUnsafe("prepare twice (int) as select $1 * 2 as n");
    for (let i = 0; i < 10; i++) equal(await tx.$queryRawUnsafe(`execute twice(${i})`), [{ n: i * 2 }]);
  }));

check("large-result", async () => largeRows((await rows(LARGE)).map((r) => r.t)));

notAvailable("copy-in", "Prisma has no COPY");
notAvailable("copy-out", "Prisma has no COPY");
notAvailable("notice", "Prisma does not show notices");

check("error", async () => {
  const e = await fails(rows("select 1/0"));
  equal(/22012|division by zero/.test(e.message), true);
  equal(await rows("select 1 as n"), [{ n: 1 }]);
});

check("transaction", async () => {
  await fails(
    db.$transaction(async (tx) => {
      await tx.kept.create({ data: { id: 1 } });
      equal(await other.kept.count(), 0);
      throw new Error("undo");
    }),
  );
  await db.$transaction(async (tx) => {
    await tx.kept.create({ data: { id: 2, name: TEXT } });
    await tx.$executeRawUnsafe("savepoint s");
    await fails(tx.$queryRawUnsafe("select * from nowhere"));
    await tx.$executeRawUnsafe("rollback to savepoint s");
  });
  equal((await other.kept.findMany()).map((k) => k.name), [TEXT]);
});

notAvailable("listen", "Prisma has no notifications");
notAvailable("cancel", "Prisma has no call for it");

check("binary", async () => {
  await db.kept.create({ data: { id: 3, photo: BYTES } });
  equal(Buffer.from((await db.kept.findUnique({ where: { id: 3 } })).photo), BYTES);
  equal(await rows("select encode(photo, 'hex') as hex from kept where id = 3"), [{ hex: BYTES.toString("hex") }]);
});

check("ten", () =>
  atOnce(async (i) => equal(await rows("select $1::int as n from pg_sleep(0.2)", i), [{ n: i }])));

check("plain", async () => equal(await connect({ ssl: false }).$queryRawUnsafe("select 1 as n"), [{ n: 1 }]));
check("tls", async () =>
  equal(await connect({ ssl: { rejectUnauthorized: true } }).$queryRawUnsafe("select 1 as n"), [{ n: 1 }])); // fails without TLS

check("pool", async () => {
  const one = connect({ max: 1 });
  const pid = async () => (await one.$queryRawUnsafe("select pg_backend_pid() as pid"))[0].pid;
  const first = await pid();
  await other.$queryRawUnsafe("select pg_terminate_backend($1::int)", first);
  await until(async () => (await pid().catch(() => first)) !== first, "another connection");
});

main(JSON.parse(readFileSync("node_modules/@prisma/client/package.json")).version);
