/** The fast path for a commit that only stores jobs must have the same effect as the general path, or none at all. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import postgres from "postgres";
import { createPostgresStore } from "../../src/daemon/storage/postgres/postgres-store.ts";
import type { StoreHint } from "../../src/daemon/storage/seam/cluster.ts";
import type { NewJob } from "../../src/daemon/storage/seam/jobs.ts";
import type { Store } from "../../src/daemon/storage/seam/store.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { FUNCTION, type JobInput, newJob, newJobId, type StoreWorld } from "./store-world.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 60_000);

let schemas = 0;

async function openWorld(daemons = 1) {
  const schema = `alone_${++schemas}`;
  const url = `${database.url}?schema=${schema}`;
  const stores = await Promise.all(Array.from({ length: daemons }, () => createPostgresStore({ url, readers: 1 })));
  const sql = postgres(database.url, { max: 1, onnotice: () => {}, connection: { search_path: schema } });
  return {
    sql,
    store: stores[0]!,
    other: stores.at(-1)!,
    async [Symbol.asyncDispose]() {
      await Promise.all([sql.end(), ...stores.map((store) => store.close())]);
    },
  };
}

const now = { clock: new ManualClock(Date.now()) } as StoreWorld;
const job = (input: JobInput = {}): NewJob => newJob(now, input);
const alone = (store: Store, items: readonly NewJob[]) => store.jobs.insertInOneStatement!(items);
const enqueue = (store: Store, items: readonly NewJob[]) =>
  store.transact((tx) => tx.jobs.enqueue(items), { readsTimeLate: true });

const KINDS: readonly JobInput[] = [
  {},
  { priority: 7, maxAttempts: 9, backoff: "linear", initialDelayMs: 5, maxDelayMs: 50, jitter: 0, timeoutMs: 0 },
  { delayMs: 60_000, startWithinMs: 1_500, finishWithinMs: 90_000 },
  { runAt: Date.now() + 3_600_000 },
  { runAt: 1_000, headers: { traceparent: '00-"\\-\x00\x10-01', tenant: "ü" } },
  { functionName: "test:other", headers: { a: "1" } },
];

test("what is stored alone is what a transaction stores: every column, readiness, counters", async () => {
  await using it = await openWorld();
  const inputs = [...KINDS, ...KINDS, ...KINDS];
  const [short, long] = [inputs.map((input) => job(input)), inputs.map((input) => job(input))];
  const stored = await alone(it.store, short);
  const outcomes = await enqueue(it.store, long);
  expect(stored?.outcomes.map((outcome) => ({ ...outcome, jobId: "" }))).toEqual(
    outcomes.map((outcome) => ({ ...outcome, jobId: "" })),
  );
  const rows = async (items: readonly NewJob[]) => {
    const found =
      await it.sql`select *, created_at as at from jobs where id = any (${items.map((one) => one.jobId)}::uuid[])`;
    return items.map(({ jobId }) => relativeTo(found.find((row) => row["id"] === jobId)!));
  };
  expect(await rows(short)).toEqual(await rows(long));
  const counts = await it.store.jobs.count();
  expect(counts.find((one) => one.functionName === FUNCTION)).toMatchObject({ state: "PENDING", count: 30 });
  expect(counts.find((one) => one.functionName === "test:other")).toMatchObject({ state: "PENDING", count: 6 });
});

/** Without id; times as lengths, but for dates that were given. */
function relativeTo(row: Record<string, unknown>): Record<string, unknown> {
  const { id: _, at, ...rest } = row;
  const since = (value: unknown) => (value === null ? null : Number(value) - Number(at));
  const isDate = [1_000, KINDS[3]!.runAt].includes(Number(rest["run_at"]));
  const run_at = isDate ? rest["run_at"] : since(rest["run_at"]);
  const times = { start_by: since(rest["start_by"]), finish_by: since(rest["finish_by"]) };
  return { ...rest, ...times, created_at: 0, run_at, deadline_at: since(rest["deadline_at"]) };
}

test("P2: one id that is taken undoes all of it, and the transaction that follows finds the job", async () => {
  await using it = await openWorld();
  const first = job();
  expect(await alone(it.store, [first])).toMatchObject({
    outcomes: [{ kind: "stored", jobId: first.jobId, ready: true }],
  });
  const batch = [job(), first, job()];
  expect(await alone(it.store, batch)).toBeNull();
  expect(await it.store.jobs.count()).toEqual([{ functionName: FUNCTION, state: "PENDING", count: 1 }]);
  expect((await enqueue(it.store, batch)).map(({ kind }) => kind)).toEqual(["stored", "repeated", "stored"]);
  const twice = job();
  expect(await alone(it.store, [twice, twice])).toBeNull();
});

test("what needs more than one statement is left to a transaction, and nothing of it happens", async () => {
  await using it = await openWorld();
  const anHourAgo = { ...job(), jobId: newJobId(Date.now() - 3_600_000) };
  const many = Array.from({ length: 17 }, (_, priority) => job({ priority }));
  for (const items of [[job({ idempotencyKey: "k" })], [anHourAgo], many, [{ ...job(), jobId: "'}); drop" }]]) {
    expect(await alone(it.store, [job(), ...items])).toBeNull();
  }
  expect(await it.store.jobs.count()).toEqual([]);
});

test("a server's clock that was set meanwhile is found out before anything is stored", async () => {
  await using it = await openWorld();
  await it.sql.unsafe(`create or replace function now_ms() returns bigint language sql stable
    as 'select floor(extract(epoch from pg_catalog.transaction_timestamp()) * 1000)::bigint + 3600000'`);
  expect(await alone(it.store, [job()])).toBeNull();
  expect(await it.store.jobs.count()).toEqual([]);
});

test("another daemon is told of the functions that have jobs to claim, and each change while somebody watches there", async () => {
  await using it = await openWorld(2);
  const heard: StoreHint[] = [];
  const listener = await it.other.cluster.listen((hint) => void heard.push(hint));
  const until = async (matches: (hint: StoreHint) => boolean): Promise<void> => {
    for (const end = Date.now() + 10_000; !heard.some(matches); await Bun.sleep(5))
      expect(Date.now()).toBeLessThan(end);
  };
  const tells = (name: string) => (hint: StoreHint) =>
    hint.functionNames !== "any" && hint.functionNames.includes(name);
  expect(await alone(it.store, [job(), job({ functionName: "test:later", delayMs: 60_000 })])).not.toBeNull();
  await until(tells(FUNCTION));
  expect(heard.some(tells("test:later"))).toBe(false);
  await listener.wantChanges(true);
  const watched = job({ functionName: "test:watched" });
  expect(await alone(it.store, [watched])).toBeNull();
  await enqueue(it.store, [watched]);
  await until((hint) => hint.changes?.some(({ jobId }) => jobId === watched.jobId) === true);
  await listener.stop();
});
