/** Whatever ends a job, what it recorded to be undone is undone by one job, which survives what ended the first. */
import { describe, expect, test } from "bun:test";
import type { RecordOrder } from "../../../src/daemon/core/checkpoint.ts";
import type { JobOptionsInput } from "../../../src/daemon/core/job-options.ts";
import type { Job } from "../../../src/daemon/core/job.ts";
import { explainJob } from "../../../src/daemon/engine/explain/explain-job.ts";
import { cancelJobs, deleteJobs, retryJobs } from "../../../src/daemon/engine/jobs/bulk-jobs.ts";
import { cancelJob } from "../../../src/daemon/engine/jobs/cancel-job.ts";
import { moveDueJobs } from "../../../src/daemon/engine/jobs/move-due-jobs.ts";
import { retryJob } from "../../../src/daemon/engine/jobs/retry-job.ts";
import { timeOutAttempts } from "../../../src/daemon/engine/jobs/time-out-attempts.ts";
import { watchJobs } from "../../../src/daemon/engine/jobs/watch-jobs.ts";
import type { CommittedChange } from "../../../src/daemon/engine/lane/change-feed.ts";
import { loseWorker } from "../../../src/daemon/engine/workers/lose-worker.ts";
import { recordCheckpoints, type RecordResult } from "../../../src/daemon/engine/workflows/record-checkpoints.ts";
import { createEngineWorld, type EngineWorld, fail, SUCCEED, type TestWorker } from "../../support/engine-world.ts";
import { rejection } from "../../support/rejection.ts";

const FN = "test:fn";
const ORDER: RecordOrder = {
  seq: 1,
  asked: 1,
  op: 7,
  alone: true,
  prompt: true,
  beside: false,
  undo: true,
  endedAttempt: false,
};
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function record(
  world: EngineWorld,
  worker: TestWorker,
  job: Job,
  names: readonly string[],
  value = "1",
  order = ORDER,
): Promise<readonly RecordResult[]> {
  const { jobId, leaseToken } = job;
  const reports = names.map((name) => {
    return { jobId, leaseToken, name, kind: "step", value: bytes(value), error: null, order } as const;
  });
  return new Promise((resolve) => recordCheckpoints(world.engine, worker.session, reports, resolve));
}

async function assigned(worker: TestWorker, count: number): Promise<Job> {
  await worker.assignedCount(count);
  return worker.assigned[count - 1] as Job;
}

/** A job at this worker that has recorded the steps "a" and "b". */
async function begun(world: EngineWorld, worker: TestWorker, options: JobOptionsInput = {}): Promise<Job> {
  const count = worker.assigned.length + 1;
  await world.enqueue(FN, { options });
  const job = await assigned(worker, count);
  await record(world, worker, job, ["a", "b"]);
  return job;
}

const undoJobsOf = (world: EngineWorld, { jobId }: Pick<Job, "jobId">) =>
  world.engine.store.workflows.listUndoJobs([jobId]);

/** A worker that takes one job at a time of another function, so that undo jobs stay where they are. */
const HELD = { functionNames: [FN], concurrency: 1 };

