/**
 * Two daemons of which one parks or ends a job while the other sends it a signal. Each sees only what the other has
 * committed: held open where it hurts, a signal would be lost when a lock is missing.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { NewWait } from "../../src/daemon/core/checkpoint.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import type { Engine } from "../../src/daemon/engine/engine.ts";
import { enqueueJobs } from "../../src/daemon/engine/jobs/enqueue-jobs.ts";
import { moveDueJobs } from "../../src/daemon/engine/jobs/move-due-jobs.ts";
import { deleteEvent } from "../../src/daemon/engine/workflows/delete-event.ts";
import { emitEvent } from "../../src/daemon/engine/workflows/emit-event.ts";
import { sendSignal } from "../../src/daemon/engine/workflows/send-signal.ts";
import { connectTestWorker, SUCCEED, type TestWorker } from "../support/engine-world.ts";
import { type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { Gate, twoDaemons } from "../support/two-daemons.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 60_000);

/** Long enough for the other daemon to come to where it waits. */
const soon = () => Bun.sleep(150);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const wait: NewWait = { name: "wait", kind: "signal", signalName: "s", timeoutMs: null };

async function running(engine: Engine): Promise<{ readonly worker: TestWorker; readonly job: Job }> {
  const item = { jobId: null, functionName: "test:w", args: bytes("[]"), options: {}, parentId: null };
  await enqueueJobs(engine, [item]);
  const worker = await connectTestWorker(engine, "w", { functionNames: ["test:w"] });
  await worker.assignedCount(1);
  return { worker, job: worker.assigned[0] as Job };
}

function park({ worker, job }: { readonly worker: TestWorker; readonly job: Job }) {
  return worker.report(job, { kind: "park", waits: [wait], waitingNames: ["wait"] });
}

function send(engine: Engine, { jobId }: Job, payload: string, signalId = "") {
  return sendSignal(engine, { jobId, name: "s", payload: bytes(payload), signalId });
}

async function expectTaken(engine: Engine, { jobId }: Job, payload: string): Promise<void> {
  await moveDueJobs(engine);
  expect(["PENDING", "RUNNING"]).toContain((await engine.store.jobs.get(jobId))!.state);
  const { checkpoints } = await engine.store.workflows.listCheckpoints({
    ...{ jobId, sinceToken: null, afterName: null, maxBytes: 1_000 },
  });
  expect(checkpoints.map(({ name, value }) => [name, new TextDecoder().decode(value!)])).toEqual([["wait", payload]]);
}

test("a signal that one daemon sends while another parks the job for it wakes the job", async () => {
  const gate = new Gate("workflows.sendSignals");
  await using it = await twoDaemons(database, { one: gate });
  const held = await running(it.two);
  const sending = send(it.one, held.job, "1");
  await gate.reached.promise;
  const parking = park(held);
  await soon();
  gate.release.resolve();
  expect([(await sending).taken, await parking]).toEqual([false, "accepted"]);
  await expectTaken(it.two, held.job, "1");
});

test("the same when the park is first and has not committed", async () => {
  const gate = new Gate("workflows.park");
  await using it = await twoDaemons(database, { two: gate });
  const held = await running(it.two);
  const parking = park(held);
  await gate.reached.promise;
  const sending = send(it.one, held.job, "1");
  await soon();
  gate.release.resolve();
  expect([(await sending).taken, await parking]).toEqual([true, "accepted"]);
  await expectTaken(it.two, held.job, "1");
});

test("a signal that is sent while another daemon ends the job is refused", async () => {
  const gate = new Gate("jobs.applyTransitions");
  await using it = await twoDaemons(database, { two: gate });
  const { worker, job } = await running(it.two);
  const ending = worker.report(job, SUCCEED);
  await gate.reached.promise;
  const sending = send(it.one, job, "1").catch((error: Error) => error.message);
  await soon();
  gate.release.resolve();
  expect(await ending).toBe("accepted");
  expect(await sending).toContain("is SUCCESS: it accepts no more signals");
});

test("signals that two daemons send to one job at once are both kept, one behind the other", async () => {
  const gate = new Gate("workflows.sendSignals");
  await using it = await twoDaemons(database, { one: gate });
  const held = await running(it.two);
  const first = send(it.one, held.job, "1");
  await gate.reached.promise;
  const second = send(it.two, held.job, "2");
  await soon();
  gate.release.resolve();
  await Promise.all([first, second]);
  expect(await it.one.store.workflows.countSignals(held.job.jobId)).toEqual(new Map([["s", 2]]));
  await park(held);
  await expectTaken(it.two, held.job, "1");
});

test("one signal that is sent over two daemons, since the first answer was late, is one", async () => {
  const gate = new Gate("workflows.sendSignals");
  await using it = await twoDaemons(database, { one: gate });
  const { job } = await running(it.two);
  const signalId = Bun.randomUUIDv7();
  const first = send(it.one, job, "1", signalId);
  await gate.reached.promise;
  const second = send(it.two, job, "1", signalId);
  await soon();
  gate.release.resolve();
  expect(await second).toEqual(await first);
  expect(await it.one.store.workflows.countSignals(job.jobId)).toEqual(new Map([["s", 1]]));
});

test("an event that one daemon deletes while another emits it again is there afterwards, with that payload", async () => {
  const gate = new Gate("events.delete");
  await using it = await twoDaemons(database, { one: gate });
  await emitEvent(it.two, "e", bytes("1"));
  const deleting = deleteEvent(it.one, "e");
  await gate.reached.promise;
  const emitting = emitEvent(it.two, "e", bytes("2"));
  await soon();
  gate.release.resolve();
  expect([await deleting, (await emitting).created]).toEqual([true, true]);
  expect(new TextDecoder().decode((await it.two.store.events.get("e"))!.payload)).toBe("2");
});
