/** How a daemon judges the workers of another one that is gone: by what it saw of their renewals, on its own stopwatch. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { resolveJobOptions } from "../../src/daemon/core/job-options.ts";
import type { Engine } from "../../src/daemon/engine/engine.ts";
import { WorkerReaper } from "../../src/daemon/loops/worker-reaper.ts";
import { type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { twoDaemons } from "../support/two-daemons.ts";

const FN = "test:fn";
const LEASE_MS = 15_000;
const quiet = { debug() {}, info() {}, warn() {}, error() {} } as never;

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 60_000);

/** A job that runs under a worker of the first daemon, and the second daemon's reaper with a stopwatch moved by hand. */
async function gone(leaseMs: number | null) {
  const it = await twoDaemons(database);
  let elapsed = 0;
  let isAway = false;
  const store = new Proxy(it.two.store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target);
      if (isAway && name === "workers") {
        return { ...target.workers, list: () => Promise.reject(new Error("the store is away")) };
      }
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
  const engine: Engine = { ...it.two, store, clock: { now: () => it.two.store.now(), monotonic: () => elapsed } };
  const reaper = new WorkerReaper(engine, quiet, "another host");
  const jobId = await runJob(it.one, leaseMs);
  reaper.start();
  return {
    /** The state of its job after so much more time, in which the reaper looked once a second. */
    async after(ms: number): Promise<string> {
      for (const endAt = elapsed + ms; elapsed < endAt; elapsed += 1_000) await reaper.tickNow();
      await reaper.tickNow();
      const job = await it.one.store.jobs.get(jobId);
      return `${job?.state} ${job?.losses}`;
    },
    set isAway(value: boolean) {
      isAway = value;
    },
    renew: () => it.one.store.transact((tx) => tx.workers.renew("one", ["far"], LEASE_MS)),
    async [Symbol.asyncDispose]() {
      await reaper.stop();
      await it[Symbol.asyncDispose]();
    },
  };
}

/** @param leaseMs of the worker's record; null leaves it without one */
async function runJob({ store }: Engine, leaseMs: number | null): Promise<string> {
  const jobId = Bun.randomUUIDv7();
  const job = { jobId, functionName: FN, args: new Uint8Array(), parentId: null };
  const worker = { workerId: "far", nodeId: "one", host: "h", hostId: "h", pid: 1, processStart: "", client: "" };
  await store.transact(async (tx) => {
    await tx.jobs.enqueue([{ ...job, options: resolveJobOptions({}, "options").options }]);
    if (leaseMs !== null) await tx.workers.save({ ...worker, functionNames: [FN], concurrency: 1 }, leaseMs);
    await tx.jobs.claim([{ workerId: "far", functionNames: [FN], limit: 1 }]);
  });
  return jobId;
}

test("P6: it is lost a whole lease after it was last seen to renew, and not before", async () => {
  await using it = await gone(LEASE_MS);
  expect(await it.after(10_000)).toBe("RUNNING 0");
  await it.renew();
  expect(await it.after(14_000)).toBe("RUNNING 0");
  expect(await it.after(3_000)).toBe("PENDING 1");
}, 30_000);

test("P7: one whose daemon gives longer leases is not lost before the end of its own", async () => {
  await using it = await gone(40_000);
  expect(await it.after(38_000)).toBe("RUNNING 0");
  expect(await it.after(5_000)).toBe("PENDING 1");
}, 30_000);

test("a job under a worker without a record is not left running for ever", async () => {
  await using it = await gone(null);
  expect(await it.after(10_000)).toBe("RUNNING 0");
  expect(await it.after(20_000)).toBe("PENDING 1");
}, 30_000);

test("P6, P7: while the store is away nobody is lost, and after it the dead are within another lease", async () => {
  await using it = await gone(LEASE_MS);
  expect(await it.after(5_000)).toBe("RUNNING 0");
  it.isAway = true;
  expect(await it.after(60_000)).toBe("RUNNING 0");
  it.isAway = false;
  expect(await it.after(13_000)).toBe("RUNNING 0");
  expect(await it.after(4_000)).toBe("PENDING 1");
}, 30_000);