describe("a job gets one undo job when it ends", () => {
  const causes: readonly (readonly [
    string,
    Job["state"],
    JobOptionsInput,
    (world: EngineWorld, worker: TestWorker, job: Job) => Promise<unknown>,
  ])[] = [
    ["by its last failure", "DEAD", { maxAttempts: 1 }, (_, worker, job) => worker.report(job, fail("no"))],
    ["by a terminal failure", "DEAD", {}, (_, worker, job) => worker.report(job, fail("no", true))],
    [
      "by its time limit",
      "DEAD",
      { maxAttempts: 1, timeoutMs: 10 },
      async (world) => {
        world.clock.advance(1_000);
        await timeOutAttempts(world.engine);
      },
    ],
    ["by its last loss", "DEAD", {}, (world, worker) => loseWorker(world.engine, worker.session.workerId)],
    ["by a caller", "CANCELLED", {}, (world, _, job) => cancelJob(world.engine, job.jobId)],
    [
      "by a bulk cancel",
      "CANCELLED",
      {},
      (world, _, job) =>
        cancelJobs(world.engine, { filter: { jobIds: [job.jobId] }, dryRun: false, pageSize: 0, pageToken: "" }),
    ],
    [
      "by its finish deadline",
      "CANCELLED",
      { finishWithinMs: 500 },
      async (world) => {
        world.clock.advance(500);
        await moveDueJobs(world.engine);
      },
    ],
    [
      "by a cancel while it is parked",
      "CANCELLED",
      {},
      async (world, worker, job) => {
        const nap = { name: "nap", kind: "sleep", sleepMs: 1_000 } as const;
        await worker.report(job, { kind: "park", waits: [nap], waitingNames: ["nap"] });
        await cancelJob(world.engine, job.jobId);
      },
    ],
    [
      "by a cancel between two attempts",
      "CANCELLED",
      {},
      async (world, worker, job) => {
        await worker.report(job, fail("once"));
        expect(await undoJobsOf(world, job)).toEqual([]);
        await cancelJob(world.engine, job.jobId);
      },
    ],
  ];
  for (const [what, state, options, end] of causes) {
    test(what, async () => {
      await using world = await createEngineWorld({ maxLosses: 1 });
      const worker = await world.connect("w", HELD);
      const job = await begun(world, worker, options);
      await end(world, worker, job);
      await world.settled();
      const ended = await world.read(job.jobId);
      expect(ended.state).toBe(state);
      const [undo, ...others] = await undoJobsOf(world, job);
      expect(others).toEqual([]);
      expect(undo).toMatchObject({ undoOf: job.jobId, parentId: job.jobId, createdAt: ended.finishedAt });
      expect(["PENDING", "RUNNING"]).toContain(undo!.state);
    });
  }

  test("by the cancellation of its parent, which goes on to other children but not to what undoes", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w");
    const parent = await begun(world, worker);
    const childId = await world.enqueue(FN, { parentId: parent.jobId });
    const child = await assigned(worker, 2);
    await record(world, worker, child, ["c"]);
    worker.session.isDraining = true;
    await cancelJob(world.engine, parent.jobId);
    for (const jobId of [parent.jobId, childId]) {
      expect((await world.read(jobId)).state).toBe("CANCELLED");
      expect(await undoJobsOf(world, { jobId })).toMatchObject([{ undoOf: jobId, state: "PENDING" }]);
    }
  });

  test("also when a cancel and the end of its last attempt meet in one commit, in either order", async () => {
    await using world = await createEngineWorld();
    for (const isCancelFirst of [true, false]) {
      const worker = await world.connect(`w ${isCancelFirst}`);
      const job = await begun(world, worker);
      worker.session.isDraining = true;
      const cancel = () => cancelJob(world.engine, job.jobId);
      const settle = () => worker.report(job, fail("no", true));
      await Promise.all(isCancelFirst ? [cancel(), settle()] : [settle(), cancel()]);
      const [undo, ...others] = await undoJobsOf(world, job);
      expect(others).toEqual([]);
      await cancelJob(world.engine, undo!.jobId);
    }
  });

  test("but none when nothing was recorded, when it succeeds, or when it undoes something itself", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w");
    await world.enqueue(FN);
    const bare = await assigned(worker, 1);
    await worker.report(bare, fail("no", true));
    const fine = await begun(world, worker);
    await worker.report(fine, SUCCEED);
    const dead = await begun(world, worker);
    await worker.report(dead, fail("no", true));
    const undo = await assigned(worker, 4);
    await record(world, worker, undo, ["x"]);
    await worker.report(undo, fail("no", true));
    expect((await world.read(undo.jobId)).state).toBe("DEAD");
    for (const job of [bare, fine, undo]) expect(await undoJobsOf(world, job)).toEqual([]);
    expect(worker.assigned).toHaveLength(4);
  });
});

test("whoever watches is told of the undo job", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  const job = await begun(world, worker);
  const seen: CommittedChange[] = [];
  const watch = watchJobs(
    world.engine,
    { parentId: job.jobId },
    (changes) => seen.push(...changes),
    () => {},
  );
  await watch.ready;
  await worker.report(job, fail("no", true));
  const undo = await assigned(worker, 2);
  expect(seen.map(({ jobId, state }) => [jobId, state])).toEqual([
    [undo.jobId, "PENDING"],
    [undo.jobId, "RUNNING"],
  ]);
  watch.stop();
});

