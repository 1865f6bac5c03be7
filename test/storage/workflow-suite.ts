import { describe, expect, test } from "bun:test";
import type { NewWait } from "../../src/daemon/core/checkpoint.ts";
import { decide, type JobEvent } from "../../src/daemon/core/job-machine.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import type { NewCheckpoint, ParkedJob } from "../../src/daemon/storage/seam/workflows.ts";
import {
  bytes,
  claim,
  claimOne,
  failed,
  finished,
  FUNCTION,
  happen,
  type MakeStore,
  read,
  stored,
  type StoreWorld,
  succeeded,
  text,
  WORKER,
} from "./store-world.ts";

const ODD_NAMES = ["ünï \u{1F600}", "with\0zero and \x10 ten", "'; drop table jobs; --", '%_\\"{},', "x".repeat(256)];

/** What every store must do for workflows, whatever it is made of. */
export function workflowSuite(name: string, makeStore: MakeStore): void {
  describe(`${name}: workflows`, () => {
    describe("recordCheckpoints", () => recordTests(makeStore));
    describe("parking and waking", () => parkTests(makeStore));
    describe("waits", () => waitTests(makeStore));
    describe("events", () => eventTests(makeStore));
    describe("what stays and what goes", () => lifetimeTests(makeStore));
  });
}

/** Of a client that keeps no order. */
const LEGACY = { order: null, awaitedJobId: null };

function step(job: Job, name: string, value: string, place = 0): NewCheckpoint {
  const { jobId, leaseToken, failures } = job;
  return { jobId, leaseToken, name, kind: "step", value: bytes(value), error: null, failures, place, ...LEGACY };
}

function record(world: StoreWorld, ...items: readonly NewCheckpoint[]) {
  return world.store.transact((tx) => tx.workflows.record(items));
}

async function replay(world: StoreWorld, jobId: string, sinceToken: number | null = null, maxBytes = 1_000_000) {
  const all: { readonly name: string; readonly value: string | null }[] = [];
  let pages = 0;
  for (let afterName: string | null = null; ; pages++) {
    const page = await world.store.workflows.listCheckpoints({ jobId, sinceToken, afterName, maxBytes });
    all.push(...page.checkpoints.map(({ name, value }) => ({ name, value: text(value) })));
    if (page.next === null) return { all, pages: pages + 1 };
    afterName = page.next;
  }
}

/** Parks the job for all of these waits. Returns whether it could go on at once. */
async function park(world: StoreWorld, job: Job, ...waits: readonly NewWait[]): Promise<readonly ParkedJob[]> {
  const transition = decide(job, { kind: "park", ranMs: 7 }, { maxLosses: 10 }, 0)!;
  return world.store.transact(async (tx) => {
    const [applied] = await tx.jobs.applyTransitions([transition]);
    if (applied !== true) throw new Error("the park was refused");
    const waitingNames = waits.map((wait) => wait.name);
    const { jobId, leaseToken } = job;
    return (await tx.workflows.park([{ jobId, leaseToken, waits, waitingNames, place: 0, order: null }])).over;
  });
}

function wake(world: StoreWorld, job: Job, graceMs = 0): Promise<boolean> {
  return happen(world, job, { kind: "wake", graceMs });
}

const nap = (name: string, sleepMs: number): NewWait => ({ name, kind: "sleep", sleepMs });
const event = (name: string, eventName: string, timeoutMs: number | null = null): NewWait => {
  return { name, kind: "event", eventName, timeoutMs };
};

