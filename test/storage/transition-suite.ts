/** How a store moves a job from state to state: only under its lease, and never out of its end. */
import { expect, test } from "bun:test";
import { decide } from "../../src/daemon/core/job-machine.ts";
import { isTerminal } from "../../src/daemon/core/job.ts";
import {
  claim,
  claimOne,
  enqueue,
  failed,
  finished,
  FUNCTION,
  happen,
  type MakeStore,
  newJobId,
  read,
  stored,
  type StoreWorld,
  succeeded,
  text,
  WORKER,
} from "./store-world.ts";

export function transitionTests(makeStore: MakeStore): void {
  test("success keeps the result, the worker and the time", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const job = await claimOne(world);
    world.clock.advance(20);
    expect(await happen(world, { ...job, startedAt: job.startedAt! + 5 }, succeeded('{"n":1}'))).toBe(true);
    const after = await read(world, jobId);
    expect(text(after.result)).toBe('{"n":1}');
    expect(after).toMatchObject({
      state: "SUCCESS",
      finishedAt: world.clock.now(),
      startedAt: job.startedAt! + 5,
      workerId: WORKER,
      leaseToken: 1,
      error: null,
    });
    expect(await world.store.jobs.listAttempts(jobId, 1_000)).toEqual([]);
  });

  test("an empty result is a result", async () => {
    await using world = await makeStore();
    const jobId = await finished(world, {}, { kind: "succeed", result: new Uint8Array(0) });
    expect((await read(world, jobId)).result).toEqual(new Uint8Array(0));
  });

  test("a failed attempt is recorded and the job waits for its retry", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { jitter: 0, initialDelayMs: 700 });
    const job = await claimOne(world);
    world.clock.advance(10);
    await happen(world, job, failed("first"));
    const now = world.clock.now();
    const after = await read(world, jobId);
    expect(after).toMatchObject({ state: "PENDING", failures: 1, attempt: 1, runAt: now + 700, workerId: null });
    expect(after.error).toEqual({ name: "Error", message: "first", reason: "handler" });
    expect(await world.store.jobs.listAttempts(jobId, 1_000)).toEqual([
      {
        jobId,
        attempt: 1,
        workerId: WORKER,
        startedAt: job.startedAt!,
        endedAt: now,
        outcome: "failed",
        error: { name: "Error", message: "first", reason: "handler" },
      },
    ]);
    expect(await claim(world)).toEqual([]);
  });

  test("attempts run out into DEAD, each one recorded, oldest first", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { maxAttempts: 3, initialDelayMs: 0 });
    for (const message of ["one", "two", "three"]) await happen(world, await claimOne(world), failed(message));
    expect(await read(world, jobId)).toMatchObject({ state: "DEAD", failures: 3, attempt: 3 });
    const attempts = await world.store.jobs.listAttempts(jobId, 1_000);
    expect(attempts.map((one) => one.error?.message)).toEqual(["one", "two", "three"]);
    expect(await world.store.jobs.listAttempts(jobId, 2)).toEqual(attempts.slice(1));
  });

  const movedOn = {
    "settled by another report": async (world: StoreWorld, job: Parameters<typeof happen>[1]) => {
      await happen(world, job, failed());
    },
    "timed out": async (world: StoreWorld, job: Parameters<typeof happen>[1]) => {
      await happen(world, job, { kind: "timeout" });
    },
    "lost with its worker": async (world: StoreWorld, job: Parameters<typeof happen>[1]) => {
      await happen(world, job, { kind: "lose" });
    },
    cancelled: async (world: StoreWorld, job: Parameters<typeof happen>[1]) => {
      await happen(world, job, { kind: "cancel", reason: "cancelled" });
    },
    "lost and claimed again": async (world: StoreWorld, job: Parameters<typeof happen>[1]) => {
      await happen(world, job, { kind: "lose" });
      await claimOne(world);
    },
  };
  for (const [how, move] of Object.entries(movedOn)) {
    for (const event of [succeeded('"stale"'), failed("stale"), { kind: "release", started: true } as const]) {
      test(`P4: ${event.kind} under a stale lease changes nothing when the job was ${how}`, async () => {
        await using world = await makeStore();
        const jobId = await stored(world);
        const job = await claimOne(world);
        await move(world, job);
        const before = [
          await read(world, jobId),
          await world.store.jobs.listAttempts(jobId, 1_000),
          await world.store.jobs.count(),
        ];
        expect(await happen(world, job, event)).toBe(false);
        expect([
          await read(world, jobId),
          await world.store.jobs.listAttempts(jobId, 1_000),
          await world.store.jobs.count(),
        ]).toEqual(before);
      });
    }
  }

  for (const end of [succeeded('"kept"'), failed("kept"), { kind: "cancel", reason: "cancelled" } as const]) {
    test(`P5: nothing moves a job that ended by ${end.kind}, not even under its last lease`, async () => {
      await using world = await makeStore();
      const jobId = await stored(world, { maxAttempts: 1 });
      const running = await claimOne(world);
      await happen(world, running, end);
      const before = await read(world, jobId);
      expect(isTerminal(before.state)).toBe(true);
      for (const event of [succeeded('"other"'), failed("other"), { kind: "timeout" }, { kind: "lose" }] as const) {
        expect(await happen(world, { ...running, leaseToken: before.leaseToken }, event)).toBe(false);
      }
      world.clock.advance(1e9);
      await world.store.transact((tx) => tx.jobs.promoteDue(10));
      expect(await claim(world)).toEqual([]);
      expect(await read(world, jobId)).toEqual(before);
    });
  }

  test("P5: a retry by a person starts failures at 0 and lets attempt numbers go on", async () => {
    await using world = await makeStore();
    const jobId = await finished(world, { maxAttempts: 1, startWithinMs: 10, finishWithinMs: 50 }, failed("kept"));
    world.clock.advance(1000);
    expect(await happen(world, await read(world, jobId), { kind: "retry" })).toBe(true);
    expect(await read(world, jobId)).toMatchObject({
      state: "PENDING",
      failures: 0,
      attempt: 1,
      finishedAt: null,
      startBy: null,
      finishBy: null,
      runAt: world.clock.now(),
    });
    expect(await claimOne(world)).toMatchObject({ jobId, attempt: 2 });
  });

  test("a job handed back unstarted gives its attempt number back and is ready at once", async () => {
    await using world = await makeStore();
    await stored(world);
    await happen(world, await claimOne(world), { kind: "release", started: false });
    expect(await claimOne(world)).toMatchObject({ attempt: 1, leaseToken: 2, failures: 0, losses: 0 });
  });

  test("transitions of one batch see each other and answer one by one", async () => {
    await using world = await makeStore();
    await enqueue(world, {}, {});
    const [first, second] = await claim(world, 2);
    const settings = { maxLosses: 10 };
    const transitions = [first!, first!, second!].map((job) => decide(job, succeeded(), settings, 0)!);
    expect(await world.store.transact((tx) => tx.jobs.applyTransitions(transitions))).toEqual([true, false, true]);
  });

  test("a job handed back and claimed again in one transaction is leased to its new worker only", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const [job] = await claim(world, 1, [FUNCTION], "old");
    const release = decide(job!, { kind: "release", started: false }, { maxLosses: 10 }, 0)!;
    await world.store.transact(async (tx) => {
      await tx.jobs.applyTransitions([release]);
      await tx.jobs.claim([{ workerId: "new", functionNames: [FUNCTION], limit: 1 }]);
    });
    expect(await world.store.transact((tx) => tx.jobs.listLeased("old"))).toEqual([]);
    expect(await world.store.transact((tx) => tx.jobs.listLeased("new"))).toMatchObject([{ jobId, leaseToken: 2 }]);
    const page = await world.store.jobs.list({ filter: { states: ["RUNNING"] }, limit: 5, before: null });
    expect(page.jobs).toMatchObject([{ jobId }]);
  });

  test("listLiveChildren gives the children that are not terminal", async () => {
    await using world = await makeStore();
    const parentId = await stored(world, { functionName: "test:parent" });
    await finished(world, { parentId });
    const live = [await stored(world, { parentId }), await stored(world, { parentId, delayMs: 10 })];
    await stored(world, { parentId: newJobId(1) });
    const children = await world.store.transact((tx) => tx.jobs.listLiveChildren([parentId, newJobId(2)]));
    expect(children.map((job) => job.jobId).sort()).toEqual(live.sort());
  });

  test("counters follow every change of state", async () => {
    await using world = await makeStore();
    const counts = async () =>
      Object.fromEntries((await world.store.jobs.count()).map(({ state, count }) => [state, count]));
    await enqueue(world, {}, {}, {}, { delayMs: 5 });
    expect(await counts()).toEqual({ PENDING: 4 });
    const jobs = await claim(world, 3);
    expect(await counts()).toEqual({ PENDING: 1, RUNNING: 3 });
    await happen(world, jobs[0]!, succeeded());
    await happen(world, jobs[1]!, failed());
    await happen(world, jobs[2]!, { kind: "cancel", reason: "cancelled" });
    expect(await counts()).toEqual({ PENDING: 2, SUCCESS: 1, CANCELLED: 1 });
    await world.store.transact((tx) => tx.jobs.delete(jobs.map((job) => job.jobId)));
    expect(await counts()).toEqual({ PENDING: 2 });
  });
}