describe("an undo job comes to its worker", () => {
  test("behind what the job recorded, also in its first lease, and in the same commit that ended the job", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w");
    const job = await begun(world, worker, { headers: { a: "b" } });
    await worker.report(job, fail("no", true));
    const undo = await assigned(worker, 2);
    expect(undo).toMatchObject({ undoOf: job.jobId, leaseToken: 1, attempt: 1, maxAttempts: 10 });
    expect(undo.headers).toEqual({ "reseolio-undo-of": job.jobId, a: "b" });
    expect(worker.delivered[1]).toMatchObject({ resumed: false, checkpointCount: 2 });
    expect(worker.replayed.map(({ jobId, checkpoint, ofUndone }) => [jobId, checkpoint.name, ofUndone])).toEqual([
      [undo.jobId, "a", true],
      [undo.jobId, "b", true],
    ]);
  });

  test("and behind what it recorded itself, in its next attempts", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w");
    const job = await begun(world, worker);
    await worker.report(job, fail("no", true));
    const undo = await assigned(worker, 2);
    await record(world, worker, undo, ["undo b"]);
    await worker.report(undo, fail("once"));
    world.clock.advance(2_000);
    await moveDueJobs(world.engine);
    const again = await assigned(worker, 3);
    expect(again).toMatchObject({ jobId: undo.jobId, attempt: 2 });
    expect(worker.delivered[2]).toMatchObject({ checkpointCount: 3 });
    expect(worker.replayed.slice(2).map(({ checkpoint, ofUndone }) => [checkpoint.name, ofUndone])).toEqual([
      ["a", true],
      ["b", true],
      ["undo b", false],
    ]);
    expect(await worker.report(again, SUCCEED)).toBe("accepted");
  });

  test("in parts when there is much", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w");
    const job = await begun(world, worker);
    await record(world, worker, job, ["c", "d", "e"], JSON.stringify("x".repeat(700_000)));
    await worker.report(job, fail("no", true));
    const undo = await assigned(worker, 2);
    expect(worker.delivered[1]).toMatchObject({ checkpointCount: 5 });
    expect(worker.replayed.map(({ checkpoint, ofUndone }) => [checkpoint.name, ofUndone])).toEqual(
      ["a", "b", "c", "d", "e"].map((name) => [name, true]),
    );
    // What the job recorded does not count against what its undo job may record.
    expect(worker.session.find(undo)).toMatchObject({ checkpointCount: 0, checkpointBytes: 0 });
  });

  test("with nothing but news when it goes on where it was parked", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w");
    await worker.report(await begun(world, worker), fail("no", true));
    const undo = await assigned(worker, 2);
    const nap = { name: "nap", kind: "sleep", sleepMs: 1_000 } as const;
    await worker.report(undo, { kind: "park", waits: [nap], waitingNames: ["nap"] });
    world.clock.advance(1_000);
    await moveDueJobs(world.engine);
    await assigned(worker, 3);
    expect(worker.delivered[2]).toMatchObject({ resumed: true, checkpointCount: 1 });
    expect(worker.replayed.slice(2).map(({ checkpoint, ofUndone }) => [checkpoint.name, ofUndone])).toEqual([
      ["nap", false],
    ]);
  });

  test("only if it keeps the order of records: any other hands it back for a second, which is no attempt", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w", HELD);
    const job = await begun(world, worker);
    const old = await world.connect("old", { ordered: false });
    worker.session.isDraining = true;
    await worker.report(job, fail("no", true));
    const [undo] = await handedBack(world, job);
    expect(undo).toMatchObject({ state: "PENDING", attempt: 0, failures: 0, leaseToken: 1 });
    expect(undo!.runAt).toBe(world.clock.now() + 1_000);
    expect(old.assigned).toEqual([]);
    expect(old.session.leaseCount).toBe(0);
    const next = await world.connect("next");
    world.clock.advance(1_000);
    await moveDueJobs(world.engine);
    expect(await assigned(next, 1)).toMatchObject({ jobId: undo!.jobId, attempt: 1 });
    expect(old.assigned).toEqual([]);
  });

  test("or ends DEAD with a clear error when the job is gone", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w", HELD);
    const job = await begun(world, worker);
    worker.session.isDraining = true;
    await worker.report(job, fail("no", true));
    const [undo] = await undoJobsOf(world, job);
    Object.assign(world.engine.store.jobs, { listStatuses: async () => [] });
    await world.connect("next");
    while ((await world.read(undo!.jobId)).state !== "DEAD") await Bun.sleep(1);
    expect(await world.read(undo!.jobId)).toMatchObject({
      error: { name: "JobNotFoundError", reason: "terminal", message: expect.stringContaining(job.jobId) as string },
    });
  });
});

async function handedBack(world: EngineWorld, job: Job): Promise<readonly Job[]> {
  for (;;) {
    const undos = await undoJobsOf(world, job);
    if (undos.some(({ state, leaseToken }) => state === "PENDING" && leaseToken > 0)) return undos;
    await Bun.sleep(1);
  }
}

