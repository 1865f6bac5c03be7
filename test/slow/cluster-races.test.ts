/**
 * Two daemons that change the same jobs in the same moment: each race is held open where it hurts, so that the test
 * fails each time when its guard is missing.
 */
import { afterAll, beforeAll, expect, spyOn, test } from "bun:test";
import type { JobOptionsInput } from "../../src/daemon/core/job-options.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import { applyHint } from "../../src/daemon/engine/cluster/follow-other-daemons.ts";
import { LeaseCheck } from "../../src/daemon/engine/cluster/lease-check.ts";
import { sweepAwaited } from "../../src/daemon/engine/cluster/sweep-awaited.ts";
import type { Engine } from "../../src/daemon/engine/engine.ts";
import { awaitEnds } from "../../src/daemon/engine/jobs/await-jobs.ts";
import { cancelJob, cancelTree } from "../../src/daemon/engine/jobs/cancel-job.ts";
import { enqueueJobs } from "../../src/daemon/engine/jobs/enqueue-jobs.ts";
import { moveDueJobs } from "../../src/daemon/engine/jobs/move-due-jobs.ts";
import { loseWorker } from "../../src/daemon/engine/workers/lose-worker.ts";
import { notifyHandlers } from "../../src/daemon/engine/workers/notify-handlers.ts";
import { AttemptTimer } from "../../src/daemon/loops/attempt-timer.ts";
import { TimerWheel } from "../../src/daemon/loops/timer-wheel.ts";
import { connectTestWorker, SUCCEED } from "../support/engine-world.ts";
import { type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { Gate, twoDaemons } from "../support/two-daemons.ts";

const FN = "test:fn";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 60_000);

async function enqueue(engine: Engine, parentId: string | null = null, options: JobOptionsInput = {}): Promise<string> {
  const args = new TextEncoder().encode("[]");
  const [result] = await enqueueJobs(engine, [{ jobId: null, functionName: FN, args, options, parentId }]);
  if (result?.ok !== true) throw result?.error ?? new Error("no result");
  return result.jobId;
}

const read = async (engine: Engine, jobId: string) => (await engine.store.jobs.get(jobId)) as Job;
const quiet = { debug() {}, info() {}, warn() {}, error() {} } as never;
const soon = () => Bun.sleep(150);

test("P10: a child stored through one daemon while its parent is cancelled through another is cancelled with it", async () => {
  const gate = new Gate("jobs.getMany");
  await using it = await twoDaemons(database, { two: gate });
  const parentId = await enqueue(it.one);
  // The second daemon has seen that the parent lives, and holds it until the child is committed.
  const storing = enqueue(it.two, parentId);
  await gate.reached.promise;
  const cancelling = cancelJob(it.one, parentId);
  await soon();
  gate.release.resolve();
  const [childId, { cancelled }] = await Promise.all([storing, cancelling]);
  expect(cancelled).toBe(true);
  expect((await read(it.one, parentId)).state).toBe("CANCELLED");
  expect((await read(it.one, childId)).state).toBe("CANCELLED");
});

test("P10: a child is refused when the cancellation has looked for children and has not committed", async () => {
  const gate = new Gate("jobs.listLiveChildren");
  await using it = await twoDaemons(database, { one: gate });
  const parentId = await enqueue(it.one);
  const cancelling = cancelJob(it.one, parentId);
  await gate.reached.promise;
  const storing = enqueue(it.two, parentId);
  await soon();
  gate.release.resolve();
  const [refused] = await Promise.allSettled([storing, cancelling]);
  expect(refused).toMatchObject({ status: "rejected", reason: { code: "failed_precondition" } });
});

test("P10: a job that another daemon is claiming this moment is cancelled all the same, and its worker told", async () => {
  const gate = new Gate("jobs.claim");
  await using it = await twoDaemons(database, { two: gate });
  const jobId = await enqueue(it.one);
  const connecting = connectTestWorker(it.two, "w");
  await gate.reached.promise;
  const cancelling = cancelJob(it.one, jobId);
  await soon();
  gate.release.resolve();
  const worker = await connecting;
  expect((await cancelling).cancelled).toBe(true);
  await worker.assignedCount(1);
  expect((await read(it.one, jobId)).state).toBe("CANCELLED");
  await applyHint(it.two, { functionNames: [], jobIds: [jobId], workerIds: [] });
  expect(worker.revoked).toMatchObject([{ jobId, reason: "cancelled" }]);
});

