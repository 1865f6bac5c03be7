/** A database of the version before records had an order: its jobs go on, and are told from those that come. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { decide } from "../../src/daemon/core/job-machine.ts";
import { resolveJobOptions } from "../../src/daemon/core/job-options.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import { checkDatabase, copyDatabase, migrateDatabase } from "../../src/daemon/database.ts";
import { openStore } from "../../src/daemon/storage/open-store.ts";
import type { Store } from "../../src/daemon/storage/seam/store.ts";
import { type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { storePreviousVersion, unpackPreviousVersion } from "../support/previous-version.ts";
import { tempDir } from "../support/temp-dir.ts";

const CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };

let database: TestDatabase;
let schemas = 0;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 60_000);

const STORES = ["SQLite", "PostgreSQL"] as const;

/** The database of the previous version in a store of this kind; `url` of a fresh place too. */
async function previous(kind: (typeof STORES)[number]) {
  const directory = await tempDir();
  const path = directory.file("jobs.db");
  await unpackPreviousVersion(path);
  const schema = () => `${database.url}?schema=previous_${++schemas}`;
  const url = kind === "SQLite" ? path : schema();
  if (kind === "PostgreSQL") await storePreviousVersion(path, url);
  const fresh = kind === "SQLite" ? () => `sqlite://${directory.file(`fresh-${++schemas}.db`)}` : schema;
  return { url, fresh, schema, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

async function onStore<T>(url: string, work: (store: Store) => Promise<T>): Promise<T> {
  const { store } = await openStore(url, { clock: CLOCK });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

async function jobsOf(store: Store): Promise<ReadonlyMap<string, Job>> {
  const { jobs } = await store.jobs.list({ filter: {}, limit: 100, before: null });
  return new Map(jobs.map((job) => [job.functionName, job]));
}

for (const kind of STORES) {
  describe(`a database of the previous version on ${kind}`, () => {
    test("P20: becomes one of this version, sound, with all its records as they were", async () => {
      await using place = await previous(kind);
      expect(await migrateDatabase(place.url)).toMatchObject({ from: 3, to: 6 });
      expect((await checkDatabase(place.url)).problems).toEqual([]);
      await onStore(place.url, async (store) => {
        const jobs = await jobsOf(store);
        expect([...jobs].map(([name, { state }]) => `${name} ${state}`).sort()).toEqual([
          "fixture:branches SUSPENDED",
          "fixture:caught SUSPENDED",
          "fixture:caught-child SUSPENDED",
          "fixture:child SUSPENDED",
          "fixture:failing-child DEAD",
          "fixture:parent SUSPENDED",
          "fixture:retrying PENDING",
          "fixture:running RUNNING",
          "fixture:sleeper SUSPENDED",
          "fixture:waiter SUSPENDED",
        ]);
        const caught = await store.workflows.listRecords(jobs.get("fixture:caught")!.jobId, 10);
        expect(caught.map(({ name, kind: what, error, order }) => [name, what, error?.message, order])).toEqual([
          ["charge", "step", "no charge", null],
          ["refund", "step", undefined, null],
        ]);
        expect(await store.workflows.findOrdered([...jobs.values()].map((job) => job.jobId))).toEqual(new Set());
      });
    });

    test("its jobs are told from those that are enqueued from now on, also in a copy; a fresh one has none of them", async () => {
      await using place = await previous(kind);
      const before = Date.now();
      const since = await onStore(place.url, async (store) => {
        const jobs = [...(await jobsOf(store)).values()];
        expect(jobs.every((job) => job.createdAt < store.orderedSince)).toBe(true);
        const jobId = Bun.randomUUIDv7();
        const { options } = resolveJobOptions({}, "options");
        const item = { jobId, functionName: "fixture:sleeper", args: new TextEncoder().encode("[]"), options };
        await store.transact((tx) => tx.jobs.enqueue([{ ...item, parentId: null }]));
        expect((await store.jobs.get(jobId))!.createdAt).toBeGreaterThanOrEqual(store.orderedSince);
        return store.orderedSince;
      });
      expect(since).toBeGreaterThanOrEqual(before - 1_000);
      expect(await onStore(place.url, async (store) => store.orderedSince)).toBe(since);
      for (const target of [place.fresh(), place.schema()]) {
        await copyDatabase(place.url, target, {});
        expect(await onStore(target, async (store) => store.orderedSince)).toBe(since);
      }
      expect(await onStore(place.fresh(), async (store) => store.orderedSince)).toBe(0);
    });

    test("what its parked jobs wait for wakes them, and is recorded without an order", async () => {
      await using place = await previous(kind);
      await onStore(place.url, async (store) => {
        const jobs = await jobsOf(store);
        const [waiter, parent, child] = ["waiter", "parent", "child"].map((name) => jobs.get(`fixture:${name}`)!);
        const payload = new TextEncoder().encode("1");
        const woken = await store.transact(async (tx) => {
          const emitted = await tx.events.emit([{ name: "fixture:paid", payload }], 10);
          const due = await tx.workflows.endDueWaits(100);
          await tx.jobs.applyTransitions([
            decide(child!, { kind: "cancel", reason: "cancelled" }, { maxLosses: 10 }, 0)!,
          ]);
          return [...emitted.flatMap((one) => one.woken), ...due.woken, ...(await tx.workflows.takeAwaiters())];
        });
        expect(woken.map(({ job }) => job.functionName).sort()).toEqual([
          ...["fixture:caught", "fixture:caught-child", "fixture:parent", "fixture:sleeper", "fixture:waiter"],
        ]);
        for (const job of [waiter!, parent!]) {
          const records = await store.workflows.listRecords(job.jobId, 10);
          expect(records.map(({ order, error }) => [order, error])).toEqual(records.map(() => [null, null]));
          expect(records).toHaveLength(2);
        }
      });
    });
  });
}

test("migrating a file adds a page for each new table and index and changes no row, and programs that have it open see that", async () => {
  await using place = await previous("SQLite");
  using other = new Database(place.url);
  const pages = () => other.query("pragma page_count").values()[0]![0] as number;
  expect(other.query("select * from checkpoints limit 1").all()).not.toEqual([expect.objectContaining({ gate: null })]);
  const before = pages();
  await migrateDatabase(place.url);
  expect(pages()).toBeLessThanOrEqual(before + 7);
  expect(other.query("select * from checkpoints limit 1").all()).toEqual([
    expect.objectContaining({ gate: null, op: null }),
  ]);
  expect(other.query("pragma integrity_check").values()).toEqual([["ok"]]);
});