describe("retrying", () => {
  /** A job that ended, and what undoes its steps, which stays where it is. */
  async function undoing(world: EngineWorld, worker: TestWorker): Promise<readonly [Job, Job]> {
    const job = await begun(world, worker);
    const count = worker.assigned.length + 1;
    await worker.report(job, fail("no", true));
    const undo = await assigned(worker, count);
    expect(undo.undoOf).toBe(job.jobId);
    return [job, undo];
  }

  const retry = (world: EngineWorld, { jobId }: Job) => retryJob(world.engine, jobId);
  const countOf = async (world: EngineWorld, { jobId }: Job) =>
    (await world.engine.store.workflows.sumCheckpoints([jobId])).get(jobId)?.count ?? 0;

  test("a job is refused while its steps are being undone, and after that failed: then what undoes is retried", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w");
    const [job, undo] = await undoing(world, worker);
    expect(await rejection(retry(world, job))).toMatchObject({
      code: "failed_precondition",
      message: `job ${job.jobId} is DEAD: its steps are being undone by job ${undo.jobId}, which is RUNNING; wait for its end`,
    });
    await worker.report(undo, fail("no", true));
    expect(await rejection(retry(world, job))).toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining(`${undo.jobId} is DEAD; retry that job`) as string,
    });
    expect(await retry(world, undo)).toMatchObject({ jobId: undo.jobId, failures: 0 });
    const again = await assigned(worker, 3);
    expect(again).toMatchObject({ jobId: undo.jobId, undoOf: job.jobId });
    expect(worker.delivered[2]).toMatchObject({ checkpointCount: 2 });
    expect(await countOf(world, job)).toBe(2);
  });

  test("a job whose steps were undone begins from nothing, and can be undone again", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w");
    const [job, undo] = await undoing(world, worker);
    await worker.report(undo, SUCCEED);
    world.clock.advance(1);
    await retry(world, job);
    const again = await assigned(worker, 3);
    expect(again).toMatchObject({ jobId: job.jobId, attempt: 2 });
    expect(worker.delivered[2]).toMatchObject({ checkpointCount: 0 });
    await record(world, worker, again, ["a"]);
    await worker.report(again, fail("no", true));
    expect(await assigned(worker, 4)).toMatchObject({ undoOf: job.jobId });
    expect(worker.delivered[3]).toMatchObject({ checkpointCount: 1 });
  });

  test("what was undone before an earlier retry takes nothing from a later one", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w");
    const [job, undo] = await undoing(world, worker);
    await worker.report(undo, SUCCEED);
    world.clock.advance(1);
    await retry(world, job);
    const again = await assigned(worker, 3);
    await record(world, worker, again, ["a"], "1", { ...ORDER, undo: false });
    await worker.report(again, fail("no", true));
    await retry(world, job);
    expect(await countOf(world, job)).toBe(1);
  });

  test("a job of which a person cancelled the undoing before it began is retried with what it recorded; that cannot be undone by two", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w", HELD);
    const job = await begun(world, worker);
    await world.enqueue(FN);
    await worker.report(job, fail("no", true));
    const other = await assigned(worker, 2);
    const [undo] = (await undoJobsOf(world, job)) as [Job];
    expect(await cancelJob(world.engine, undo.jobId)).toMatchObject({ cancelled: true });
    world.clock.advance(1);
    await retry(world, job);
    expect(await countOf(world, job)).toBe(2);
    expect(await rejection(retry(world, undo))).toMatchObject({
      code: "failed_precondition",
      message: `job ${undo.jobId} undoes steps of job ${job.jobId}, which was retried since: there is nothing left for it to undo`,
    });
    await worker.report(other, SUCCEED);
    const again = await assigned(worker, 3);
    expect(again).toMatchObject({ jobId: job.jobId });
    await worker.report(again, fail("no", true));
    expect(await assigned(worker, 4)).toMatchObject({ undoOf: job.jobId });
    expect((await rejection(retry(world, undo))) as Error).toMatchObject({ code: "failed_precondition" });
  });

  test("a job of which a person cancelled the undoing half-way is refused until that has gone on: its records are not true any more", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w");
    const [job, undo] = await undoing(world, worker);
    await cancelJob(world.engine, undo.jobId);
    expect(await rejection(retry(world, job))).toMatchObject({
      code: "failed_precondition",
      message:
        `job ${job.jobId} is DEAD: some of its steps may already be undone, because job ${undo.jobId} had begun to undo them when ` +
        "it was cancelled; retry that one to continue undoing, and then this one, which starts from scratch",
    });
    expect((await explainJob(world.engine, job.jobId)).summary).toEndWith(
      `is CANCELLED; reseolio jobs retry ${undo.jobId} continues undoing, and after that reseolio jobs retry ${job.jobId} runs it from scratch; the two can only be deleted together.`,
    );
    await retry(world, undo);
    await worker.report(await assigned(worker, 3), SUCCEED);
    world.clock.advance(1);
    await retry(world, job);
    expect(await countOf(world, job)).toBe(0);
  });

  test("many at once leaves out what an undo stands in the way of", async () => {
    await using world = await createEngineWorld();
    const worker = await world.connect("w");
    const [dead, undo] = await undoing(world, worker);
    await worker.report(undo, fail("no", true));
    const [cancelled, begunUndo] = await undoing(world, worker);
    await cancelJob(world.engine, begunUndo.jobId);
    world.clock.advance(1);
    const jobIds = [dead, undo, cancelled, begunUndo].map((job) => job.jobId);
    const request = { filter: { jobIds }, dryRun: false, pageSize: 0, pageToken: "" };
    const result = await retryJobs(world.engine, request);
    expect(result.jobIds.toSorted()).toEqual([undo.jobId, begunUndo.jobId].toSorted());
  });
});

