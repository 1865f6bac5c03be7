/**
 * Two daemons of which one parks a job while the other makes what it waits for happen. Each sees only what the other has
 * committed: held open where it hurts, a job would wait for ever when a lock is missing.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { NewWait } from "../../src/daemon/core/checkpoint.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import type { Engine } from "../../src/daemon/engine/engine.ts";
import { cancelJob } from "../../src/daemon/engine/jobs/cancel-job.ts";
import { enqueueJobs } from "../../src/daemon/engine/jobs/enqueue-jobs.ts";
import { moveDueJobs } from "../../src/daemon/engine/jobs/move-due-jobs.ts";
import { emitEvent } from "../../src/daemon/engine/workflows/emit-event.ts";
import { connectTestWorker, SUCCEED, type TestWorker } from "../support/engine-world.ts";
import { type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { Gate, twoDaemons } from "../support/two-daemons.ts";

const PAYLOAD = new TextEncoder().encode('"here"');

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 60_000);

const soon = () => Bun.sleep(150);
const awaitsEvent: NewWait = { name: "wait", kind: "event", eventName: "e", timeoutMs: null };

async function enqueue(engine: Engine, functionName: string): Promise<string> {
  const args = new TextEncoder().encode("[]");
  const [result] = await enqueueJobs(engine, [{ jobId: null, functionName, args, options: {}, parentId: null }]);
  if (result?.ok !== true) throw result?.error ?? new Error("no result");
  return result.jobId;
}

/** A job that runs on a worker of its own through this daemon. */
async function running(engine: Engine, workerId: string): Promise<{ readonly worker: TestWorker; readonly job: Job }> {
  const functionName = `test:${workerId}`;
  await enqueue(engine, functionName);
  const worker = await connectTestWorker(engine, workerId, { functionNames: [functionName] });
  await worker.assignedCount(1);
  return { worker, job: worker.assigned[0] as Job };
}

function park(worker: TestWorker, job: Job, ...waits: readonly NewWait[]) {
  return worker.report(job, { kind: "park", waits, waitingNames: waits.map(({ name }) => name) });
}

/** Woken, and claimed again by its worker if that is of this daemon. */
async function expectWoken(engine: Engine, jobId: string): Promise<void> {
  await moveDueJobs(engine);
  const { state } = (await engine.store.jobs.get(jobId)) as Job;
  expect(["PENDING", "RUNNING"]).toContain(state);
  const { checkpoints } = await engine.store.workflows.listCheckpoints({
    ...{ jobId, sinceToken: null, afterName: null, maxBytes: 1_000 },
  });
  expect(checkpoints).toMatchObject([{ name: "wait", timedOut: false }]);
}

test("P13: an event that one daemon emits while another parks a job for it wakes the job", async () => {
  const gate = new Gate("events.emit");
  await using it = await twoDaemons(database, { one: gate });
  const { worker, job } = await running(it.two, "w");
  const emitting = emitEvent(it.one, "e", PAYLOAD);
  await gate.reached.promise;
  const parking = park(worker, job, awaitsEvent);
  await soon();
  gate.release.resolve();
  expect(await emitting).toMatchObject({ created: true });
  expect(await parking).toBe("accepted");
  await expectWoken(it.two, job.jobId);
});

test("P13: the same when the park is first and has not committed", async () => {
  const gate = new Gate("workflows.park");
  await using it = await twoDaemons(database, { two: gate });
  const { worker, job } = await running(it.two, "w");
  const parking = park(worker, job, awaitsEvent);
  await gate.reached.promise;
  const emitting = emitEvent(it.one, "e", PAYLOAD);
  await soon();
  gate.release.resolve();
  expect(await parking).toBe("accepted");
  expect(await emitting).toMatchObject({ created: true, woken: 1 });
  await expectWoken(it.two, job.jobId);
});

test("P14: a job whose end one daemon is committing while another parks its parent wakes the parent", async () => {
  const gate = new Gate("jobs.applyTransitions");
  await using it = await twoDaemons(database, { one: gate });
  const child = await running(it.one, "child");
  const parent = await running(it.two, "parent");
  const ending = child.worker.report(child.job, SUCCEED);
  await gate.reached.promise;
  const parking = park(parent.worker, parent.job, { name: "wait", kind: "job", awaitedJobId: child.job.jobId });
  await soon();
  gate.release.resolve();
  expect(await ending).toBe("accepted");
  expect(await parking).toBe("accepted");
  await expectWoken(it.two, parent.job.jobId);
});

test("P14: the same when the park is first and has not committed", async () => {
  const gate = new Gate("workflows.park");
  await using it = await twoDaemons(database, { two: gate });
  const child = await running(it.one, "child");
  const parent = await running(it.two, "parent");
  const parking = park(parent.worker, parent.job, { name: "wait", kind: "job", awaitedJobId: child.job.jobId });
  await gate.reached.promise;
  const ending = child.worker.report(child.job, SUCCEED);
  await soon();
  gate.release.resolve();
  expect(await parking).toBe("accepted");
  expect(await ending).toBe("accepted");
  await expectWoken(it.two, parent.job.jobId);
});

test("P12: a sleep that one daemon ends while another parks the job for it anew wakes the job", async () => {
  const gate = new Gate("workflows.endDueWaits");
  await using it = await twoDaemons(database, { one: gate });
  const { worker, job } = await running(it.two, "w");
  // Parked for two things and woken by the other one, it comes back to its sleep.
  const sleep: NewWait = { name: "wait", kind: "sleep", sleepMs: 300 };
  await park(worker, job, sleep, { ...awaitsEvent, name: "other" });
  await emitEvent(it.two, "e", PAYLOAD);
  await worker.assignedCount(2);
  await Bun.sleep(350);
  const moving = moveDueJobs(it.one);
  await gate.reached.promise;
  const parking = worker.report(worker.assigned[1] as Job, { kind: "park", waits: [], waitingNames: ["wait"] });
  await soon();
  gate.release.resolve();
  await moving;
  expect(await parking).toBe("accepted");
  const { state } = (await it.two.store.jobs.get(job.jobId)) as Job;
  expect(["PENDING", "RUNNING"]).toContain(state);
});

test("P13: an event that one daemon emits while another cancels the job that waits ends in no deadlock", async () => {
  const gate = new Gate("events.emit");
  await using it = await twoDaemons(database, { one: gate });
  const { worker, job } = await running(it.two, "w");
  await park(worker, job, awaitsEvent);
  const emitting = emitEvent(it.one, "e", PAYLOAD);
  await gate.reached.promise;
  const cancelling = cancelJob(it.two, job.jobId);
  await soon();
  gate.release.resolve();
  await emitting;
  expect((await cancelling).cancelled).toBe(true);
  expect((await it.two.store.jobs.get(job.jobId))?.state).toBe("CANCELLED");
});
