import { expect, spyOn, test } from "bun:test";
import type { Job } from "../../../src/daemon/core/job.ts";
import { DELIVERY_MS } from "../../../src/daemon/engine/dispatch/worker-session.ts";
import { cancelJob } from "../../../src/daemon/engine/jobs/cancel-job.ts";
import { enqueueJobs } from "../../../src/daemon/engine/jobs/enqueue-jobs.ts";
import { moveDueJobs } from "../../../src/daemon/engine/jobs/move-due-jobs.ts";
import { retryJob } from "../../../src/daemon/engine/jobs/retry-job.ts";
import { timeOutAttempts } from "../../../src/daemon/engine/jobs/time-out-attempts.ts";
import { loseWorker } from "../../../src/daemon/engine/workers/lose-worker.ts";
import { createEngineWorld, fail, SUCCEED } from "../../support/engine-world.ts";
import { rejection } from "../../support/rejection.ts";

const FN = "test:fn";

test("a job goes to a free slot, and its report makes it SUCCESS", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w1");
  const jobId = await world.enqueue(FN);
  await worker.assignedCount(1);
  const [job] = worker.assigned as [Job];
  expect(job).toMatchObject({ jobId, attempt: 1, state: "RUNNING", workerId: "w1" });
  expect(await worker.report(job, SUCCEED)).toBe("accepted");
  expect(await world.read(jobId)).toMatchObject({ state: "SUCCESS", attempt: 1, failures: 0 });
});

test("P4: a report under a lease that was lost changes nothing, and the new holder's result stands", async () => {
  await using world = await createEngineWorld();
  const first = await world.connect("w1");
  const jobId = await world.enqueue(FN);
  await first.assignedCount(1);
  const [stale] = first.assigned as [Job];
  expect(await loseWorker(world.engine, "w1")).toBe(1);
  expect(first.ended).toBe(true);
  const second = await world.connect("w2");
  await second.assignedCount(1);
  const [held] = second.assigned as [Job];
  expect(held.leaseToken).toBeGreaterThan(stale.leaseToken);
  expect(await first.report(stale, SUCCEED)).toBe("stale");
  expect(await world.read(jobId)).toMatchObject({ state: "RUNNING", workerId: "w2", losses: 1, failures: 0 });
  expect(await second.report(held, SUCCEED)).toBe("accepted");
  expect(await first.report(stale, fail("too late"))).toBe("stale");
  expect(await world.read(jobId)).toMatchObject({ state: "SUCCESS", workerId: "w2", attempt: 2 });
});

test("P2: a report repeated after a lost answer is accepted again and changes nothing", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w1");
  const jobId = await world.enqueue(FN, { options: { maxAttempts: 5 } });
  await worker.assignedCount(1);
  const [job] = worker.assigned as [Job];
  expect(await worker.report(job, fail("boom"))).toBe("accepted");
  expect(await worker.report(job, fail("boom"))).toBe("accepted");
  expect(await world.read(jobId)).toMatchObject({ state: "PENDING", failures: 1, attempt: 1 });
});

test("P7: a worker that connects again keeps the leases it holds; one that never reached it goes back", async () => {
  await using world = await createEngineWorld();
  const before = await world.connect("w1", { concurrency: 2 });
  const jobIds = [await world.enqueue(FN), await world.enqueue(FN)];
  await before.assignedCount(2);
  const [kept, dropped] = before.assigned as [Job, Job];
  const after = await world.connect("w1", { concurrency: 1, heldLeases: [{ ...kept, started: true }] });
  expect(before.ended).toBe(true);
  expect(after.lost).toEqual([]);
  expect(after.session.find(kept)).not.toBeNull();
  await world.settled();
  expect(await world.read(dropped.jobId)).toMatchObject({ state: "PENDING", attempt: 0, losses: 0 });
  expect(await after.report(kept, SUCCEED)).toBe("accepted");
  await after.assignedCount(1);
  expect(after.assigned[0]).toMatchObject({ jobId: dropped.jobId, attempt: 1 });
  expect(jobIds).toContain(dropped.jobId);
});