function recordTests(makeStore: MakeStore): void {
  test("P11: a recorded value reads the same for ever, whatever is recorded under its name later", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const job = await claimOne(world);
    expect(await record(world, step(job, "a", "1"), step(job, "a", "2"))).toEqual([
      { kind: "recorded", isNew: true },
      { kind: "repeated" },
    ]);
    expect(await record(world, step(job, "a", "3"))).toEqual([{ kind: "repeated" }]);
    expect((await replay(world, jobId)).all).toEqual([{ name: "a", value: "1" }]);
  });

  test("a name that is known as something else is told with what it is", async () => {
    await using world = await makeStore();
    await stored(world);
    const job = await claimOne(world);
    await record(world, step(job, "a", "1"));
    expect(await record(world, { ...step(job, "a", "2"), kind: "choice" })).toEqual([
      { kind: "conflict", known: "step" },
    ]);
  });

  const takings: readonly (readonly [string, JobEvent])[] = [
    ["lost with its worker", { kind: "lose" }],
    ["timed out", { kind: "timeout" }],
    ["cancelled", { kind: "cancel", reason: "cancelled" }],
    ["settled", succeeded()],
    ["handed back", { kind: "release", started: true }],
  ];
  for (const [what, taking] of takings) {
    test(`P4: nothing is recorded under a lease that was ${what}`, async () => {
      await using world = await makeStore();
      const jobId = await stored(world);
      const job = await claimOne(world);
      await happen(world, job, taking);
      expect(await record(world, step(job, "late", "1"))).toEqual([{ kind: "stale" }]);
      await claim(world);
      expect(await record(world, step(job, "late", "1"))).toEqual([{ kind: "stale" }]);
      expect((await replay(world, jobId)).all).toEqual([]);
    });
  }

  test("items of several jobs in one batch are judged each by its own lease", async () => {
    await using world = await makeStore();
    await stored(world);
    await stored(world);
    const [one, two] = (await claim(world, 2)) as [Job, Job];
    await happen(world, two, { kind: "lose" });
    const unknown = step({ ...one, jobId: "0192f0c1-2345-7000-8000-0000000000ff" }, "x", "1");
    const outcomes = await record(world, step(two, "b", "1"), step(one, "a", "1"), unknown, step(one, "c", "2"));
    expect(outcomes.map(({ kind }) => kind)).toEqual(["stale", "recorded", "stale", "recorded"]);
  });

  test("a step's error stays while no attempt has failed since, and gives way when the step was tried again", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { initialDelayMs: 0, jitter: 0 });
    const job = await claimOne(world);
    const error = { name: "Error", message: "no", stack: "at x" };
    const broken = { ...step(job, "a", ""), value: null, error };
    expect(await record(world, broken)).toEqual([{ kind: "recorded", isNew: true }]);
    expect(await record(world, step(job, "a", "1"))).toEqual([{ kind: "repeated" }]);
    expect((await world.store.workflows.listRecords(jobId, 10))[0]).toMatchObject({ error, failures: 0 });
    await happen(world, job, failed());
    const again = await claimOne(world);
    expect(await record(world, step(again, "a", "1"))).toEqual([{ kind: "recorded", isNew: false }]);
    expect((await replay(world, jobId)).all).toEqual([{ name: "a", value: "1" }]);
  });

  test("a worker may record the end of a wait that the store knows of; it is not ended again", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), nap("n", 1_000), event("w", "e"));
    await wake(world, await read(world, jobId));
    const job = await claimOne(world);
    const ended: NewCheckpoint = { ...step(job, "n", ""), kind: "sleep", value: null };
    expect(await record(world, ended, { ...ended, kind: "value" })).toMatchObject([
      { kind: "recorded" },
      { kind: "conflict", known: "sleep" },
    ]);
    expect((await replay(world, jobId)).all).toEqual([{ name: "n", value: null }]);
    world.clock.advance(1_000);
    expect(await world.store.transact((tx) => tx.workflows.endDueWaits(10))).toEqual({ ended: 0, woken: [] });
  });

  test("names and values come back byte for byte, in parts that fit", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const job = await claimOne(world);
    const large = `"${"y".repeat(300_000)}"`;
    await record(world, ...ODD_NAMES.map((name, place) => step(job, name, large, place)));
    const { all, pages } = await replay(world, jobId, null, 700_000);
    expect(pages).toBe(3);
    expect(new Set(all.map(({ name }) => name))).toEqual(new Set(ODD_NAMES));
    expect(all.every(({ value }) => value === large)).toBe(true);
    expect((await replay(world, jobId, null, 1)).pages).toBe(ODD_NAMES.length);
    expect((await world.store.workflows.listRecords(jobId, 100)).map(({ name }) => name)).toEqual(ODD_NAMES);
    expect((await world.store.workflows.listRecords(jobId, 2)).map(({ name }) => name)).toEqual(ODD_NAMES.slice(-2));
    expect((await world.store.workflows.sumCheckpoints([jobId, jobId])).get(jobId)).toEqual({
      count: ODD_NAMES.length,
      open: 0,
      awaited: 0,
      bytes: ODD_NAMES.length * large.length,
    });
  });

  test("a thousand checkpoints are replayed whole", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const job = await claimOne(world);
    const items = Array.from({ length: 1_000 }, (_, place) => step(job, `step#${place}`, String(place), place));
    await record(world, ...items);
    const { all } = await replay(world, jobId);
    expect(new Map(all.map(({ name, value }) => [name, value]))).toEqual(
      new Map(items.map(({ name, value }) => [name, text(value)])),
    );
    expect(all).toHaveLength(1_000);
  });
}

