import { describe, expect, test } from "bun:test";
import type { RecordOrder } from "../../src/daemon/core/checkpoint.ts";
import type { JobEvent } from "../../src/daemon/core/job-machine.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import type { NewCheckpoint } from "../../src/daemon/storage/seam/workflows.ts";
import {
  bytes,
  claim,
  claimOne,
  FUNCTION,
  happen,
  type JobInput,
  type MakeStore,
  newJobId,
  read,
  stored,
  type StoreWorld,
  succeeded,
} from "./store-world.ts";

/** What every store must do for undo jobs. */
export function undoSuite(name: string, makeStore: MakeStore): void {
  describe(`${name}: undo jobs`, () => {
    describe("storeUndoJobs", () => storeTests(makeStore));
    describe("reading", () => readTests(makeStore));
    describe("what stays and what goes", () => lifetimeTests(makeStore));
  });
}

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
const DIE: JobEvent = { kind: "fail", error: { name: "Error", message: "no" }, terminal: true, retryAfterMs: null };
const CANCEL: JobEvent = { kind: "cancel", reason: "cancelled" };

function step(job: Job, name: string, given: Partial<NewCheckpoint> = {}): NewCheckpoint {
  const { jobId, leaseToken, failures } = job;
  return {
    ...{ jobId, leaseToken, name, kind: "step", value: bytes("1"), error: null, failures, place: 1, order: ORDER },
    awaitedJobId: null,
    ...given,
  };
}

/** A job that recorded these steps, and then ended like this. */
async function ended(
  world: StoreWorld,
  input: JobInput = {},
  event: JobEvent = DIE,
  steps: readonly Partial<NewCheckpoint>[] = [{}],
): Promise<Job> {
  const jobId = await stored(world, input);
  const job = await claimOne(world);
  const items = steps.map((given, index) => step(job, `s${index}`, given));
  await world.store.transact((tx) => tx.workflows.record(items));
  await happen(world, job, event);
  return read(world, jobId);
}

/** Stores the job's undo job, if it is to have one. */
async function undo(world: StoreWorld, { jobId }: Pick<Job, "jobId">): Promise<Job | null> {
  const undoId = newJobId(world.clock.now());
  const [done] = await world.store.transact((tx) => tx.workflows.storeUndoJobs([{ jobId, undoId }]));
  if (done === undefined) return null;
  expect(done).toEqual({ jobId: undoId, functionName: FUNCTION, parentId: jobId });
  return read(world, undoId);
}

async function undoOf(world: StoreWorld, job: Job): Promise<Job> {
  const found = await undo(world, job);
  if (found === null) throw new Error("no undo job was stored");
  return found;
}

/** Claims the undo job, which is the only job that is ready, and ends it. */
async function finish(world: StoreWorld, undoing: Job, event: JobEvent = succeeded()): Promise<void> {
  const job = await claimOne(world);
  expect(job.jobId).toBe(undoing.jobId);
  await happen(world, job, event);
}

async function exists(world: StoreWorld, { jobId }: Job): Promise<boolean> {
  return (await world.store.jobs.get(jobId)) !== null;
}