test("P4: a worker that connects again is told which of its leases are lost", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w1");
  await world.enqueue(FN);
  await worker.assignedCount(1);
  const [job] = worker.assigned as [Job];
  await loseWorker(world.engine, "w1");
  const again = await world.connect("w1", { heldLeases: [{ ...job, started: true }] });
  expect(again.lost).toEqual([expect.objectContaining({ jobId: job.jobId, leaseToken: job.leaseToken })]);
});

test("P9: an attempt that runs past its time limit ends at it, and its late success is stale", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w1", { concurrency: 1 });
  const jobId = await world.enqueue(FN, { options: { timeoutMs: 1_000, maxAttempts: 2 } });
  await worker.assignedCount(1);
  const [job] = worker.assigned as [Job];
  world.clock.advance(999 + DELIVERY_MS);
  await timeOutAttempts(world.engine);
  expect(worker.revoked).toEqual([]);
  world.clock.advance(1);
  await timeOutAttempts(world.engine);
  expect(worker.revoked).toEqual([{ jobId, leaseToken: job.leaseToken, reason: "timeout" }]);
  expect(await world.read(jobId)).toMatchObject({ state: "PENDING", failures: 1, error: { reason: "timeout" } });
  // The handler still runs: until it says that it has ended, its slot is not given away.
  expect(worker.session.freeSlots).toBe(0);
  expect(await worker.report(job, SUCCEED)).toBe("stale");
  expect(worker.session.freeSlots).toBe(1);
  expect(await world.read(jobId)).toMatchObject({ state: "PENDING", failures: 1 });
});

test("a job that took its worker down ten times is DEAD with the reason worker_lost, its attempts untouched", async () => {
  await using world = await createEngineWorld();
  const jobId = await world.enqueue(FN, { options: { maxAttempts: 1 } });
  for (let loss = 1; loss <= 10; loss++) {
    const worker = await world.connect(`w${loss}`);
    await worker.assignedCount(1);
    await loseWorker(world.engine, `w${loss}`);
    expect(await world.read(jobId)).toMatchObject({ losses: loss, failures: 0, attempt: loss });
  }
  expect(await world.read(jobId)).toMatchObject({ state: "DEAD", error: { reason: "worker_lost" } });
});

test("P10: cancelling a parent is final at once for it and for all that it started", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w1");
  const parent = await world.enqueue(FN);
  await worker.assignedCount(1);
  const child = await world.enqueue(FN, { parentId: parent });
  const grandchild = await world.enqueue("test:unserved", { parentId: child });
  await worker.assignedCount(2);
  expect(await cancelJob(world.engine, parent)).toMatchObject({ cancelled: true, job: { state: "CANCELLED" } });
  for (const jobId of [child, grandchild]) expect(await world.read(jobId)).toMatchObject({ state: "CANCELLED" });
  expect(worker.revoked.map((one) => [one.jobId, one.reason])).toEqual([
    [parent, "cancelled"],
    [child, "cancelled"],
  ]);
  for (const job of worker.assigned) expect(await worker.report(job, SUCCEED)).toBe("stale");
  expect(await cancelJob(world.engine, parent)).toMatchObject({ cancelled: false });
});