function parkTests(makeStore: MakeStore): void {
  test("a parked job is SUSPENDED, keeps who has its handler, and nobody may claim it", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const job = await claimOne(world);
    expect(await park(world, job, event("w", "e"))).toEqual([]);
    expect(await read(world, jobId)).toMatchObject({ state: "SUSPENDED", workerId: WORKER, ranMs: 7, attempt: 1 });
    expect(await claim(world)).toEqual([]);
    expect(await world.store.transact((tx) => tx.jobs.resume([{ workerId: WORKER, limit: 5 }]))).toMatchObject([
      { jobs: [] },
    ]);
    expect(await happen(world, job, succeeded())).toBe(false);
    expect((await world.store.jobs.count()).map(({ state, count }) => [state, count])).toEqual([["SUSPENDED", 1]]);
  });

  test("a woken job is resumed by its worker before its grace is over, in the same attempt, and by no other", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), event("w", "e"));
    await wake(world, await read(world, jobId), 500);
    expect(await read(world, jobId)).toMatchObject({ state: "PENDING", workerId: WORKER });
    expect(await claim(world, 1, [FUNCTION], "another")).toEqual([]);
    const [none, [resumed]] = await world.store.transact(async (tx) => {
      const [other, own] = await tx.jobs.resume([
        { workerId: "another", limit: 5 },
        { workerId: WORKER, limit: 5 },
      ]);
      return [other!.jobs, own!.jobs] as const;
    });
    expect(none).toEqual([]);
    expect(resumed).toMatchObject({ jobId, state: "RUNNING", attempt: 1, leaseToken: 2, ranMs: 7 });
    expect(resumed!.startedAt).toBe(world.clock.now());
    expect(await read(world, jobId)).toEqual(resumed!);
  });

  test("after its grace anybody may claim a woken job, still in the same attempt", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), event("w", "e"));
    await wake(world, await read(world, jobId), 500);
    expect(await world.store.transact((tx) => tx.nextDueAt())).toBe(world.clock.now() + 500);
    world.clock.advance(500);
    expect(await world.store.transact((tx) => tx.jobs.promoteDue(10))).toMatchObject({ promoted: 1 });
    const [job] = await claim(world, 1, [FUNCTION], "another");
    expect(job).toMatchObject({ jobId, attempt: 1, leaseToken: 2, workerId: "another" });
  });

  test("its own worker resumes a woken job also after the grace, when nobody else was quicker", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), event("w", "e"));
    await wake(world, await read(world, jobId), 500);
    world.clock.advance(500);
    await world.store.transact((tx) => tx.jobs.promoteDue(10));
    const [resumed] = await world.store.transact((tx) => tx.jobs.resume([{ workerId: WORKER, limit: 5 }]));
    expect(resumed!.jobs.map((job) => job.jobId)).toEqual([jobId]);
    expect(await claim(world)).toEqual([]);
  });

  test("a resumed attempt that fails is one failure, and the next one begins anew", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { initialDelayMs: 0, jitter: 0 });
    await park(world, await claimOne(world), event("w", "e"));
    await wake(world, await read(world, jobId));
    await happen(world, await claimOne(world), failed());
    expect(await read(world, jobId)).toMatchObject({ state: "PENDING", failures: 1, ranMs: null, workerId: null });
    expect(await claimOne(world)).toMatchObject({ attempt: 2, ranMs: null });
  });

  test("a resumed job that is handed back goes on in the same attempt", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    for (const started of [true, false]) {
      await park(world, await claimOne(world), event(`w${started}`, "e"));
      await wake(world, await read(world, jobId));
      await happen(world, await claimOne(world), { kind: "release", started });
      expect(await read(world, jobId)).toMatchObject({ attempt: 1, workerId: null });
    }
    expect(await claimOne(world)).toMatchObject({ attempt: 1 });
  });

  test("resumes go by the time of waking, as many as are asked for", async () => {
    await using world = await makeStore();
    const ids: string[] = [];
    for (let index = 0; index < 4; index++) ids.push(await stored(world));
    for (const job of await claim(world, 4)) await park(world, job, event("w", "e"));
    for (const jobId of [...ids].reverse()) {
      await wake(world, await read(world, jobId), 500);
      world.clock.advance(1);
    }
    const [first] = await world.store.transact((tx) => tx.jobs.resume([{ workerId: WORKER, limit: 3 }]));
    expect(first!.jobs.map((job) => job.jobId)).toEqual([...ids].reverse().slice(0, 3));
  });
}