function storeTests(makeStore: MakeStore): void {
  test("an undo job is a child with the function, args, headers, time limit and priority of the job, and retries of its own", async () => {
    await using world = await makeStore();
    const headers = { traceparent: "00-x", odd: 'a "quoted" \0 {}, ünï' };
    const dead = await ended(world, {
      ...{ args: '["a"]', headers, timeoutMs: 77, priority: -3, idempotencyKey: "k", maxAttempts: 2 },
      ...{ backoff: "fixed", finishWithinMs: 1_000, startWithinMs: 1_000 },
    });
    world.clock.advance(5);
    const now = world.clock.now();
    const undoing = await undoOf(world, dead);
    expect(undoing).toEqual({
      ...{ ...dead, jobId: undoing.jobId, state: "PENDING", error: null },
      ...{ maxAttempts: 10, backoff: "exponential", initialDelayMs: 1000, maxDelayMs: 60000, jitter: 0.1 },
      ...{ timeoutMs: 77, priority: -3, idempotencyKey: null },
      headers: { "reseolio-undo-of": dead.jobId, ...headers },
      ...{ parentId: dead.jobId, undoOf: dead.jobId },
      ...{ createdAt: now, runAt: now, startBy: null, finishBy: null, startedAt: null, finishedAt: null },
      ...{ attempt: 0, failures: 0, losses: 0, leaseToken: 0, workerId: null },
    });
    expect(await world.store.jobs.count()).toContainEqual({ functionName: FUNCTION, state: "PENDING", count: 1 });
    const [claimed] = await claim(world);
    expect(claimed).toMatchObject({ jobId: undoing.jobId, undoOf: dead.jobId, args: bytes('["a"]') });
  });

  test("large args are kept, and a job without headers gets the mark alone", async () => {
    await using world = await makeStore();
    const args = `["${"x".repeat(100_000)}"]`;
    const undoing = await undoOf(world, await ended(world, { args }));
    expect(undoing.args).toEqual(bytes(args));
    expect(Object.keys(undoing.headers)).toEqual(["reseolio-undo-of"]);
  });

  test("a CANCELLED job has one too", async () => {
    await using world = await makeStore();
    expect(await undo(world, await ended(world, {}, CANCEL))).toMatchObject({ state: "PENDING" });
  });

  const without: readonly (readonly [string, JobEvent, readonly Partial<NewCheckpoint>[]])[] = [
    ["that recorded nothing", DIE, []],
    ["whose steps cannot be undone", DIE, [{ order: { ...ORDER, undo: false } }, { order: null }]],
    ["whose step failed", DIE, [{ value: null, error: { name: "Error", message: "no" } }]],
    ["that succeeded", succeeded(), [{}]],
    ["that is tried again", { kind: "lose" }, [{}]],
  ];
  for (const [what, event, steps] of without) {
    test(`a job ${what} gets none`, async () => {
      await using world = await makeStore();
      expect(await undo(world, await ended(world, {}, event, steps))).toBeNull();
    });
  }

  test("one step among many is enough, and each job of a batch is judged for itself", async () => {
    await using world = await makeStore();
    const none = await ended(world, {}, DIE, [{ order: null }]);
    const some = await ended(world, {}, DIE, [{ order: null }, { order: { ...ORDER, undo: false } }, {}]);
    const unknown = newJobId(world.clock.now());
    const items = [none.jobId, unknown, some.jobId].map((jobId) => ({ jobId, undoId: newJobId(world.clock.now()) }));
    expect(await world.store.transact((tx) => tx.workflows.storeUndoJobs(items))).toEqual([
      { jobId: items[2]!.undoId, functionName: FUNCTION, parentId: some.jobId },
    ]);
    expect(await world.store.transact((tx) => tx.workflows.storeUndoJobs([]))).toEqual([]);
  });

  test("an undo job gets none itself, whatever it recorded", async () => {
    await using world = await makeStore();
    const undoing = await undoOf(world, await ended(world));
    const job = await claimOne(world);
    await world.store.transact((tx) => tx.workflows.record([step(job, "s0")]));
    await happen(world, job, DIE);
    expect(await undo(world, undoing)).toBeNull();
  });
}

function readTests(makeStore: MakeStore): void {
  test("lists and decisions know an undo job without reading its headers", async () => {
    await using world = await makeStore();
    const dead = await ended(world, {
      headers: { a: '"reseolio-undo-of":', 'b"reseolio-undo-of': "reseolio-undo-of" },
    });
    const undoing = await undoOf(world, dead);
    const filter = { jobIds: [dead.jobId, undoing.jobId] };
    const { jobs } = await world.store.jobs.list({ filter, limit: 10, before: null });
    const held = await world.store.transact((tx) => tx.jobs.getMany(filter.jobIds));
    for (const found of [jobs, held]) {
      expect(found.map((job) => [job.jobId, job.undoOf, job.headers]).sort()).toEqual(
        [
          [dead.jobId, null, {}],
          [undoing.jobId, dead.jobId, {}],
        ].sort(),
      );
    }
    const children = await world.store.transact((tx) => tx.jobs.listLiveChildren([dead.jobId]));
    expect(children).toMatchObject([{ jobId: undoing.jobId, undoOf: dead.jobId }]);
  });

  test("the undo jobs of a job are found among its children, inside and outside of a transaction", async () => {
    await using world = await makeStore();
    const dead = await ended(world);
    const undoing = await undoOf(world, dead);
    await stored(world, { parentId: dead.jobId });
    const other = await ended(world, { functionName: FUNCTION, priority: 1 }, DIE, []);
    for (const found of [
      await world.store.workflows.listUndoJobs([dead.jobId, other.jobId]),
      await world.store.transact((tx) => tx.workflows.listUndoJobs([dead.jobId, other.jobId])),
    ]) {
      expect(found).toMatchObject([{ jobId: undoing.jobId, undoOf: dead.jobId, state: "PENDING" }]);
    }
    expect(await world.store.workflows.listUndoJobs([])).toEqual([]);
  });
}