test("P7: a worker that reaches another daemon while it is being given up keeps its leases", async () => {
  await using it = await twoDaemons(database);
  const jobId = await enqueue(it.one);
  const before = await connectTestWorker(it.one, "w");
  await before.assignedCount(1);
  const [lease] = before.assigned as [Job];
  const [judged] = await it.one.store.workers.list();
  it.one.dispatcher.removeSession(before.session);
  const after = await connectTestWorker(it.two, "w", { heldLeases: [{ ...lease, started: true }] });
  expect(after.lost).toEqual([]);
  expect(await loseWorker(it.one, "w", judged!)).toBe(0);
  expect(await after.report(lease, SUCCEED)).toBe("accepted");
  expect(await read(it.one, jobId)).toMatchObject({ state: "SUCCESS", attempt: 1, losses: 0 });
});

test("P4: of two sessions of one worker the newer wins; the older daemon ends its stream, and the leases go on", async () => {
  await using it = await twoDaemons(database);
  const jobId = await enqueue(it.one);
  const older = await connectTestWorker(it.one, "w");
  await older.assignedCount(1);
  const [lease] = older.assigned as [Job];
  const newer = await connectTestWorker(it.two, "w", { heldLeases: [{ ...lease, started: true }] });
  await new LeaseCheck(it.one).run();
  expect(older.ended).toBe(true);
  expect(it.one.dispatcher.findSession("w")).toBeNull();
  expect(older.revoked).toEqual([]);
  await new LeaseCheck(it.two).run();
  expect(newer.ended).toBe(false);
  expect(newer.revoked).toEqual([]);
  expect(await newer.report(lease, SUCCEED)).toBe("accepted");
  expect((await read(it.one, jobId)).state).toBe("SUCCESS");
});

test("a lease that a daemon made for a worker after it had gone to another one is given back, and no other", async () => {
  await using it = await twoDaemons(database);
  const older = await connectTestWorker(it.one, "w", { concurrency: 2 });
  const newer = await connectTestWorker(it.two, "w", { concurrency: 2 });
  const lostId = await enqueue(it.one);
  await older.assignedCount(1);
  const heldId = await enqueue(it.two);
  await newer.assignedCount(1);
  expect(newer.assigned.map(({ jobId }) => jobId)).toEqual([heldId]);
  const check = new LeaseCheck(it.two);
  await check.run();
  // The job might still be in transit: only the second check is certain.
  expect(await read(it.one, lostId)).toMatchObject({ state: "RUNNING", leaseToken: 1 });
  await check.run();
  await newer.assignedCount(2);
  expect(await read(it.one, lostId)).toMatchObject({
    state: "RUNNING",
    workerId: "w",
    attempt: 1,
    leaseToken: 2,
    losses: 0,
  });
  await check.run();
  await check.run();
  expect((await read(it.one, heldId)).leaseToken).toBe(1);
  expect(newer.revoked).toEqual([]);
});

test("P10, P9: without any hint a look tells workers of leases that another daemon took, with the reason", async () => {
  await using it = await twoDaemons(database);
  const jobId = await enqueue(it.one);
  const worker = await connectTestWorker(it.two, "w");
  await worker.assignedCount(1);
  await cancelJob(it.one, jobId);
  await new LeaseCheck(it.two).run();
  expect(worker.revoked).toMatchObject([{ jobId, reason: "cancelled" }]);
  await new LeaseCheck(it.two).run();
  expect(worker.revoked).toHaveLength(1);
});

test("P16: without any hint a look finds awaited jobs that ended or were deleted through another daemon", async () => {
  await using it = await twoDaemons(database);
  const [doneId, goneId, liveId] = [await enqueue(it.one), await enqueue(it.one), await enqueue(it.one)];
  const told: string[] = [];
  awaitEnds(it.two, [doneId, goneId, liveId], {
    onEnded: ({ jobId, state }) => told.push(`${state} ${jobId}`),
    onMissing: (jobId) => told.push(`missing ${jobId}`),
    onFault: (error) => told.push(String(error)),
  });
  await soon();
  await cancelJob(it.one, doneId);
  await cancelJob(it.one, goneId);
  await it.one.lane.run(({ tx }) => tx.jobs.delete([goneId]));
  expect(told).toEqual([]);
  await sweepAwaited(it.two);
  expect(told.toSorted()).toEqual([`CANCELLED ${doneId}`, `missing ${goneId}`]);
  await sweepAwaited(it.two);
  expect(told).toHaveLength(2);
});

