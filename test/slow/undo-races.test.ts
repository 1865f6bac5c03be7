/** Two daemons on one database that end, undo and retry the same job in the same moment. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Job } from "../../src/daemon/core/job.ts";
import { applyHint } from "../../src/daemon/engine/cluster/follow-other-daemons.ts";
import type { Engine } from "../../src/daemon/engine/engine.ts";
import { cancelJob } from "../../src/daemon/engine/jobs/cancel-job.ts";
import { enqueueJobs } from "../../src/daemon/engine/jobs/enqueue-jobs.ts";
import { retryJob } from "../../src/daemon/engine/jobs/retry-job.ts";
import { recordCheckpoints } from "../../src/daemon/engine/workflows/record-checkpoints.ts";
import { connectTestWorker, fail, type TestWorker } from "../support/engine-world.ts";
import { type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { Gate, twoDaemons } from "../support/two-daemons.ts";

const FN = "test:fn";
const ORDER = { seq: 1, asked: 1, op: 7, alone: true, prompt: true, beside: false, undo: true, endedAttempt: false };
const soon = () => Bun.sleep(150);

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 60_000);

/** A job at a worker of this daemon, which takes no other, with a step that can be undone. */
async function begun(engine: Engine): Promise<{ readonly worker: TestWorker; readonly job: Job }> {
  const worker = await connectTestWorker(engine, "w", { concurrency: 1 });
  const args = new TextEncoder().encode("[]");
  await enqueueJobs(engine, [{ jobId: null, functionName: FN, args, options: {}, parentId: null }]);
  await worker.assignedCount(1);
  worker.session.isDraining = true;
  const job = worker.assigned[0] as Job;
  const { jobId, leaseToken } = job;
  const report = { jobId, leaseToken, name: "a", kind: "step", value: null, error: null, order: ORDER } as const;
  await new Promise((resolve) => recordCheckpoints(engine, worker.session, [report], resolve));
  return { worker, job };
}

test("a job that is cancelled through one daemon while it fails through another has one undo job", async () => {
  for (const held of ["one", "two"] as const) {
    const gate = new Gate("workflows.storeUndoJobs");
    await using it = await twoDaemons(database, { [held]: gate });
    const { worker, job } = await begun(it.one);
    const acts = {
      one: () => worker.report(job, fail("no", true)),
      two: () => cancelJob(it.two, job.jobId),
    };
    // The one has ended the job and has not committed; the other finds it as it was.
    const first = acts[held]();
    await gate.reached.promise;
    const second = acts[held === "one" ? "two" : "one"]();
    await soon();
    gate.release.resolve();
    await Promise.all([first, second]);
    expect((await it.one.store.jobs.get(job.jobId))?.state).toBe(held === "one" ? "DEAD" : "CANCELLED");
    expect(await it.two.store.workflows.listUndoJobs([job.jobId])).toHaveLength(1);
  }
}, 60_000);

test("of a job and what was to undo it, both cancelled, one is retried when both are in the same moment", async () => {
  const gate = new Gate("workflows.listUndoJobs");
  await using it = await twoDaemons(database, { one: gate });
  const { job } = await begun(it.one);
  await cancelJob(it.two, job.jobId);
  const [undo] = await it.two.store.workflows.listUndoJobs([job.jobId]);
  await cancelJob(it.two, undo!.jobId);
  const retrying = retryJob(it.one, job.jobId);
  await gate.reached.promise;
  const undoing = retryJob(it.two, undo!.jobId);
  await soon();
  gate.release.resolve();
  const results = await Promise.allSettled([retrying, undoing]);
  expect(results.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
}, 60_000);

test("another daemon is told of the undo job at once, and gives it to a worker of its own", async () => {
  await using it = await twoDaemons(database);
  const { worker, job } = await begun(it.one);
  const other = await connectTestWorker(it.two, "other");
  const listener = await it.two.store.cluster.listen((hint) => void applyHint(it.two, hint));
  await worker.report(job, fail("no", true));
  await other.assignedCount(1);
  await listener.stop();
  expect(other.assigned[0]).toMatchObject({ undoOf: job.jobId });
  expect(other.replayed).toMatchObject([{ ofUndone: true, checkpoint: { name: "a" } }]);
}, 60_000);
