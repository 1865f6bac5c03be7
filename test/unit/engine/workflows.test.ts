import { expect, test } from "bun:test";
import type { NewWait } from "../../../src/daemon/core/checkpoint.ts";
import type { Job } from "../../../src/daemon/core/job.ts";
import { cancelJob } from "../../../src/daemon/engine/jobs/cancel-job.ts";
import { heartbeatAttempts } from "../../../src/daemon/engine/jobs/heartbeat-attempts.ts";
import { moveDueJobs } from "../../../src/daemon/engine/jobs/move-due-jobs.ts";
import { settleAttempts } from "../../../src/daemon/engine/jobs/settle-attempts.ts";
import { timeOutAttempts } from "../../../src/daemon/engine/jobs/time-out-attempts.ts";
import { loseWorker } from "../../../src/daemon/engine/workers/lose-worker.ts";
import { emitEvent } from "../../../src/daemon/engine/workflows/emit-event.ts";
import {
  type CheckpointReport,
  recordCheckpoints,
  type RecordResult,
} from "../../../src/daemon/engine/workflows/record-checkpoints.ts";
import { wakeParked } from "../../../src/daemon/engine/workflows/wake-jobs.ts";
import { createEngineWorld, type EngineWorld, fail, SUCCEED, type TestWorker } from "../../support/engine-world.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | null): string | null => (value === null ? null : new TextDecoder().decode(value));

function step(job: Job, name: string, value: string): CheckpointReport {
  return { jobId: job.jobId, leaseToken: job.leaseToken, name, kind: "step", value: bytes(value), error: null };
}

function record(
  world: EngineWorld,
  worker: TestWorker,
  ...reports: readonly CheckpointReport[]
): Promise<readonly RecordResult[]> {
  return new Promise((resolve) => recordCheckpoints(world.engine, worker.session, reports, resolve));
}

function park(...waits: readonly NewWait[]) {
  return { kind: "park" as const, waits, waitingNames: waits.map((wait) => wait.name) };
}

function awaits(name: string, eventName: string, timeoutMs: number | null = null): NewWait {
  return { name, kind: "event", eventName, timeoutMs };
}

async function assigned(worker: TestWorker, count: number): Promise<Job> {
  await worker.assignedCount(count);
  return worker.assigned[count - 1] as Job;
}

test("P14: a parked job frees its slot, and goes on in place with what it waited for and the same attempt", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  const jobId = await world.enqueue("test:fn");
  const other = await world.enqueue("test:fn");
  const first = await assigned(worker, 1);
  expect(await worker.report(first, park(awaits("paid", "paid:7")))).toBe("accepted");
  expect(await world.read(jobId)).toMatchObject({ state: "SUSPENDED", workerId: "w", attempt: 1 });
  const second = await assigned(worker, 2);
  expect(second.jobId).toBe(other);
  expect(await emitEvent(world.engine, "paid:7", bytes('{"by":"card"}'))).toMatchObject({ created: true, woken: 1 });
  // The slot is taken: it waits for it, and for nobody else.
  expect(worker.assigned).toHaveLength(2);
  await worker.report(second, SUCCEED);
  const again = await assigned(worker, 3);
  expect(again).toMatchObject({ jobId, attempt: 1, leaseToken: 2 });
  expect(worker.delivered[2]).toMatchObject({ resumed: true, checkpointCount: 1 });
  const [replayed] = worker.replayed;
  expect(replayed).toMatchObject({
    jobId,
    leaseToken: 2,
    checkpoint: { name: "paid", kind: "event", timedOut: false },
  });
  expect(text(replayed!.checkpoint.value)).toBe('{"by":"card"}');
  expect(await worker.report(again, SUCCEED)).toBe("accepted");
});