test("a hint that was read before a lease was made says nothing of that lease", async () => {
  await using it = await twoDaemons(database);
  const jobId = await enqueue(it.two);
  const pending = await read(it.one, jobId);
  const worker = await connectTestWorker(it.two, "w");
  await worker.assignedCount(1);
  notifyHandlers(it.two.dispatcher, pending);
  expect(worker.revoked).toEqual([]);
});

for (const how of ["by a hint", "by a look"]) {
  test(`P10: a handler that waits in memory is told of a cancellation through another daemon, ${how}`, async () => {
    await using it = await twoDaemons(database);
    const jobId = await enqueue(it.one);
    const worker = await connectTestWorker(it.two, "w");
    await worker.assignedCount(1);
    const [lease] = worker.assigned as [Job];
    const nap = { name: "nap", kind: "sleep", sleepMs: 60_000 } as const;
    expect(await worker.report(lease, { kind: "park", waits: [nap], waitingNames: ["nap"] })).toBe("accepted");
    expect((await read(it.one, jobId)).state).toBe("SUSPENDED");
    await sweepAwaited(it.two);
    expect(worker.revoked).toEqual([]);
    await cancelJob(it.one, jobId);
    if (how === "by a hint") await applyHint(it.two, { functionNames: [], jobIds: [jobId], workerIds: [] });
    else await sweepAwaited(it.two);
    expect(worker.revoked).toEqual([{ jobId, leaseToken: lease.leaseToken, reason: "cancelled" }]);
    await sweepAwaited(it.two);
    expect(worker.revoked).toHaveLength(1);
  });
}

test("jobs that two daemons cancel in opposite orders end in no deadlock's failure: the victim's transaction is run again", async () => {
  await using it = await twoDaemons(database);
  const pairs = await Promise.all(
    Array.from({ length: 5 }, async () => [await enqueue(it.one), await enqueue(it.one)]),
  );
  const cancelEach = (engine: Engine, jobIds: readonly string[]) =>
    engine.lane.run(async (lane) => {
      for (const jobId of jobIds) {
        await cancelTree(lane, await lane.tx.jobs.getMany([jobId]), "cancelled");
        await Bun.sleep(50);
      }
    });
  for (const pair of pairs) await Promise.all([cancelEach(it.one, pair), cancelEach(it.two, pair.toReversed())]);
  for (const jobId of pairs.flat()) expect((await read(it.one, jobId)).state).toBe("CANCELLED");
}, 30_000);

test("a worker of many functions is told that there may be more, when another daemon held what it saw", async () => {
  await using it = await twoDaemons(database);
  const names = [FN, "test:other"];
  for (let count = 0; count < 30; count++) await enqueue(it.one);
  await it.one.store.transact(async (tx) => {
    await tx.jobs.claim([{ workerId: "greedy", functionNames: names, limit: 10 }]);
    const [claimed] = await it.two.store.transact((other) =>
      other.jobs.claim([{ workerId: "modest", functionNames: names, limit: 2 }]),
    );
    expect(claimed).toEqual({ workerId: "modest", jobs: [], maybeMore: names });
  });
  const [claimed] = await it.two.store.transact((tx) =>
    tx.jobs.claim([{ workerId: "modest", functionNames: names, limit: 50 }]),
  );
  expect(claimed).toMatchObject({ maybeMore: [] });
  expect(claimed!.jobs).toHaveLength(20);
});

test("what another daemon holds in the middle of moving it is looked at now and then, not all the time", async () => {
  const gate = new Gate("jobs.promoteDue");
  await using it = await twoDaemons(database, { one: gate });
  await enqueue(it.two, null, { delayMs: 20 });
  await soon();
  const moving = moveDueJobs(it.one);
  await gate.reached.promise;
  const looks = spyOn(it.two.lane, "run");
  const wheel = new TimerWheel(it.two, quiet);
  const startedAt = performance.now();
  wheel.start();
  await soon();
  await wheel.stop();
  const mostLooks = (performance.now() - startedAt) / 20 + 1;
  gate.release.resolve();
  await moving;
  expect(looks.mock.calls.length).toBeGreaterThan(1);
  expect(looks.mock.calls.length).toBeLessThanOrEqual(mostLooks);
});

test("an attempt that another daemon has ended is timed out once, not all the time", async () => {
  await using it = await twoDaemons(database);
  const timer = new AttemptTimer(it.one, quiet);
  const jobId = await enqueue(it.one, null, { timeoutMs: 1 });
  await connectTestWorker(it.one, "w");
  await cancelJob(it.two, jobId);
  await soon();
  const tries = spyOn(it.one.lane, "write");
  timer.start();
  await soon();
  await timer.stop();
  expect(tries).toHaveBeenCalledTimes(1);
});
