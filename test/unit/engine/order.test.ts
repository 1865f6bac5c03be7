import { expect, test } from "bun:test";
import { CHECKPOINT_LIMITS, type NewWait, type RecordOrder } from "../../../src/daemon/core/checkpoint.ts";
import type { Job } from "../../../src/daemon/core/job.ts";
import { cancelJob } from "../../../src/daemon/engine/jobs/cancel-job.ts";
import { moveDueJobs } from "../../../src/daemon/engine/jobs/move-due-jobs.ts";
import { retryAwaited, retryJob } from "../../../src/daemon/engine/jobs/retry-job.ts";
import type { AttemptReport } from "../../../src/daemon/engine/jobs/settle-attempts.ts";
import { loseWorker } from "../../../src/daemon/engine/workers/lose-worker.ts";
import { emitEvent } from "../../../src/daemon/engine/workflows/emit-event.ts";
import { type CheckpointReport, recordCheckpoints } from "../../../src/daemon/engine/workflows/record-checkpoints.ts";
import { createEngineWorld, type EngineWorld, fail, SUCCEED, type TestWorker } from "../../support/engine-world.ts";
import { rejection } from "../../support/rejection.ts";

const FN = "test:fn";
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const PLACE: RecordOrder = {
  ...{ seq: 1, asked: 1, op: 0 },
  ...{ alone: false, prompt: false, beside: false, undo: false, endedAttempt: false },
};

function step({ jobId, leaseToken }: Job, name: string, order: Partial<RecordOrder>, value = "1"): CheckpointReport {
  return { jobId, leaseToken, name, kind: "step", value: bytes(value), error: null, order: { ...PLACE, ...order } };
}

/** Answers "accepted", or why not. */
async function record(world: EngineWorld, worker: TestWorker, ...reports: readonly CheckpointReport[]) {
  const results = await new Promise<readonly { readonly result: string; readonly message: string }[]>((resolve) =>
    recordCheckpoints(world.engine, worker.session, reports, resolve),
  );
  return results.map(({ result, message }) => message || result);
}

async function assigned(worker: TestWorker, count: number): Promise<Job> {
  await worker.assignedCount(count);
  return worker.assigned[count - 1] as Job;
}

function park(seq: number, ...waits: readonly NewWait[]): AttemptReport["event"] {
  const waitingNames = waits.map((wait) => wait.name);
  return { kind: "park", waits, waitingNames, order: { seq, asked: seq + 1, alone: waits.length === 1 } };
}

function awaits(eventName: string): NewWait {
  return { name: eventName, kind: "event", eventName, timeoutMs: null, order: { op: 5, prompt: true, beside: false } };
}

function endedBy(name: string): AttemptReport["event"] {
  return { ...fail("no"), marks: { endedBy: [{ name, op: 3 }], loosened: [] } } as AttemptReport["event"];
}

test("what a parked job is told when it goes on has the place that the park told", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  await world.enqueue(FN);
  const job = await assigned(worker, 1);
  expect(await worker.report(job, park(2, awaits("a")))).toBe("accepted");
  await emitEvent(world.engine, "a", bytes("7"));
  await assigned(worker, 2);
  const order = { ...PLACE, seq: 2, asked: 3, op: 5, alone: true, prompt: true, beside: false };
  expect(worker.replayed.map(({ checkpoint }) => [checkpoint.name, checkpoint.order])).toEqual([["a", order]]);
  expect(worker.delivered[1]).toMatchObject({ resumed: true, unordered: false });
});

test("a place beyond what a job can reach is refused, as a record and as a park", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  await world.enqueue(FN);
  const job = await assigned(worker, 1);
  const beyond = CHECKPOINT_LIMITS.lastPlace + 1;
  expect(await record(world, worker, step(job, "a", { seq: beyond }), step(job, "b", { asked: beyond }))).toEqual(
    ["a", "b"].map((name) => `the position of "${name}" exceeds 16777216, which no job can reach`),
  );
  expect(await worker.report(job, park(beyond, awaits("a")))).toBe("invalid");
  expect(await worker.report(job, SUCCEED)).toBe("accepted");
});