test("P13: an event that happened before the await is there at once, the first payload wins", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  await emitEvent(world.engine, "e", bytes("1"));
  expect(await emitEvent(world.engine, "e", bytes("2"))).toMatchObject({ created: false, woken: 0 });
  await world.enqueue("test:fn");
  await worker.report(await assigned(worker, 1), park(awaits("w", "e")));
  const again = await assigned(worker, 2);
  expect(again.attempt).toBe(1);
  expect(text(worker.replayed[0]!.checkpoint.value)).toBe("1");
});

test("P13: a wait ends at its time limit and not before", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  await world.enqueue("test:fn");
  await worker.report(await assigned(worker, 1), park(awaits("w", "never", 1000)));
  world.clock.advance(999);
  expect(await moveDueJobs(world.engine)).not.toBeNull();
  expect(worker.assigned).toHaveLength(1);
  world.clock.advance(1);
  await moveDueJobs(world.engine);
  await assigned(worker, 2);
  expect(worker.replayed[0]!.checkpoint).toMatchObject({ timedOut: true, value: null });
});

test("P12: a sleep is never early, and keeps its end when it is told again by a replay", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  const jobId = await world.enqueue("test:fn");
  const nap: NewWait = { name: "nap", kind: "sleep", sleepMs: 10_000 };
  await worker.report(await assigned(worker, 1), park(nap));
  world.clock.advance(9_000);
  await loseWorker(world.engine, "w");
  expect((await world.read(jobId)).state).toBe("SUSPENDED");
  const next = await world.connect("next", { concurrency: 1 });
  world.clock.advance(500);
  // Told by hand, as a handler that was replayed for another reason would.
  await wakeByHand(world, jobId);
  await next.report(await assigned(next, 1), park(nap));
  world.clock.advance(499);
  await moveDueJobs(world.engine);
  expect(next.assigned).toHaveLength(1);
  world.clock.advance(1);
  await moveDueJobs(world.engine);
  await assigned(next, 2);
});

async function wakeByHand(world: EngineWorld, jobId: string): Promise<void> {
  const { decide } = await import("../../../src/daemon/core/job-machine.ts");
  await world.engine.lane.run(async (lane) => {
    const [job] = await lane.tx.jobs.getMany([jobId]);
    await lane.apply([decide(job as Job, { kind: "wake", graceMs: 0 }, { maxLosses: 10 }, 0)!]);
  });
}

test("a job whose worker is gone is replayed by another one from everything it recorded", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  const jobId = await world.enqueue("test:fn");
  const first = await assigned(worker, 1);
  expect(await record(world, worker, step(first, "a", "1"), step(first, "b", "2"))).toEqual([
    { result: "accepted", message: "" },
    { result: "accepted", message: "" },
  ]);
  await worker.report(first, park(awaits("w", "e")));
  await loseWorker(world.engine, "w");
  expect(await world.read(jobId)).toMatchObject({ state: "SUSPENDED", losses: 0 });
  const next = await world.connect("next", { concurrency: 1 });
  await emitEvent(world.engine, "e", bytes("3"));
  await assigned(next, 1);
  expect(next.delivered[0]).toMatchObject({ resumed: false, checkpointCount: 3, job: { attempt: 1 } });
  expect(next.replayed.map(({ checkpoint }) => [checkpoint.name, text(checkpoint.value)])).toEqual([
    ["a", "1"],
    ["b", "2"],
    ["w", "3"],
  ]);
});

test("a worker that does not take up what it parked loses it to others after the grace", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  const jobId = await world.enqueue("test:fn");
  await worker.report(await assigned(worker, 1), park(awaits("w", "e")));
  world.engine.dispatcher.removeSession(worker.session);
  const next = await world.connect("next", { concurrency: 1 });
  await emitEvent(world.engine, "e", bytes("3"));
  await moveDueJobs(world.engine);
  expect(next.assigned).toHaveLength(0);
  expect(await world.read(jobId)).toMatchObject({ state: "PENDING", workerId: "w" });
  world.clock.advance(500);
  await moveDueJobs(world.engine);
  await assigned(next, 1);
  expect(next.delivered[0]).toMatchObject({ resumed: false, checkpointCount: 1 });
});

