/** "Why is it not running?": each thing that holds a job back is named. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { resolveJobOptions } from "../../../src/daemon/core/job-options.ts";
import type { Engine } from "../../../src/daemon/engine/engine.ts";
import { explainJob } from "../../../src/daemon/engine/explain/explain-job.ts";
import { moveDueJobs } from "../../../src/daemon/engine/jobs/move-due-jobs.ts";
import { createPostgresStore } from "../../../src/daemon/storage/postgres/postgres-store.ts";
import { createEngineWorld, fail } from "../../support/engine-world.ts";
import { type TestDatabase, testDatabase } from "../../support/postgres-database.ts";

const FUNCTION = "test:fn";

async function blockersOf(engine: Engine, jobId: string): Promise<readonly string[]> {
  return (await explainJob(engine, jobId)).blockers.map(({ kind, message }) => `${kind}: ${message}`);
}

describe("a pending job", () => {
  test("of a function that nobody serves names those that are served", async () => {
    await using world = await createEngineWorld();
    const jobId = await world.enqueue(FUNCTION);
    expect(await blockersOf(world.engine, jobId)).toEqual([
      "no_worker: no connected worker serves test:fn; no worker is connected",
    ]);
    await world.connect("other", { functionNames: ["test:b", "test:a"] });
    expect(await blockersOf(world.engine, jobId)).toEqual([
      "no_worker: no connected worker serves test:fn; connected workers serve test:a, test:b",
    ]);
  });

  test("behind busy workers says how many slots there are", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w", { concurrency: 2 });
    for (let n = 0; n < 2; n++) await world.enqueue(FUNCTION);
    await worker.assignedCount(2);
    expect(await blockersOf(world.engine, await world.enqueue(FUNCTION))).toEqual([
      "workers_busy: all 2 slots of the worker that serves test:fn are busy; start another worker, or raise its concurrency",
    ]);
  });

  test("behind the limit of the daemon says which", async () => {
    await using world = await createEngineWorld({ maxConcurrent: 1 });
    const worker = await world.connect("w");
    await world.enqueue(FUNCTION);
    await worker.assignedCount(1);
    expect(await blockersOf(world.engine, await world.enqueue(FUNCTION))).toEqual([
      "daemon_limit: the daemon is running 1 jobs, which is its limit; raise --max-concurrent (RESEOLIO_MAX_CONCURRENT)",
    ]);
  });

  test("between attempts says until when, and the last error", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w");
    const jobId = await world.enqueue(FUNCTION, { options: { initialDelayMs: 60_000, jitter: 0 } });
    await worker.assignedCount(1);
    await worker.report(worker.assigned[0]!, fail("out of paper"));
    expect(await blockersOf(world.engine, jobId)).toEqual([
      "backoff: it is waiting for its next attempt until 2026-01-01T00:01:00.000Z, in 60 s, after 1 of 3 failures; the last error was Error: out of paper",
    ]);
  });

  test("whose records do not fit its code names the record and what to do, and uses up no attempt", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w");
    const jobId = await world.enqueue(FUNCTION);
    await worker.assignedCount(1);
    const mismatch = 'step "pay" is recorded, the handler asks for "ship"';
    await worker.report(worker.assigned[0]!, { kind: "release", started: true, mismatch });
    expect(await world.read(jobId)).toMatchObject({
      state: "PENDING",
      failures: 0,
      error: { reason: "replay_mismatch" },
    });
    expect(await blockersOf(world.engine, jobId)).toEqual([
      'mismatch: its records do not match its code: step "pay" is recorded, the handler asks for "ship"; it is waiting until ' +
        "2026-01-01T00:00:01.000Z, in 1 s: deploy code that matches; the job then continues by itself and has lost no attempt",
    ]);
    world.clock.advance(1_000);
    await moveDueJobs(world.engine);
    await worker.assignedCount(2);
    expect(worker.assigned[1]).toMatchObject({ attempt: 2, failures: 0, losses: 0 });
  });

  test("that is delayed and has no worker names both", async () => {
    await using world = await createEngineWorld();
    const jobId = await world.enqueue(FUNCTION, { options: { delayMs: 5_000 } });
    expect((await explainJob(world.engine, jobId)).blockers.map((one) => one.kind)).toEqual(["delayed", "no_worker"]);
  });
});

describe("workers of other daemons on the same database", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase();
  }, 120_000);
  afterAll(() => database[Symbol.asyncDispose](), 60_000);

  test("count: they serve the function, until all their slots are busy", async () => {
    await using world = await createEngineWorld();
    await using store = closing(await createPostgresStore({ url: `${database.url}?schema=explain` }));
    const engine: Engine = { ...world.engine, store: store.store };
    const job = { jobId: Bun.randomUUIDv7(), functionName: FUNCTION, args: new Uint8Array(), parentId: null };
    const other = { jobId: Bun.randomUUIDv7(), functionName: FUNCTION, args: new Uint8Array(), parentId: null };
    const { options } = resolveJobOptions({}, "options");
    world.clock.jumpTo(Date.now() + 1_000);
    await store.store.transact((tx) => tx.jobs.enqueue([{ ...job, options }]), { readsTimeLate: true });
    expect(await blockersOf(engine, job.jobId)).toHaveLength(1);

    const worker = { workerId: "far", nodeId: "another", host: "h", hostId: "h", pid: 1, processStart: "", client: "" };
    await store.store.transact((tx) =>
      tx.workers.save({ ...worker, functionNames: [FUNCTION], concurrency: 1 }, 15_000),
    );
    expect(await blockersOf(engine, job.jobId)).toEqual([]);

    await store.store.transact((tx) => tx.jobs.claim([{ workerId: "far", functionNames: [FUNCTION], limit: 1 }]));
    await store.store.transact((tx) => tx.jobs.enqueue([{ ...other, options }]), { readsTimeLate: true });
    expect((await explainJob(engine, other.jobId)).blockers.map((one) => one.kind)).toEqual(["workers_busy"]);
  }, 120_000);
});

function closing<T extends { close(): Promise<void> }>(store: T): AsyncDisposable & { readonly store: T } {
  return { store, [Symbol.asyncDispose]: () => store.close() };
}