test("awaited jobs have a limit of their own, and places that are told again take no room", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  await world.enqueue(FN);
  const job = await assigned(worker, 1);
  const held = worker.session.find(job)!;
  await record(world, worker, step(job, "loose", { seq: 0 }));
  held.checkpointCount = CHECKPOINT_LIMITS.perJob;
  const place: CheckpointReport = { ...step(job, "loose", { seq: 1 }), value: null };
  const end: CheckpointReport = { ...place, name: "job:x", kind: "job", awaitedJobId: job.jobId };
  const [first, ...others] = await record(world, worker, step(job, "a", {}), end, place);
  expect(first).toContain('"a" exceeds the limit of 10000 checkpoints per job');
  expect(others[0]).toBe("accepted");
  expect([held.checkpointCount, held.awaitedCount]).toEqual([CHECKPOINT_LIMITS.perJob + 1, 1]);
  held.awaitedCount = CHECKPOINT_LIMITS.awaitedPerJob;
  held.checkpointCount = CHECKPOINT_LIMITS.awaitedPerJob;
  expect(await record(world, worker, { ...end, name: "job:y" }, step(job, "b", {}))).toEqual([
    '"job:y" exceeds the limit of 100000 awaited jobs per job; let child jobs await some of them',
    "accepted",
  ]);
});

test("the failure that ended an attempt is told to the next one as that, all others as facts", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  await world.enqueue(FN, { options: { initialDelayMs: 0 } });
  const job = await assigned(worker, 1);
  const failure = { value: null, error: { name: "Error", message: "no" } };
  await record(
    world,
    worker,
    { ...step(job, "fact", { seq: 1 }), ...failure },
    { ...step(job, "end", { seq: 2 }), ...failure },
  );
  await worker.report(job, endedBy("end"));
  await assigned(worker, 2);
  expect(worker.replayed.map(({ checkpoint: { name, order } }) => [name, order?.seq, order?.endedAttempt])).toEqual([
    ["end", 0, true],
    ["fact", 1, false],
  ]);
});

/** A parent whose attempt was ended by the failure of its child, which it awaited. */
async function failedParent(world: EngineWorld, worker: TestWorker) {
  const parentId = await world.enqueue(FN, { options: { initialDelayMs: 60_000, jitter: 0 } });
  const parent = await assigned(worker, 1);
  const key = { idempotencyKey: `${parentId}:child` };
  const childId = await world.enqueue(FN, { parentId, options: { maxAttempts: 1, ...key } });
  const child = await assigned(worker, 2);
  const name = `job:${childId}`;
  await worker.report(
    parent,
    park(1, { name, kind: "job", awaitedJobId: childId, order: { op: 4, prompt: false, beside: false } }),
  );
  await worker.report(child, fail("no money"));
  await worker.report(await assigned(worker, 3), endedBy(name));
  return { parentId, childId, name };
}

test("a child that ended an attempt of its parent is retried for it once, under its own id", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  const { parentId, childId, name } = await failedParent(world, worker);
  expect((await world.engine.store.workflows.listRecords(parentId, 9))[0]).toMatchObject({
    ...{ name, error: { message: "no money", reason: "handler" } },
    order: { endedAttempt: true, seq: 0 },
  });
  const retried = await retryAwaited(world.engine, childId, parentId);
  expect(retried).toMatchObject({ jobId: childId, failures: 0, idempotencyKey: `${parentId}:child` });
  expect(await assigned(worker, 4)).toMatchObject({ jobId: childId, attempt: 2 });
  expect(await world.engine.store.workflows.listRecords(parentId, 9)).toEqual([]);
  const refused = await rejection(retryAwaited(world.engine, childId, parentId));
  expect(refused).toMatchObject({ code: "failed_precondition" });
  expect((refused as Error).message).toContain("or the job was already retried");
});