test("P4: a stale lease records, parks and extends nothing", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  const jobId = await world.enqueue("test:fn");
  const first = await assigned(worker, 1);
  await loseWorker(world.engine, "w");
  const again = await world.connect("w", { concurrency: 1 });
  const second = await assigned(again, 1);
  expect(second.leaseToken).toBeGreaterThan(first.leaseToken);
  expect(await record(world, again, step(first, "late", "1"))).toEqual([{ result: "stale", message: "" }]);
  expect(await again.report(first, park(awaits("w", "e")))).toBe("stale");
  heartbeatAttempts(world.engine, again.session, [{ ...first, extendMs: 1_000_000 }]);
  expect(again.revoked).toMatchObject([{ jobId, leaseToken: first.leaseToken, reason: "stale" }]);
  const { store } = world.engine;
  expect(await store.workflows.listRecords(jobId, 10)).toEqual([]);
  expect((await world.read(jobId)).state).toBe("RUNNING");
});

test("P11: a name that was recorded is not recorded again; as something else it is refused with both kinds", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  await world.enqueue("test:fn");
  const job = await assigned(worker, 1);
  await record(world, worker, step(job, "a", "1"));
  expect(await record(world, worker, step(job, "a", "2"))).toEqual([{ result: "accepted", message: "" }]);
  const [refused] = await record(world, worker, { ...step(job, "a", "3"), kind: "value" });
  expect(refused).toMatchObject({ result: "invalid" });
  expect(refused!.message).toContain("recorded as value, because an earlier execution of the job recorded it as step");
  const page = await world.engine.store.workflows.listCheckpoints({
    jobId: job.jobId,
    sinceToken: null,
    afterName: null,
    maxBytes: 100,
  });
  expect(page.checkpoints.map(({ value }) => text(value))).toEqual(["1"]);
});

test("a park that would never end is refused, and the lease stays", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  const jobId = await world.enqueue("test:fn");
  const job = await assigned(worker, 1);
  await record(world, worker, step(job, "a", "1"));
  expect(await worker.report(job, { kind: "park", waits: [], waitingNames: [] })).toBe("invalid");
  expect(await worker.report(job, { kind: "park", waits: [], waitingNames: ["nothing"] })).toBe("invalid");
  expect(await worker.report(job, { kind: "park", waits: [], waitingNames: ["a"] })).toBe("invalid");
  expect(await worker.report(job, park(awaits("a", "e")))).toBe("invalid");
  expect(await worker.report(job, park(awaits("twice", "e"), awaits("twice", "f")))).toBe("invalid");
  expect(await worker.report(job, SUCCEED)).toBe("accepted");
  expect((await world.read(jobId)).state).toBe("SUCCESS");
});

test("a write that the store refuses does not hold back the others of its report", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  const ids = [await world.enqueue("test:fn"), await world.enqueue("test:fn")];
  await worker.assignedCount(2);
  // No worker can send this: the protocol's messages are checked before.
  const refused = park({ name: "child", kind: "job", awaitedJobId: "not an ID" });
  const reports = worker.assigned.map(({ jobId, leaseToken }, index) => {
    return { jobId, leaseToken, event: index === 0 ? refused : SUCCEED, runMs: 1 };
  });
  const results = await new Promise((resolve) => settleAttempts(world.engine, worker.session, reports, resolve));
  expect(results).toEqual(["retry", "accepted"]);
  const states = await Promise.all(ids.map(async (jobId) => (await world.read(jobId)).state));
  expect(states).toEqual(["RUNNING", "SUCCESS"]);
  expect(await worker.report(worker.assigned[0]!, SUCCEED)).toBe("accepted");
});

test("a parent is woken by the end of the child that it awaits, however that ends", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  for (const end of [SUCCEED, fail("no", true)]) {
    const before = worker.assigned.length;
    const parentId = await world.enqueue("test:fn");
    const parent = await assigned(worker, before + 1);
    const childId = await world.enqueue("test:fn", { parentId });
    await worker.report(parent, park({ name: "child", kind: "job", awaitedJobId: childId }));
    const child = await assigned(worker, before + 2);
    expect(child.jobId).toBe(childId);
    await worker.report(child, end);
    const again = await assigned(worker, before + 3);
    expect(again.jobId).toBe(parentId);
    await worker.report(again, SUCCEED);
  }
});