test("a job that is being undone is not deleted, and what undid it not without it", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  const job = await begun(world, worker);
  await worker.report(job, fail("no", true));
  const undo = await assigned(worker, 2);
  const remove = async (...jobs: readonly Job[]) => {
    const filter = { jobIds: jobs.map(({ jobId }) => jobId) };
    return (await deleteJobs(world.engine, { filter, dryRun: false, pageSize: 0, pageToken: "" })).jobIds;
  };
  expect(await remove(job)).toEqual([]);
  await worker.report(undo, SUCCEED);
  expect(await remove(undo)).toEqual([]);
  expect(await remove(job, undo)).toHaveLength(2);
});

test("a job whose undoing failed, or was cancelled half-way, is deleted only together with what was to undo it", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  const request = (dryRun: boolean, jobs: readonly Job[]) => {
    return { filter: { jobIds: jobs.map(({ jobId }) => jobId) }, dryRun, pageSize: 0, pageToken: "" };
  };
  /** A dry run says the same as the act. */
  const remove = async (...jobs: readonly Job[]) => {
    const foretold = (await deleteJobs(world.engine, request(true, jobs))).jobIds;
    const { jobIds } = await deleteJobs(world.engine, request(false, jobs));
    expect(foretold.toSorted()).toEqual(jobIds.toSorted());
    return jobIds;
  };
  for (const [count, end] of [
    [2, (undo: Job) => worker.report(undo, fail("refused", true))],
    [4, (undo: Job) => cancelJob(world.engine, undo.jobId)],
  ] as const) {
    const job = await begun(world, worker);
    await worker.report(job, fail("no", true));
    const undo = await assigned(worker, count);
    await end(undo);
    expect((await retryJobs(world.engine, request(true, [job]))).jobIds).toEqual([]);
    expect(await remove(job)).toEqual([]);
    expect(await remove(undo)).toEqual([]);
    expect(await remove(job, undo)).toHaveLength(2);
  }
});

test("explain says how a job is being undone, and how to go on when that failed", async () => {
  await using world = await createEngineWorld();
  const worker = await world.connect("w");
  const job = await begun(world, worker);
  const summary = async ({ jobId }: Job) => (await explainJob(world.engine, jobId)).summary;
  await worker.report(job, fail("no", true));
  const undo = await assigned(worker, 2);
  const dead = `job ${job.jobId} of test:fn is DEAD after 1 failures and 0 lost workers: Error: no; its steps`;
  expect(await summary(job)).toBe(
    `${dead} are being undone by job ${undo.jobId}, which is RUNNING: the job can be retried or deleted after that.`,
  );
  expect(await summary(undo)).toStartWith(
    `job ${undo.jobId} of test:fn, which undoes steps of job ${job.jobId}, is RUNNING: `,
  );
  await worker.report(undo, fail("refused", true));
  expect(await summary(job)).toBe(
    `${dead} were not all undone because job ${undo.jobId} is DEAD (Error: refused); reseolio jobs retry ${undo.jobId} continues undoing; the two can only be deleted together.`,
  );
  await retryJob(world.engine, undo.jobId);
  await cancelJob(world.engine, undo.jobId);
  expect(await summary(job)).toContain(
    `is CANCELLED; reseolio jobs retry ${undo.jobId} continues undoing, and after that reseolio jobs retry ${job.jobId}`,
  );
  await retryJob(world.engine, undo.jobId);
  await worker.report(await assigned(worker, 4), SUCCEED);
  expect(await summary(job)).toBe(
    `${dead} were undone by job ${undo.jobId}; reseolio jobs retry ${job.jobId} runs it from scratch.`,
  );
});