function waitTests(makeStore: MakeStore): void {
  test("P12: a sleep ends at its time, not before, and stays where it was when it is told again", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), nap("n", 1_000));
    const due = world.clock.now() + 1_000;
    expect(await world.store.transact((tx) => tx.nextDueAt())).toBe(due);
    world.clock.advance(600);
    await wake(world, await read(world, jobId));
    await park(world, await claimOne(world), nap("n", 1_000));
    expect(await world.store.workflows.listWaits(jobId)).toEqual([
      { name: "n", kind: "sleep", dueAt: due, eventName: null, awaitedJobId: null, signalName: null },
    ]);
    world.clock.advance(399);
    expect(await world.store.transact((tx) => tx.workflows.endDueWaits(10))).toEqual({ ended: 0, woken: [] });
    world.clock.advance(1);
    const { ended, woken } = await world.store.transact((tx) => tx.workflows.endDueWaits(10));
    expect(ended).toBe(1);
    expect(woken.map(({ job }) => job.jobId)).toEqual([jobId]);
    expect(await world.store.workflows.listWaits(jobId)).toEqual([]);
    expect(await world.store.transact((tx) => tx.nextDueAt())).toBeNull();
  });

  test("a sleep that is over when it is told does not wait", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const over = await park(world, await claimOne(world), nap("n", 0), event("w", "e"));
    expect(over.map(({ job }) => job.jobId)).toEqual([jobId]);
    await wake(world, await read(world, jobId));
    const past: NewWait = { name: "p", kind: "sleep", sleepUntil: world.clock.now() - 1 };
    expect(await park(world, await claimOne(world), past)).toHaveLength(1);
  });

  test("whether the worker that has the handler is there is told with those to be woken", async () => {
    await using world = await makeStore();
    await stored(world);
    await stored(world);
    const [one, two] = (await claim(world, 2)) as [Job, Job];
    const worker = { ...WORKER_ROW, workerId: WORKER };
    await world.store.transact((tx) => tx.workers.save(worker, 1_000));
    expect((await park(world, one, nap("n", 0)))[0]).toMatchObject({ isWorkerThere: true });
    const [seen] = await world.store.workers.list();
    await world.store.transact((tx) => tx.workers.remove(seen!));
    expect((await park(world, two, nap("n", 0)))[0]).toMatchObject({ isWorkerThere: false });
  });

  test("only what ended since it was parked is told to a handler that goes on", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const first = await claimOne(world);
    await record(world, step(first, "step", "1"));
    await park(world, first, nap("a", 0), nap("b", 1_000));
    await wake(world, await read(world, jobId));
    const second = await claimOne(world);
    expect((await replay(world, jobId, second.leaseToken - 1)).all).toEqual([{ name: "a", value: null }]);
    await record(world, step(second, "step2", "1"));
    world.clock.advance(1_000);
    // While it runs: told when it goes on the next time.
    await world.store.transact((tx) => tx.workflows.endDueWaits(10));
    await park(world, second, nap("c", 0));
    await wake(world, await read(world, jobId));
    const third = await claimOne(world);
    const names = (await replay(world, jobId, third.leaseToken - 1)).all.map(({ name }) => name);
    expect(names).toEqual(["b", "c"]);
    expect((await replay(world, jobId)).all.map(({ name }) => name)).toEqual(["a", "b", "c", "step", "step2"]);
    const whole = await world.store.workflows.listFewCheckpoints([
      { jobId, sinceToken: third.leaseToken - 1 },
      { jobId: WORKER, sinceToken: null },
    ]);
    expect([...whole].map(([id, list]) => [id, list.map(({ name }) => name)])).toEqual([[jobId, ["b", "c"]]]);
    const all = await world.store.workflows.listFewCheckpoints([{ jobId, sinceToken: null }]);
    expect(all.get(jobId)?.map(({ name }) => name)).toEqual(["a", "b", "c", "step", "step2"]);
  });

  test("P14: the end of an awaited job is told once, with those that await it", async () => {
    await using world = await makeStore();
    const childId = await stored(world);
    const child = await claimOne(world);
    const parents = [await stored(world), await stored(world)];
    for (const parent of await claim(world, 2)) {
      await park(world, parent, { name: "child", kind: "job", awaitedJobId: childId });
    }
    const ending = decide(child, succeeded(), { maxLosses: 10 }, 0)!;
    const [woken, again] = await world.store.transact(async (tx) => {
      await tx.jobs.applyTransitions([ending]);
      return [await tx.workflows.takeAwaiters(), await tx.workflows.takeAwaiters()] as const;
    });
    expect(woken.map(({ job }) => job.jobId).sort()).toEqual([...parents].sort());
    expect(again).toEqual([]);
  });

  test("a retry that is no end wakes nobody; the end after it does", async () => {
    await using world = await makeStore();
    const childId = await stored(world, { initialDelayMs: 0, jitter: 0, maxAttempts: 2 });
    const child = await claimOne(world);
    await stored(world);
    await park(world, await claimOne(world), { name: "child", kind: "job", awaitedJobId: childId });
    const settle = (job: Job) =>
      world.store.transact(async (tx) => {
        await tx.jobs.applyTransitions([decide(job, failed(), { maxLosses: 10 }, 0)!]);
        return tx.workflows.takeAwaiters();
      });
    expect(await settle(child)).toEqual([]);
    expect(await settle(await claimOne(world))).toHaveLength(1);
  });

  test("a job that is gone, or has ended, is not waited for", async () => {
    await using world = await makeStore();
    const endedId = await finished(world);
    await stored(world);
    await stored(world);
    const [one, two] = (await claim(world, 2)) as [Job, Job];
    expect(await park(world, one, { name: "x", kind: "job", awaitedJobId: endedId })).toHaveLength(1);
    const unknown = "0192f0c1-2345-7000-8000-0000000000ff";
    expect(await park(world, two, { name: "x", kind: "job", awaitedJobId: unknown })).toHaveLength(1);
  });

  test("a wait that is broken off by a rollback is none", async () => {
    await using world = await makeStore();
    const childId = await stored(world);
    const child = await claimOne(world);
    const jobId = await stored(world);
    const parent = await claimOne(world);
    const broken = world.store.transact(async (tx) => {
      await tx.jobs.applyTransitions([decide(parent, { kind: "park", ranMs: 0 }, { maxLosses: 10 }, 0)!]);
      const waits: readonly NewWait[] = [{ name: "c", kind: "job", awaitedJobId: childId }, nap("n", 5)];
      await tx.workflows.park([{ jobId, leaseToken: 1, waits, waitingNames: ["c", "n"], place: 0, order: null }]);
      throw new Error("broken off");
    });
    expect(await broken.catch((fault: Error) => fault.message)).toBe("broken off");
    expect(await read(world, jobId)).toMatchObject({ state: "RUNNING" });
    expect(await world.store.workflows.sumCheckpoints([jobId])).toEqual(new Map());
    const woken = await world.store.transact(async (tx) => {
      await tx.jobs.applyTransitions([decide(child, succeeded(), { maxLosses: 10 }, 0)!]);
      return tx.workflows.takeAwaiters();
    });
    expect(woken).toEqual([]);
  });

  test("kinds of names are known for waits and records alike", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const job = await claimOne(world);
    await record(world, step(job, "s", "1"));
    await park(world, job, nap("n", 1_000), event("e", "x"));
    const [kinds, none] = await world.store.transact((tx) =>
      tx.workflows.findKinds([
        { jobId, names: ["s", "n", "e", "?"] },
        { jobId: WORKER, names: ["s"] },
      ]),
    );
    expect(kinds).toEqual(
      new Map([
        ["s", "step"],
        ["n", "sleep"],
        ["e", "event"],
      ]),
    );
    expect(none).toEqual(new Map());
  });
}