test("a job that ended before it is awaited wakes at once", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 2 });
  const childId = await world.enqueue("test:fn");
  await worker.report(await assigned(worker, 1), SUCCEED);
  await world.enqueue("test:fn");
  await worker.report(await assigned(worker, 2), park({ name: "child", kind: "job", awaitedJobId: childId }));
  await assigned(worker, 3);
});

test("P10: cancelling a parked job is immediate, its children go too, and its worker is told by the parked lease", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  const parentId = await world.enqueue("test:fn");
  const parent = await assigned(worker, 1);
  const childId = await world.enqueue("test:other", { parentId });
  await worker.report(parent, park({ name: "child", kind: "job", awaitedJobId: childId }));
  expect((await cancelJob(world.engine, parentId)).cancelled).toBe(true);
  expect(await world.read(childId)).toMatchObject({ state: "CANCELLED" });
  expect(worker.revoked).toEqual([{ jobId: parentId, leaseToken: parent.leaseToken, reason: "cancelled" }]);
  expect(await world.engine.store.workflows.listWaits(parentId)).toEqual([]);
  expect(await worker.report(parent, { kind: "release", started: true })).toBe("stale");
});

test("P9: parked time does not count against the time limit, time that ran does", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  const jobId = await world.enqueue("test:fn", { options: { timeoutMs: 1_000, initialDelayMs: 0, jitter: 0 } });
  const first = await assigned(worker, 1);
  world.clock.advance(600);
  await worker.report(first, park(awaits("w", "e")));
  expect((await world.read(jobId)).ranMs).toBe(600);
  world.clock.advance(1_000_000);
  await emitEvent(world.engine, "e", bytes("1"));
  const again = await assigned(worker, 2);
  expect(again.ranMs).toBe(600);
  // The delivery allowance is added to the time limit.
  world.clock.advance(499);
  await timeOutAttempts(world.engine);
  expect((await world.read(jobId)).state).toBe("RUNNING");
  world.clock.advance(2);
  await timeOutAttempts(world.engine);
  expect(worker.revoked).toMatchObject([{ leaseToken: again.leaseToken, reason: "timeout" }]);
  const { failures, ranMs, attempt } = await world.read(jobId);
  expect({ failures, ranMs, attempt }).toEqual({ failures: 1, ranMs: null, attempt: 1 });
});

test("a heartbeat moves the end of the attempt, and a worker that connects again keeps what is left of it", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  await world.enqueue("test:fn", { options: { timeoutMs: 1_000 } });
  const job = await assigned(worker, 1);
  heartbeatAttempts(world.engine, worker.session, [{ ...job, extendMs: 60_000 }]);
  world.clock.advance(50_000);
  await timeOutAttempts(world.engine);
  expect(worker.revoked).toEqual([]);
  const lease = { jobId: job.jobId, leaseToken: job.leaseToken, started: true, timeLeftMs: 10_000 };
  const again = await world.connect("w", { heldLeases: [lease] });
  world.clock.advance(9_000);
  await timeOutAttempts(world.engine);
  expect(again.revoked).toEqual([]);
  world.clock.advance(1_200);
  await timeOutAttempts(world.engine);
  expect(again.revoked).toMatchObject([{ jobId: job.jobId, reason: "timeout" }]);
});

test("a handler that goes on by itself is resumed by its worker's word, under the lease it parked only", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  const jobId = await world.enqueue("test:fn");
  const job = await assigned(worker, 1);
  await worker.report(job, park(awaits("w", "e")));
  await wakeParked(world.engine, worker.session, [{ jobId, leaseToken: job.leaseToken + 1 }]);
  expect((await world.read(jobId)).state).toBe("SUSPENDED");
  await wakeParked(world.engine, worker.session, [job]);
  await assigned(worker, 2);
  expect(worker.delivered[1]).toMatchObject({ resumed: true, checkpointCount: 0 });
});

