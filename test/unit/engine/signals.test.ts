import { expect, test } from "bun:test";
import type { NewWait } from "../../../src/daemon/core/checkpoint.ts";
import type { Job } from "../../../src/daemon/core/job.ts";
import { explainJob } from "../../../src/daemon/engine/explain/explain-job.ts";
import { moveDueJobs } from "../../../src/daemon/engine/jobs/move-due-jobs.ts";
import { emitEvent } from "../../../src/daemon/engine/workflows/emit-event.ts";
import { sendSignal } from "../../../src/daemon/engine/workflows/send-signal.ts";
import { createEngineWorld, type EngineWorld, SUCCEED, type TestWorker } from "../../support/engine-world.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | null): string | null => (value === null ? null : new TextDecoder().decode(value));

function park(...waits: readonly NewWait[]) {
  return { kind: "park" as const, waits, waitingNames: waits.map((wait) => wait.name) };
}

function awaits(name: string, signalName: string, timeoutMs: number | null = null): NewWait {
  return { name, kind: "signal", signalName, timeoutMs };
}

function send(world: EngineWorld, jobId: string, name: string, payload: string) {
  return sendSignal(world.engine, { jobId, name, payload: bytes(payload), signalId: "" });
}

async function assigned(worker: TestWorker, count: number): Promise<Job> {
  await worker.assignedCount(count);
  return worker.assigned[count - 1] as Job;
}

const told = ({ replayed }: TestWorker) =>
  replayed.map(({ checkpoint: { name, value, timedOut } }) => [name, timedOut ? "timed out" : text(value)]);

test("a parked job goes on in place with the signal, and with the next one at once when that was sent before", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  const jobId = await world.enqueue("test:fn");
  await worker.report(await assigned(worker, 1), park(awaits("a", "approved")));
  expect(await send(world, jobId, "approved", "1")).toMatchObject({ taken: true });
  const second = await assigned(worker, 2);
  expect(worker.delivered[1]).toMatchObject({ resumed: true, checkpointCount: 1 });
  expect(await send(world, jobId, "approved", "2")).toMatchObject({ taken: false });
  await worker.report(second, park(awaits("b", "approved")));
  expect(await worker.report(await assigned(worker, 3), SUCCEED)).toBe("accepted");
  expect(told(worker)).toEqual([
    ["a", "1"],
    ["b", "2"],
  ]);
});

test("a wait for a signal times out by the timer, and the job is told so", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  await world.enqueue("test:fn");
  await worker.report(await assigned(worker, 1), park(awaits("a", "approved", 5_000)));
  world.clock.advance(4_999);
  expect(await moveDueJobs(world.engine)).toBe(world.clock.now() + 1);
  world.clock.advance(1);
  await moveDueJobs(world.engine);
  await assigned(worker, 2);
  expect(told(worker)).toEqual([["a", "timed out"]]);
});

test("signals that come while parks and other signals are under way are each taken once, in order", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  const jobId = await world.enqueue("test:fn");
  const job = await assigned(worker, 1);
  const [first, , second] = await Promise.all([
    send(world, jobId, "s", "1"),
    worker.report(job, park(awaits("a", "s"), awaits("b", "s"))),
    send(world, jobId, "s", "2"),
  ]);
  // The batch parks before it sends.
  expect([first.taken, second.taken]).toEqual([true, true]);
  await assigned(worker, 2);
  expect(told(worker)).toEqual([
    ["a", "1"],
    ["b", "2"],
  ]);
});

test("a job that ends in the same commit takes no signal any more", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  const jobId = await world.enqueue("test:fn");
  const job = await assigned(worker, 1);
  const [, fault] = await Promise.all([
    worker.report(job, SUCCEED),
    send(world, jobId, "s", "1").catch((error: Error) => error.message),
  ]);
  expect(fault).toBe(`job ${jobId} is SUCCESS: it accepts no more signals`);
});

test("explain names the awaited signal, and those that were sent under other names", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  const jobId = await world.enqueue("test:fn");
  await worker.report(await assigned(worker, 1), park(awaits("a", "approved", 60_000)));
  const messages = async () => (await explainJob(world.engine, jobId)).blockers.map(({ message }) => message);
  expect(await messages()).toEqual(['it is waiting for the signal "approved" until 2026-01-01T00:01:00.000Z']);
  for (let count = 0; count < 2; count++) await send(world, jobId, "aproved", "1");
  expect(await messages()).toEqual([
    'it is waiting for the signal "approved" until 2026-01-01T00:01:00.000Z',
    'it has not awaited these signals yet: "aproved" (2)',
  ]);
});

test("R11: an approval from before the job was enqueued does not answer a wait that begins with the job", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 2 });
  await emitEvent(world.engine, "approved", bytes('"of an earlier transfer"'));
  world.clock.advance(1);
  const jobId = await world.enqueue("test:fn");
  const wait: NewWait = { name: "a", kind: "event", eventName: "approved", timeoutMs: null, sinceStart: true };
  await worker.report(await assigned(worker, 1), park(wait));
  expect(await world.read(jobId)).toMatchObject({ state: "SUSPENDED" });
  const again = await emitEvent(world.engine, "approved", bytes('"of this one"'));
  expect(again).toMatchObject({ created: false, woken: 1, event: { payload: bytes('"of an earlier transfer"') } });
  await assigned(worker, 2);
  expect(told(worker)).toEqual([["a", '"of this one"']]);
});