function lifetimeTests(makeStore: MakeStore): void {
  async function pruned(world: StoreWorld, ...states: readonly Job["state"][]): Promise<number> {
    world.clock.advance(1_000);
    const finishedBefore = world.clock.now();
    let deleted = 0;
    for (const state of states) {
      deleted += (await world.store.transact((tx) => tx.jobs.prune({ state, finishedBefore, limit: 100 }))).deleted;
    }
    return deleted;
  }

  test("a job stays while it is being undone, and its undo job as long as it", async () => {
    await using world = await makeStore();
    const dead = await ended(world);
    const undoing = await undoOf(world, dead);
    const remove = (...jobs: readonly Job[]) =>
      world.store.transact((tx) => tx.jobs.delete(jobs.map(({ jobId }) => jobId)));
    expect(await remove(dead, undoing)).toEqual([]);
    expect(await pruned(world, "DEAD", "SUCCESS")).toBe(0);
    await finish(world, undoing);
    expect(await remove(undoing)).toEqual([]);
    expect(await pruned(world, "SUCCESS")).toBe(0);
    expect(await remove(dead)).toEqual([dead.jobId]);
    expect(await exists(world, undoing)).toBe(true);
    expect(await remove(undoing)).toEqual([undoing.jobId]);
  });

  test("both go in one act, in whatever order they are named", async () => {
    await using world = await makeStore();
    for (const inOrder of [true, false]) {
      const dead = await ended(world);
      const undoing = await undoOf(world, dead);
      await finish(world, undoing, DIE);
      const jobIds = inOrder ? [dead.jobId, undoing.jobId] : [undoing.jobId, dead.jobId];
      expect((await world.store.transact((tx) => tx.jobs.delete(jobIds))).toSorted()).toEqual(jobIds.toSorted());
      expect(await world.store.workflows.sumCheckpoints(jobIds)).toEqual(new Map());
    }
  });

  test("pruning takes the job first and its undo job after it", async () => {
    await using world = await makeStore();
    const dead = await ended(world, {}, CANCEL);
    const undoing = await undoOf(world, dead);
    await finish(world, undoing);
    expect(await pruned(world, "SUCCESS", "CANCELLED", "SUCCESS")).toBe(2);
    expect([await exists(world, dead), await exists(world, undoing)]).toEqual([false, false]);
  });

  test("what a job called stays as long as it, if it has steps that can be undone", async () => {
    await using world = await makeStore();
    for (const [isUndoable, ...deleted] of [
      [true, 0, 3],
      [false, 1, 1],
    ] as const) {
      const jobId = await stored(world);
      const job = await claimOne(world);
      const childId = await stored(world, { parentId: jobId });
      await happen(world, await claimOne(world), succeeded());
      const order = isUndoable ? ORDER : null;
      await world.store.transact((tx) => tx.workflows.record([step(job, "s", { order })]));
      await happen(world, job, CANCEL);
      const undoing = await undo(world, job);
      if (undoing !== null) await finish(world, undoing);
      expect(await pruned(world, "SUCCESS")).toBe(deleted[0]);
      expect((await world.store.jobs.get(childId)) !== null).toBe(isUndoable);
      expect(await pruned(world, "CANCELLED", "SUCCESS")).toBe(deleted[1]);
    }
  });

  test("the undo job of an earlier end goes by itself", async () => {
    await using world = await makeStore();
    const dead = await ended(world);
    const undoing = await undoOf(world, dead);
    await finish(world, undoing);
    world.clock.advance(1);
    await happen(world, dead, { kind: "retry" });
    await happen(world, await claimOne(world), DIE);
    expect(await world.store.transact((tx) => tx.jobs.delete([undoing.jobId]))).toEqual([undoing.jobId]);
  });

  test("a retry of the job that keeps its records takes an undo job that ended badly for no child to call again", async () => {
    await using world = await makeStore();
    const dead = await ended(world);
    const undoing = await undoOf(world, dead);
    await happen(world, undoing, CANCEL);
    await happen(world, dead, { kind: "retry" });
    const records = await world.store.workflows.listRecords(dead.jobId, 10);
    expect(records.map(({ name }) => name)).toEqual(["s0"]);
  });

  test("records are forgotten of those jobs alone", async () => {
    await using world = await makeStore();
    const [one, other] = [await ended(world), await ended(world)];
    await world.store.transact((tx) => tx.workflows.forgetRecords([one.jobId]));
    expect([...(await world.store.workflows.sumCheckpoints([one.jobId, other.jobId])).keys()]).toEqual([other.jobId]);
    await world.store.transact((tx) => tx.workflows.forgetRecords([]));
  });
}