const WORKER_ROW = {
  ...{ nodeId: "n", host: "h", hostId: "i", pid: 1, processStart: "", functionNames: [FUNCTION], concurrency: 1 },
  client: "test",
};

function eventTests(makeStore: MakeStore): void {
  for (const name of ODD_NAMES) {
    test(`P13: the first payload of ${JSON.stringify(name.slice(0, 20))} wins, whenever it is awaited`, async () => {
      await using world = await makeStore();
      const [early, late] = [await stored(world), await stored(world)];
      const [one, two] = (await claim(world, 2)) as [Job, Job];
      await park(world, one, event("w", name));
      expect(await world.store.events.countWaiting(name)).toBe(1);
      const emit = (payload: string) =>
        world.store.transact((tx) => tx.events.emit([{ name, payload: bytes(payload) }], 10));
      const [first] = await emit("1");
      expect(first).toMatchObject({ created: true, waiting: 1, event: { name, emittedAt: world.clock.now() } });
      expect(first!.woken.map(({ job }) => job.jobId)).toEqual([early]);
      world.clock.advance(5);
      const [second] = await emit("2");
      expect(second).toMatchObject({ created: false, waiting: 0, woken: [] });
      expect(text(second!.event.payload)).toBe("1");
      expect((await park(world, two, event("w", name))).map(({ job }) => job.jobId)).toEqual([late]);
      for (const jobId of [early, late]) expect((await replay(world, jobId)).all).toEqual([{ name: "w", value: "1" }]);
      expect(text((await world.store.events.get(name))!.payload)).toBe("1");
      expect(await world.store.events.countWaiting(name)).toBe(0);
    });
  }

  test("two of one name in one call are one event", async () => {
    await using world = await makeStore();
    const events = ["1", "2"].map((payload) => ({ name: "e", payload: bytes(payload) }));
    const outcomes = await world.store.transact((tx) => tx.events.emit(events, 10));
    expect(outcomes.map(({ created, event: { payload } }) => [created, text(payload)])).toEqual([
      [true, "1"],
      [false, "1"],
    ]);
  });

  test("P13: events of one call: each is told to those that wait for it, what had happened keeps its payload", async () => {
    await using world = await makeStore();
    const emit = (...events: readonly (readonly [name: string, payload: string])[]) =>
      world.store.transact((tx) =>
        tx.events.emit(
          events.map(([name, payload]) => ({ name, payload: bytes(payload) })),
          2,
        ),
      );
    await emit(["old", "0"]);
    for (let index = 0; index < 5; index++) await stored(world);
    const [one, both, ...many] = (await claim(world, 5)) as [Job, Job, ...Job[]];
    await park(world, one, event("w", "a"));
    await park(world, both, event("w", "b"), event("v", "a"));
    for (const job of many) await park(world, job, event("w", "c"));
    const outcomes = await emit(["a", "1"], ["old", "2"], ["b", "3"], ["a", "4"], ["c", "5"]);
    expect(
      outcomes.map(({ created, waiting, event: { name, payload } }) => [name, created, waiting, text(payload)]),
    ).toEqual([
      ["a", true, 2, "1"],
      ["old", false, 0, "0"],
      ["b", true, 1, "3"],
      ["a", false, 0, "1"],
      ["c", true, 3, "5"],
    ]);
    const woken = outcomes.map((outcome) => outcome.woken.map(({ job }) => job.jobId).sort());
    expect(woken.slice(0, 4)).toEqual([[one.jobId, both.jobId].sort(), [], [both.jobId], []]);
    expect(woken[4]).toHaveLength(2);
    expect((await world.store.transact((tx) => tx.events.spread(2))).woken).toHaveLength(1);
    expect((await world.store.transact((tx) => tx.events.spread(2))).ended).toBe(0);
    expect((await replay(world, one.jobId)).all).toEqual([{ name: "w", value: "1" }]);
    expect((await replay(world, both.jobId)).all).toEqual([
      { name: "v", value: "1" },
      { name: "w", value: "3" },
    ]);
    for (const { jobId } of many) expect((await replay(world, jobId)).all).toEqual([{ name: "w", value: "5" }]);
  });

  test("P13: an event is not pruned while it is being told to all that wait for it", async () => {
    await using world = await makeStore();
    const jobIds = [await stored(world), await stored(world)];
    for (const job of await claim(world, 2)) await park(world, job, event("w", "e"));
    await world.store.transact((tx) => tx.events.emit([{ name: "e", payload: bytes("1") }], 1));
    world.clock.advance(1_000);
    const prune = () => world.store.transact((tx) => tx.events.prune(world.clock.now(), 10));
    expect(await prune()).toBe(0);
    while ((await world.store.transact((tx) => tx.events.spread(2))).ended > 0);
    for (const jobId of jobIds) expect((await replay(world, jobId)).all).toEqual([{ name: "w", value: "1" }]);
    expect(await prune()).toBe(1);
  });

  test("P13: a wait that has timed out stays so; at one time the event wins", async () => {
    await using world = await makeStore();
    const [early, late] = [await stored(world), await stored(world)];
    const [one, two] = (await claim(world, 2)) as [Job, Job];
    await park(world, one, event("w", "a", 100));
    await park(world, two, event("w", "b", 200));
    world.clock.advance(100);
    expect(await world.store.transact((tx) => tx.workflows.endDueWaits(10))).toMatchObject({ ended: 1 });
    await world.store.transact((tx) => tx.events.emit([{ name: "a", payload: bytes("1") }], 10));
    expect((await world.store.workflows.listRecords(early, 1))[0]).toMatchObject({ timedOut: true });
    world.clock.advance(100);
    await world.store.transact((tx) => tx.events.emit([{ name: "b", payload: bytes("1") }], 0));
    await world.store.transact((tx) => tx.workflows.endDueWaits(10));
    expect((await replay(world, late)).all).toEqual([{ name: "w", value: "1" }]);
  });

  test("P13: an event that comes after a wait's time is none of its, whoever looks first", async () => {
    await using world = await makeStore();
    const [told, again] = [await stored(world), await stored(world)];
    const [one, two] = (await claim(world, 2)) as [Job, Job];
    await park(world, one, event("w", "a", 100));
    await park(world, two, event("w", "b", 100));
    world.clock.advance(101);
    // The timer has not looked yet.
    const [emitted] = await world.store.transact((tx) => tx.events.emit([{ name: "a", payload: bytes("1") }], 10));
    expect(emitted!.woken.map(({ job }) => job.jobId)).toEqual([told]);
    expect((await world.store.workflows.listRecords(told, 1))[0]).toMatchObject({ timedOut: true });
    await world.store.transact((tx) => tx.events.emit([{ name: "b", payload: bytes("1") }], 0));
    await world.store.transact((tx) => tx.workflows.endDueWaits(10));
    expect((await world.store.workflows.listRecords(again, 1))[0]).toMatchObject({ timedOut: true });
  });

  test("an event that more wait for than one call ends is spread over the next ones, and is due at once", async () => {
    await using world = await makeStore();
    for (let index = 0; index < 5; index++) await stored(world);
    for (const job of await claim(world, 5)) await park(world, job, event("w", "e"));
    const [outcome] = await world.store.transact((tx) => tx.events.emit([{ name: "e", payload: bytes("1") }], 2));
    expect(outcome).toMatchObject({ waiting: 5 });
    expect(outcome!.woken).toHaveLength(2);
    const spread = () => world.store.transact((tx) => tx.events.spread(2));
    expect(await world.store.transact((tx) => tx.nextDueAt())).toBe(0);
    expect((await spread()).woken).toHaveLength(2);
    expect((await spread()).woken).toHaveLength(1);
    expect(await spread()).toEqual({ ended: 0, woken: [] });
    expect(await world.store.transact((tx) => tx.nextDueAt())).toBeNull();
  });

  test("events are pruned by age, oldest first, and what was awaited stays with the job", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), event("w", "e1"));
    for (const name of ["e1", "e2", "e3"]) {
      await world.store.transact((tx) => tx.events.emit([{ name, payload: bytes("1") }], 10));
      world.clock.advance(10);
    }
    const before = world.clock.now() - 10;
    expect(await world.store.transact((tx) => tx.events.prune(before, 1))).toBe(1);
    expect(await world.store.events.get("e1")).toBeNull();
    expect(await world.store.transact((tx) => tx.events.prune(before, 10))).toBe(1);
    expect(await world.store.events.get("e3")).not.toBeNull();
    expect((await replay(world, jobId)).all).toEqual([{ name: "w", value: "1" }]);
  });
}