test("an awaited event that is not waited for any more is recorded, but wakes nobody", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  const jobId = await world.enqueue("test:fn");
  await worker.report(await assigned(worker, 1), park(awaits("a", "a"), awaits("b", "b")));
  await emitEvent(world.engine, "a", bytes("1"));
  await worker.report(await assigned(worker, 2), park({ name: "nap", kind: "sleep", sleepMs: 1e9 }));
  await emitEvent(world.engine, "b", bytes("2"));
  expect((await world.read(jobId)).state).toBe("SUSPENDED");
  expect((await world.engine.store.workflows.listWaits(jobId)).map((wait) => wait.name)).toEqual(["nap"]);
});

test("a job that two events of one commit wake is woken once, and gets both", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 1 });
  const jobId = await world.enqueue("test:fn");
  await worker.report(await assigned(worker, 1), park(awaits("a", "a"), awaits("b", "b")));
  const names = ["a", "b", "a"];
  const emitted = await Promise.all(names.map((name, at) => emitEvent(world.engine, name, bytes(`${at}`))));
  expect(emitted.map(({ created, woken, event }) => [created, woken, text(event.payload)])).toEqual([
    [true, 1, "0"],
    [true, 1, "1"],
    [false, 0, "0"],
  ]);
  const again = await assigned(worker, 2);
  expect(again).toMatchObject({ jobId, leaseToken: 2 });
  expect(worker.replayed.map(({ checkpoint }) => [checkpoint.name, text(checkpoint.value)])).toEqual([
    ["a", "0"],
    ["b", "1"],
  ]);
  const counted = async () => (await world.engine.store.jobs.count()).map(({ state, count }) => [state, count]);
  expect(await counted()).toEqual([["RUNNING", 1]]);
  expect(await worker.report(again, SUCCEED)).toBe("accepted");
  expect(worker.assigned).toHaveLength(2);
  expect(await counted()).toEqual([["SUCCESS", 1]]);
});

test("an event that many wait for wakes all of them, some hundreds a commit", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { concurrency: 2_000 });
  for (let index = 0; index < 1_200; index++) void world.enqueue("test:fn");
  await worker.assignedCount(1_200);
  await Promise.all(worker.assigned.map((job) => worker.report(job, park(awaits("w", "e")))));
  expect(await emitEvent(world.engine, "e", bytes("1"))).toMatchObject({ woken: 1_200 });
  expect(await world.engine.lane.run(({ tx }) => tx.nextDueAt())).toBe(0);
  await moveDueJobs(world.engine);
  await worker.assignedCount(2_400);
  expect(new Set(worker.delivered.slice(1_200).map(({ resumed }) => resumed))).toEqual(new Set([true]));
});

test("a job whose records cannot be read goes back for a second, and then to its worker with them", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w", { functionNames: ["test:fn"], concurrency: 1 });
  const jobId = await world.enqueue("test:fn", { options: { initialDelayMs: 0 } });
  await worker.assignedCount(1);
  const sum = world.engine.store.workflows.sumCheckpoints;
  let asked = 0;
  const broken = () => Promise.reject(new Error(`broken ${++asked}`));
  Object.assign(world.engine.store.workflows, { sumCheckpoints: broken });
  await worker.report(worker.assigned[0] as Job, fail("first"));
  await Bun.sleep(100);
  await world.settled();
  expect(asked).toBe(1);
  expect(await world.read(jobId)).toMatchObject({ state: "PENDING", attempt: 1, failures: 1 });
  Object.assign(world.engine.store.workflows, { sumCheckpoints: sum });
  world.clock.advance(1_000);
  await moveDueJobs(world.engine);
  await worker.assignedCount(2);
  expect(worker.assigned[1]).toMatchObject({ jobId, attempt: 2 });
});
