/** Whoever watches at one daemon sees what every daemon does. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Job } from "../../src/daemon/core/job.ts";
import type { Engine } from "../../src/daemon/engine/engine.ts";
import { cancelJob } from "../../src/daemon/engine/jobs/cancel-job.ts";
import { enqueueJobs } from "../../src/daemon/engine/jobs/enqueue-jobs.ts";
import { watchJobs } from "../../src/daemon/engine/jobs/watch-jobs.ts";
import type { CommittedChange } from "../../src/daemon/engine/lane/change-feed.ts";
import { ClusterWatch } from "../../src/daemon/loops/cluster-watch.ts";
import { connectTestWorker, fail, SUCCEED } from "../support/engine-world.ts";
import { runSql, type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { twoDaemons } from "../support/two-daemons.ts";

const FN = "test:fn";
const quiet = { debug() {}, info() {}, warn() {}, error() {} } as never;

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 30_000);

async function watchingDaemons() {
  const it = await twoDaemons(database);
  const watch = new ClusterWatch(it.two, quiet);
  watch.start();
  return {
    ...it,
    async [Symbol.asyncDispose]() {
      await watch.stop();
      await it[Symbol.asyncDispose]();
    },
  };
}

function watching(engine: Engine) {
  const seen: CommittedChange[] = [];
  let gaps = 0;
  const watch = watchJobs(
    engine,
    { functionNames: [FN] },
    (changes) => seen.push(...changes),
    () => gaps++,
  );
  return {
    ...watch,
    seen,
    get gaps() {
      return gaps;
    },
    async until(count: number): Promise<readonly string[]> {
      const endAt = performance.now() + 10_000;
      while (seen.length < count && performance.now() < endAt) await Bun.sleep(10);
      return seen.map(({ state, attempt, error }) => `${state} ${attempt}${error === null ? "" : ` ${error.message}`}`);
    },
  };
}

async function enqueue(engine: Engine, count: number, functionName = FN): Promise<readonly string[]> {
  const args = new TextEncoder().encode("[]");
  const options = { initialDelayMs: 0, jitter: 0 };
  const item = { jobId: null, functionName, args, options, parentId: null };
  const results = await enqueueJobs(
    engine,
    Array.from({ length: count }, () => item),
  );
  return results.map((result) => (result.ok ? result.jobId : ""));
}

test("each change through one daemon is told to who watches at another, once, in order, with errors; and nothing else", async () => {
  await using it = await watchingDaemons();
  const watch = watching(it.two);
  await watch.ready;
  await enqueue(it.one, 1, "test:other");
  const [jobId] = await enqueue(it.one, 1);
  const worker = await connectTestWorker(it.one, "w");
  await worker.assignedCount(1);
  await worker.report(worker.assigned[0] as Job, fail("out of paper"));
  await worker.assignedCount(2);
  await worker.report(worker.assigned[1] as Job, SUCCEED);
  const told = ["PENDING 0", "RUNNING 1", "PENDING 1 out of paper", "RUNNING 2", "SUCCESS 2"];
  expect(await watch.until(told.length)).toEqual(told);
  const [own] = await enqueue(it.two, 1);
  await cancelJob(it.two, own as string);
  expect((await watch.until(told.length + 2)).slice(told.length)).toEqual([
    "PENDING 0",
    "CANCELLED 0 cancelled by a caller",
  ]);
  expect(new Set(watch.seen.map((change) => change.jobId))).toEqual(new Set([jobId, own] as string[]));
  watch.stop();
});

test("a commit of a thousand changes is told whole", async () => {
  await using it = await watchingDaemons();
  const watch = watching(it.two);
  await watch.ready;
  const jobIds = await enqueue(it.one, 1_000);
  await watch.until(1_000);
  expect(watch.seen.map((change) => change.jobId)).toEqual([...jobIds]);
  watch.stop();
});

test("a break in the connection that brings changes is told: who watches knows that some may be missed", async () => {
  await using it = await watchingDaemons();
  const watch = watching(it.two);
  await watch.ready;
  const before = watch.gaps;
  await runSql(
    database.url,
    "select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %' and pid <> pg_backend_pid()",
  );
  const endAt = performance.now() + 10_000;
  while (watch.gaps === before && performance.now() < endAt) await Bun.sleep(10);
  expect(watch.gaps).toBe(before + 1);
  watch.stop();
});