function lifetimeTests(makeStore: MakeStore): void {
  test("a job that ends waits no more; its records stay until it is deleted", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const job = await claimOne(world);
    await record(world, step(job, "a", "1"));
    await park(world, job, nap("n", 1_000), event("w", "e"));
    await happen(world, await read(world, jobId), { kind: "cancel", reason: "cancelled" });
    expect(await world.store.workflows.listWaits(jobId)).toEqual([]);
    expect(await world.store.events.countWaiting("e")).toBe(0);
    expect(await world.store.transact((tx) => tx.nextDueAt())).toBeNull();
    expect((await replay(world, jobId)).all).toEqual([{ name: "a", value: "1" }]);
    await world.store.transact((tx) => tx.jobs.delete([jobId]));
    expect(await world.store.workflows.sumCheckpoints([jobId])).toEqual(new Map());
  });

  test("what a job recorded goes with it, also when its attempt was given back as one that never began", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const job = await claimOne(world);
    await record(world, step(job, "a", "1"));
    await happen(world, job, { kind: "release", started: false });
    await happen(world, await read(world, jobId), { kind: "cancel", reason: "cancelled" });
    await world.store.transact((tx) => tx.jobs.delete([jobId]));
    expect(await world.store.workflows.sumCheckpoints([jobId])).toEqual(new Map());
  });

  test("a retry by a person keeps what was recorded, but not the errors of steps", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { maxAttempts: 1 });
    const job = await claimOne(world);
    const error = { name: "Error", message: "no" };
    await record(world, step(job, "a", "1"), { ...step(job, "b", ""), value: null, error });
    await happen(world, job, failed());
    await happen(world, await read(world, jobId), { kind: "retry" });
    expect((await replay(world, jobId)).all).toEqual([{ name: "a", value: "1" }]);
    expect(await record(world, step(await claimOne(world), "b", "2"))).toEqual([{ kind: "recorded", isNew: true }]);
  });

  test("no pruning takes a child from a parent that lives, or a job from one that awaited it", async () => {
    await using world = await makeStore();
    const parentId = await stored(world);
    const parent = await claimOne(world);
    const childId = await finished(world, { parentId });
    const awaitedId = await finished(world);
    await park(world, parent, { name: "x", kind: "job", awaitedJobId: awaitedId });
    world.clock.advance(1_000);
    const prune = async () => {
      const finishedBefore = world.clock.now();
      for (let done = false; !done;) {
        ({ done } = await world.store.transact((tx) => tx.jobs.prune({ state: "SUCCESS", finishedBefore, limit: 10 })));
      }
      return (await world.store.jobs.getMany([parentId, childId, awaitedId])).length;
    };
    expect(await prune()).toBe(3);
    await wake(world, await read(world, parentId));
    await happen(world, await claimOne(world), succeeded());
    world.clock.advance(1_000);
    expect(await prune()).toBeLessThan(3);
    expect(await prune()).toBe(0);
  });

  test("a parked job that is past its time to finish is found", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { finishWithinMs: 1_000 });
    await park(world, await claimOne(world), event("w", "e"));
    world.clock.advance(1_000);
    const overdue = await world.store.transact((tx) => tx.jobs.listOverdue(10));
    expect(overdue.map(({ job, reason }) => [job.jobId, reason])).toEqual([[jobId, "finish_deadline"]]);
  });
}