test("a child whose failure is no end of an attempt is not retried for its parent, nor one that is gone", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  const { parentId, childId } = await failedParent(world, worker);
  const other = await world.enqueue(FN);
  const cases: readonly (readonly [string, string, string])[] = [
    [childId, other, "failed_precondition"],
    [other, parentId, "failed_precondition"],
    [Bun.randomUUIDv7(), parentId, "not_found"],
    ["x", parentId, "invalid_argument"],
    [childId, "x", "invalid_argument"],
  ];
  for (const [jobId, awaitedBy, code] of cases) {
    expect(await rejection(retryAwaited(world.engine, jobId, awaitedBy))).toMatchObject({ code });
  }
  expect(await world.read(childId)).toMatchObject({ state: "DEAD" });
  expect(await world.engine.store.workflows.listRecords(parentId, 9)).toHaveLength(1);
});

test("a child that a person has retried meanwhile is awaited as it is", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  const { parentId, childId } = await failedParent(world, worker);
  await retryJob(world.engine, childId);
  await worker.report(await assigned(worker, 4), SUCCEED);
  expect(await retryAwaited(world.engine, childId, parentId)).toMatchObject({ state: "SUCCESS" });
  expect(await world.engine.store.workflows.listRecords(parentId, 9)).toEqual([]);
});

test("a parent that a person retries may retry the child that was cancelled with it", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  const parentId = await world.enqueue(FN);
  const parent = await assigned(worker, 1);
  const childId = await world.enqueue("test:other", { parentId });
  await record(world, worker, step(parent, "a", {}));
  await cancelJob(world.engine, parentId);
  expect(await rejection(retryAwaited(world.engine, childId, parentId))).toMatchObject({ code: "failed_precondition" });
  await retryJob(world.engine, parentId);
  expect(await retryAwaited(world.engine, childId, parentId)).toMatchObject({ state: "PENDING", failures: 0 });
});

test("a worker without the order gets jobs without one, and hands others back for a second, told once", async () => {
  const told: string[] = [];
  await using world = await createEngineWorld();
  Object.assign(world.engine, { onUnordered: ({ workerId }: { workerId: string }) => told.push(workerId) });
  const worker = await world.connect("new");
  const jobId = await world.enqueue(FN, { options: { initialDelayMs: 0 } });
  await record(world, worker, step(await assigned(worker, 1), "a", {}));
  await loseWorker(world.engine, "new");
  const old = await world.connect("old", { ordered: false });
  for (let round = 1; round <= 2; round++) {
    await handedBack(world, jobId, 2 * round);
    world.clock.advance(1_000);
    await moveDueJobs(world.engine);
  }
  expect(old.assigned).toEqual([]);
  expect(told).toEqual(["old"]);
  await handedBack(world, jobId, 6);
  const plain = await world.enqueue(FN, { options: { initialDelayMs: 0 } });
  await old.report(await assigned(old, 1), fail("once"));
  expect(await assigned(old, 2)).toMatchObject({ jobId: plain, leaseToken: 2 });
  // The other worker, which is idle too, would take it each time.
  await old.report(await assigned(old, 2), SUCCEED);
  const next = await world.connect("next");
  world.clock.advance(1_000);
  await moveDueJobs(world.engine);
  await assigned(next, 1);
  expect(next.delivered[0]).toMatchObject({ job: { jobId, attempt: 2 }, checkpointCount: 1 });
});

/** Until the job went to a worker and came back. */
async function handedBack(world: EngineWorld, jobId: string, leaseToken: number): Promise<void> {
  for (;;) {
    const job = await world.read(jobId);
    if (job.state === "PENDING" && job.leaseToken >= leaseToken - 1 && job.runAt > world.clock.now()) return;
    await world.settled();
    await Bun.sleep(1);
  }
}

test("jobs from before the order are told as that", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  for (const [place, since] of [world.clock.now() + 1, world.clock.now()].entries()) {
    Object.assign(world.engine.store, { orderedSince: since });
    await world.enqueue(FN);
    await assigned(worker, place + 1);
  }
  expect(worker.delivered.map(({ unordered }) => unordered)).toEqual([true, false]);
});