test("P10: a handler whose job is CANCELLED or DEAD stores no more calls; one that was stored is told again", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w1");
  for (const state of ["CANCELLED", "DEAD"]) {
    const before = worker.assigned.length;
    const parentId = await world.enqueue(FN, { options: { maxAttempts: 1 } });
    await worker.assignedCount(before + 1);
    const keyed = { functionName: "test:child", parentId, options: { idempotencyKey: `${parentId}:test:child` } };
    const jobId = Bun.randomUUIDv7();
    await world.enqueue("test:child", { ...keyed, jobId });
    if (state === "CANCELLED") await cancelJob(world.engine, parentId);
    else await worker.report(worker.assigned[before] as Job, fail("no"));
    const refused = await rejection(world.enqueue("test:child", { parentId }));
    expect(refused).toMatchObject({ code: "failed_precondition", metadata: { jobId: parentId, state } });
    expect((refused as Error).message).toContain(`job ${parentId} is ${state}: its handler can no longer make calls`);
    expect(await world.enqueue("test:child", { ...keyed, jobId })).toBe(jobId);
    expect(await world.enqueue("test:child", keyed)).toBe(jobId);
    const replaced = { ...keyed, options: { ...keyed.options, onDuplicate: "replace_finished" as const } };
    if (state === "CANCELLED") await expect(world.enqueue("test:child", replaced)).rejects.toThrow("no longer make");
    const page = await world.engine.store.jobs.list({ filter: { parentId }, limit: 10, before: null });
    expect(page.jobs.map((job) => job.jobId)).toEqual([jobId]);
  }
});

test("a call of a job that has ended does not keep the others of its frame", async () => {
  await using world = await createEngineWorld();
  const [ended, live] = [await world.enqueue(FN), await world.enqueue(FN)];
  await cancelJob(world.engine, ended);
  const call = { jobId: null, functionName: FN, args: new Uint8Array(), options: {} };
  const parents = [live, ended, null, ended, live];
  const results = await enqueueJobs(
    world.engine,
    parents.map((parentId) => ({ ...call, parentId })),
  );
  expect(results.map(({ ok }) => ok)).toEqual([true, false, true, false, true]);
});

test("P5: a finished job moves only by a retry of a DEAD or CANCELLED one: failures at 0, attempts go on", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w1");
  const dead = await world.enqueue(FN, { options: { maxAttempts: 1 } });
  await worker.assignedCount(1);
  await worker.report(worker.assigned[0] as Job, fail("boom"));
  expect(await world.read(dead)).toMatchObject({ state: "DEAD", failures: 1, attempt: 1 });
  expect(await retryJob(world.engine, dead)).toMatchObject({ jobId: dead, failures: 0, losses: 0 });
  await worker.assignedCount(2);
  expect(worker.assigned[1]).toMatchObject({ jobId: dead, attempt: 2 });
  await worker.report(worker.assigned[1] as Job, SUCCEED);
  await expect(retryJob(world.engine, dead)).rejects.toThrow("SUCCESS");
});

test("P8: a retry waits its backoff and not a millisecond less", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w1");
  const jobId = await world.enqueue(FN, { options: { initialDelayMs: 1_000, jitter: 0 } });
  await worker.assignedCount(1);
  await worker.report(worker.assigned[0] as Job, fail("boom"));
  world.clock.advance(999);
  await moveDueJobs(world.engine);
  await world.settled();
  expect(worker.assigned.length).toBe(1);
  world.clock.advance(1);
  expect(await moveDueJobs(world.engine)).toBeNull();
  await worker.assignedCount(2);
  expect(worker.assigned[1]).toMatchObject({ jobId, attempt: 2 });
});

test("jobs past their start or finish deadline are CANCELLED by policy, with the reason", async () => {
  await using world = await createEngineWorld();
  const unstarted = await world.enqueue("test:unserved", { options: { startWithinMs: 100 } });
  const unfinished = await world.enqueue(FN, { options: { finishWithinMs: 200 } });
  const worker = await world.connect("w1");
  await worker.assignedCount(1);
  world.clock.advance(100);
  await moveDueJobs(world.engine);
  expect(await world.read(unstarted)).toMatchObject({ state: "CANCELLED", error: { reason: "start_deadline" } });
  expect(await world.read(unfinished)).toMatchObject({ state: "RUNNING" });
  world.clock.advance(100);
  await moveDueJobs(world.engine);
  expect(await world.read(unfinished)).toMatchObject({ state: "CANCELLED", error: { reason: "finish_deadline" } });
  expect(worker.revoked).toMatchObject([{ jobId: unfinished, reason: "finish_deadline" }]);
});

