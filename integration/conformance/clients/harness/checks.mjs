// What the programs of Node clients share: they add checks and call main.
// integration/conformance/clients/doc.go says what is printed.

import assert from "node:assert/strict";

export const ROWS = 50_000, WIDTH = 1_000; // 50 MB
export const LARGE = `select repeat(chr(97 + g % 26), ${WIDTH}) as t from generate_series(1, ${ROWS}) g`;
export const TEXT = "O'Reilly \\ \"quoted\" – Übergröße 東京 🐘";
export const BYTES = Buffer.from(Array.from({ length: 1024 }, (_, i) => i % 256));
export const SLEEP = "select pg_sleep(60)";
export const SLEEPS =
  "select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
export const NOTICE = "do $$ begin raise notice 'look here'; end $$";

const checks = [];
const only = (process.env.CHECKS ?? "").split(" ").filter(Boolean);

export function check(name, run) {
  if (only.length === 0 || only.includes(name)) checks.push([name, run]);
}

export function notAvailable(name, why) {
  check(name, why);
}

export const equal = assert.deepEqual;

// fails returns the error that the promise must end with.
export async function fails(promise, code) {
  let e;
  try {
    await promise;
  } catch (error) {
    e = error;
  }
  assert(e, "it did not fail");
  if (code) equal(sqlstate(e), code);
  return e;
}

// sqlstate looks beneath the wrapping of query builders.
function sqlstate(e) {
  for (; e; e = e.cause ?? e.original ?? e.driverError) if (/^[0-9A-Z]{5}$/.test(e.code)) return e.code;
}

// until waits for condition, 30 s at most.
export async function until(condition, what) {
  const end = Date.now() + 30_000;
  while (!(await condition())) {
    assert(Date.now() < end, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function atOnce(run) {
  return Promise.all(Array.from({ length: 10 }, (_, i) => run(i)));
}

// largeRow looks at the row'th value of LARGE, from 1.
export function largeRow(row, value) {
  assert(value === String.fromCharCode(97 + (row % 26)).repeat(WIDTH), `row ${row} is ${value.slice(0, 40)}`);
}

export function largeRows(values) {
  equal(values.length, ROWS);
  values.forEach((value, i) => largeRow(i + 1, value));
}

export async function main(version) {
  console.log("version", version);
  for (const [name, run] of checks) {
    if (typeof run === "string") {
      console.log(`n/a ${name}: ${run}`);
      continue;
    }
    try {
      await run();
      console.log("ok", name);
    } catch (e) {
      console.error(e.stack ?? e);
      console.log(`fail ${name}: ${String(e?.message ?? e).split(/\s+/).join(" ").slice(0, 300)}`);
    }
  }
  process.exit(0); // whatever connections are still open
}