test("one worker's prefetched jobs are recalled for another that idles, and handed back without counting", async () => {
  await using world = await createEngineWorld();
  const busy = await world.connect("busy", { concurrency: 1 });
  // The worker finishes jobs fast, so the daemon leases it more in advance.
  for (let index = 0; index < 200; index++) await world.enqueue(FN);
  for (let done = 0; done < 150; done++) {
    await busy.assignedCount(done + 1);
    world.clock.advance(0.1);
    await busy.report(busy.assigned[done] as Job, SUCCEED);
  }
  expect(busy.session.leaseCount).toBeGreaterThan(1);
  const idle = await world.connect("idle", { concurrency: 2 });
  await world.settled();
  world.engine.dispatcher.recallForIdleWorkers();
  expect(busy.recalled.length).toBe(2);
  for (const lease of busy.recalled) {
    expect(await busy.report(lease, { kind: "release", started: false })).toBe("accepted");
  }
  await idle.assignedCount(2);
  expect(idle.assigned.map((job) => job.attempt)).toEqual([1, 1]);
});

test("what was leased ahead and waits for long is recalled once, for workers of other daemons, and no more is leased ahead", async () => {
  await using world = await createEngineWorld();
  const busy = await world.connect("busy", { concurrency: 1 });
  for (let index = 0; index < 200; index++) await world.enqueue(FN);
  for (let done = 0; done < 150; done++) {
    await busy.assignedCount(done + 1);
    world.clock.advance(0.1);
    await busy.report(busy.assigned[done] as Job, SUCCEED);
  }
  const ahead = busy.session.leaseCount - 1;
  expect(ahead).toBeGreaterThan(0);
  world.clock.advance(500);
  world.engine.dispatcher.recallHeldSince(world.clock.monotonic() - 1_000);
  expect(busy.recalled).toHaveLength(0);
  world.clock.advance(600);
  world.engine.dispatcher.recallHeldSince(world.clock.monotonic() - 1_000);
  expect(busy.recalled).toHaveLength(ahead);
  for (const lease of busy.recalled) await busy.report(lease, { kind: "release", started: false });
  world.engine.dispatcher.markAllReady();
  world.engine.lane.wake();
  await world.settled();
  expect(busy.session.leaseCount).toBe(1);
});

test("the daemon's limit bounds what runs at once over all workers", async () => {
  await using world = await createEngineWorld({ maxConcurrent: 3 });
  const workers = [await world.connect("w1", { concurrency: 2 }), await world.connect("w2", { concurrency: 2 })];
  for (let index = 0; index < 10; index++) await world.enqueue(FN);
  await world.settled();
  expect(workers[0]!.assigned.length + workers[1]!.assigned.length).toBe(3);
});

test("a job claimed for a worker that leaves before the commit goes back at once, as if it had never been claimed", async () => {
  await using world = await createEngineWorld();
  const { dispatcher } = world.engine;
  const leaving = await world.connect("w1");
  const notifyWorkers = dispatcher.notifyWorkers.bind(dispatcher);
  const commits = spyOn(dispatcher, "notifyWorkers").mockImplementation((applied, resumed, claimed) => {
    if (claimed.some(({ jobs }) => jobs.length > 0)) dispatcher.removeSession(leaving.session);
    notifyWorkers(applied, resumed, claimed);
  });
  const jobId = await world.enqueue(FN);
  await world.settled();
  commits.mockRestore();
  expect(leaving.assigned).toHaveLength(0);
  expect(await world.read(jobId)).toMatchObject({ state: "PENDING", attempt: 0, losses: 0, leaseToken: 1 });
  const other = await world.connect("w2");
  await other.assignedCount(1);
  expect(other.assigned[0]).toMatchObject({ jobId, attempt: 1 });
});
