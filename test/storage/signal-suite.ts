import { describe, expect, test } from "bun:test";
import type { NewWait, ParkOrder } from "../../src/daemon/core/checkpoint.ts";
import { decide } from "../../src/daemon/core/job-machine.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import { SIGNAL_LIMITS } from "../../src/daemon/core/signal.ts";
import type { NewSignal, ParkedJob, SignalOutcome } from "../../src/daemon/storage/seam/workflows.ts";
import {
  bytes,
  claim,
  claimOne,
  failed,
  finished,
  happen,
  type MakeStore,
  newJobId,
  read,
  stored,
  type StoreWorld,
  succeeded,
  text,
} from "./store-world.ts";

const ODD_NAMES = ["ünï \u{1F600}", "with\0zero and \x10 ten", "'; drop table jobs; --", '%_\\"{},', "x".repeat(256)];

/** What every store must do for signals, and for waits for events that begin with their job. */
export function signalSuite(name: string, makeStore: MakeStore): void {
  describe(`${name}: signals`, () => {
    describe("sending and taking", () => takeTests(makeStore));
    describe("refusals", () => refusalTests(makeStore));
    describe("time limits", () => timeTests(makeStore));
    describe("what stays and what goes", () => lifetimeTests(makeStore));
  });
  describe(`${name}: events since the start of a job`, () => sinceTests(makeStore));
  describe(`${name}: events that are deleted`, () => deleteTests(makeStore));
}

async function send(world: StoreWorld, jobId: string, name: string, ...payloads: readonly string[]) {
  const items = payloads.map((payload) => signal(world, jobId, name, payload));
  return world.store.transact((tx) => tx.workflows.sendSignals(items));
}

function signal(world: StoreWorld, jobId: string, name: string, payload: string): NewSignal {
  return { signalId: newJobId(world.clock.now()), jobId, name, payload: bytes(payload) };
}

const awaits = (name: string, signalName: string, timeoutMs: number | null = null): NewWait => {
  return { name, kind: "signal", signalName, timeoutMs };
};
const sinceStart = (name: string, eventName: string, timeoutMs: number | null = null): NewWait => {
  return { name, kind: "event", eventName, timeoutMs, sinceStart: true };
};

async function park(
  world: StoreWorld,
  job: Job,
  waits: readonly NewWait[],
  waitingNames: readonly string[] = waits.map(({ name }) => name),
  order: ParkOrder | null = null,
): Promise<readonly ParkedJob[]> {
  const transition = decide(job, { kind: "park", ranMs: 7 }, { maxLosses: 10 }, 0)!;
  return world.store.transact(async (tx) => {
    const [applied] = await tx.jobs.applyTransitions([transition]);
    if (applied !== true) throw new Error("the park was refused");
    const { jobId, leaseToken } = job;
    return (await tx.workflows.park([{ jobId, leaseToken, waits, waitingNames, place: 0, order }])).over;
  });
}

/** As the daemon does with a job that something wakes. */
async function resumed(world: StoreWorld, jobId: string): Promise<Job> {
  await happen(world, await read(world, jobId), { kind: "wake", graceMs: 0 });
  return claimOne(world);
}

async function records(world: StoreWorld, jobId: string, sinceToken: number | null = null) {
  const page = await world.store.workflows.listCheckpoints({ jobId, sinceToken, afterName: null, maxBytes: 1_000_000 });
  return page.checkpoints.map(({ name, value, timedOut }) => [name, timedOut ? "timed out" : text(value)]);
}

function emit(world: StoreWorld, name: string, payload: string, limit = 10) {
  return world.store.transact(async (tx) => (await tx.events.emit([{ name, payload: bytes(payload) }], limit))[0]!);
}

const idsOf = (parked: readonly ParkedJob[]): readonly string[] => parked.map(({ job }) => job.jobId);
const QUEUED: SignalOutcome = { kind: "sent", taken: false };
const TAKEN: SignalOutcome = { kind: "sent", taken: true };

function takeTests(makeStore: MakeStore): void {
  for (const name of ODD_NAMES) {
    test(`${JSON.stringify(name.slice(0, 20))}: taken in order, whether it is sent before or after it is awaited`, async () => {
      await using world = await makeStore();
      const jobId = await stored(world);
      expect(await send(world, jobId, name, "1", "2")).toEqual({ outcomes: [QUEUED, QUEUED], woken: [] });
      expect(await world.store.workflows.countSignals(jobId)).toEqual(new Map([[name, 2]]));
      expect(idsOf(await park(world, await claimOne(world), [awaits("a", name)]))).toEqual([jobId]);
      expect(idsOf(await park(world, await resumed(world, jobId), [awaits("b", name)]))).toEqual([jobId]);
      expect(await park(world, await resumed(world, jobId), [awaits("c", name)])).toEqual([]);
      expect(await world.store.workflows.listWaits(jobId)).toMatchObject([
        { name: "c", kind: "signal", signalName: name },
      ]);
      const { outcomes, woken } = await send(world, jobId, name, "3", "4");
      expect([outcomes, idsOf(woken)]).toEqual([[TAKEN, QUEUED], [jobId]]);
      expect(await records(world, jobId)).toEqual([
        ["a", "1"],
        ["b", "2"],
        ["c", "3"],
      ]);
      expect(await world.store.workflows.countSignals(jobId)).toEqual(new Map([[name, 1]]));
      expect(await world.store.workflows.listWaits(jobId)).toEqual([]);
    });
  }

  test("of several waits the one that was registered first takes it, in whatever order they are named later", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await send(world, jobId, "s", "1");
    await park(world, await claimOne(world), [awaits("z", "s"), awaits("y", "s")], ["y", "z"]);
    await park(world, await resumed(world, jobId), [awaits("x", "s")], ["x", "y"]);
    expect((await send(world, jobId, "s", "2")).outcomes).toEqual([TAKEN]);
    await park(world, await resumed(world, jobId), [awaits("w", "s")], ["w", "x"]);
    expect((await send(world, jobId, "s", "3", "4", "5")).outcomes).toEqual([TAKEN, TAKEN, QUEUED]);
    expect(await records(world, jobId)).toEqual([
      ["w", "4"],
      ["x", "3"],
      ["y", "2"],
      ["z", "1"],
    ]);
  });

  test("signals of other names and of other jobs are none of a wait's", async () => {
    await using world = await makeStore();
    const [jobId, otherId] = [await stored(world), await stored(world)];
    const [one, other] = (await claim(world, 2)) as [Job, Job];
    await park(world, one, [awaits("w", "s")]);
    await park(world, other, [awaits("w", "s"), { name: "e", kind: "event", eventName: "s", timeoutMs: null }]);
    expect((await send(world, jobId, "t", "1")).outcomes).toEqual([QUEUED]);
    expect(await emit(world, "s", "2")).toMatchObject({ waiting: 1 });
    const items = [signal(world, otherId, "s", "3"), signal(world, jobId, "s", "4")];
    const { outcomes, woken } = await world.store.transact((tx) => tx.workflows.sendSignals(items));
    expect(outcomes).toEqual([TAKEN, TAKEN]);
    expect([...idsOf(woken)].sort()).toEqual([jobId, otherId].sort());
    expect(await records(world, jobId)).toEqual([["w", "4"]]);
    expect(await records(world, otherId)).toEqual([
      ["e", "2"],
      ["w", "3"],
    ]);
    expect(await world.store.workflows.countSignals(jobId)).toEqual(new Map([["t", 1]]));
  });

  test("a job that went on for another reason is told when it parks again; nothing is woken before", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), [awaits("w", "s"), { name: "n", kind: "sleep", sleepMs: 0 }]);
    const running = await resumed(world, jobId);
    expect(await send(world, jobId, "s", "1")).toEqual({ outcomes: [TAKEN], woken: [] });
    expect(idsOf(await park(world, running, [], ["w"]))).toEqual([jobId]);
    const { leaseToken } = await resumed(world, jobId);
    expect(await records(world, jobId, leaseToken - 1)).toEqual([["w", "1"]]);
    expect(
      (await world.store.workflows.listFewCheckpoints([{ jobId, sinceToken: leaseToken - 1 }])).get(jobId),
    ).toHaveLength(1);
  });

  test("what was told by a send that was repeated is told again, and nothing else happens", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const [early, late] = [signal(world, jobId, "s", "1"), signal(world, jobId, "s", "2")];
    const again = (item: NewSignal) => world.store.transact((tx) => tx.workflows.sendSignals([item, item]));
    expect((await again(early)).outcomes).toEqual([QUEUED, QUEUED]);
    await park(world, await claimOne(world), [awaits("a", "s")]);
    expect(await again(early)).toEqual({ outcomes: [QUEUED, QUEUED], woken: [] });
    await park(world, await resumed(world, jobId), [awaits("b", "s")]);
    expect((await again(late)).outcomes).toEqual([TAKEN, TAKEN]);
    const job = await resumed(world, jobId);
    await park(world, job, [awaits("c", "s")]);
    expect(await again(late)).toEqual({ outcomes: [TAKEN, TAKEN], woken: [] });
    await happen(world, await read(world, jobId), { kind: "cancel", reason: "cancelled" });
    expect((await again(early)).outcomes).toEqual([QUEUED, QUEUED]);
    expect((await again(late)).outcomes).toEqual([TAKEN, TAKEN]);
    expect(await records(world, jobId)).toEqual([
      ["a", "1"],
      ["b", "2"],
    ]);
  });

  test("a send that is broken off by a rollback was none", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), [awaits("w", "s")]);
    const broken = world.store.transact(async (tx) => {
      await tx.workflows.sendSignals([signal(world, jobId, "s", "1"), signal(world, jobId, "s", "2")]);
      throw new Error("broken off");
    });
    expect(await broken.catch((fault: Error) => fault.message)).toBe("broken off");
    expect(await world.store.workflows.countSignals(jobId)).toEqual(new Map());
    expect((await send(world, jobId, "s", "3")).outcomes).toEqual([TAKEN]);
    expect(await records(world, jobId)).toEqual([["w", "3"]]);
  });

  test("what is taken gets its place in the sequence when the handler is given it", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const order: ParkOrder = { seq: 3, asked: 5, alone: false };
    const ordered = (name: string, signalName: string, op: number): NewWait => {
      return { ...awaits(name, signalName), order: { op, prompt: op === 7, beside: false } };
    };
    const placeOf = async (name: string) => {
      const { order: at } = (await world.store.workflows.listRecords(jobId, 10)).find((one) => one.name === name)!;
      return [at?.seq, at?.asked, at?.op, at?.prompt];
    };
    await send(world, jobId, "there", "1");
    const waits = [ordered("a", "there", 6), ordered("b", "comes", 7), ordered("c", "late", 8)];
    await park(world, await claimOne(world), waits, ["a", "b", "c"], order);
    await send(world, jobId, "comes", "2");
    expect([await placeOf("a"), await placeOf("b")]).toEqual([
      [3, 5, 6, false],
      [3, 5, 7, true],
    ]);
    const running = await resumed(world, jobId);
    await send(world, jobId, "late", "3");
    expect(await placeOf("c")).toEqual([0, 0, 8, false]);
    expect(idsOf(await park(world, running, [], ["c"], { ...order, seq: 4 }))).toEqual([jobId]);
    expect(await placeOf("c")).toEqual([4, 5, 8, false]);
  });

  test("payloads of a megabyte come back byte for byte", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const large = `"${"y".repeat(1024 * 1024 - 2)}"`;
    await send(world, jobId, "s", large);
    await park(world, await claimOne(world), [awaits("w", "s")]);
    expect(await records(world, jobId)).toEqual([["w", large]]);
  });
}

function refusalTests(makeStore: MakeStore): void {
  test("jobs that are unknown or have ended take none, told with their state", async () => {
    await using world = await makeStore();
    const [ended, live] = [await finished(world), await stored(world)];
    const unknown = "0192f0c1-2345-7000-8000-0000000000ff";
    const items = [ended, unknown, live].map((jobId) => signal(world, jobId, "s", "1"));
    const { outcomes } = await world.store.transact((tx) => tx.workflows.sendSignals(items));
    expect(outcomes).toEqual([{ kind: "ended", state: "SUCCESS" }, { kind: "unknown_job" }, QUEUED]);
    expect(await world.store.workflows.countSignals(ended)).toEqual(new Map());
    expect((await send(world, "nonsense", "s", "1")).outcomes).toEqual([{ kind: "unknown_job" }]);
    expect(await world.store.workflows.countSignals("nonsense")).toEqual(new Map());
  });

  test("an id that was used for another job is refused with that job", async () => {
    await using world = await makeStore();
    const [one, two] = [await stored(world), await stored(world)];
    const item = signal(world, one, "s", "1");
    await world.store.transact((tx) => tx.workflows.sendSignals([item]));
    const { outcomes } = await world.store.transact((tx) => tx.workflows.sendSignals([{ ...item, jobId: two }]));
    expect(outcomes).toEqual([{ kind: "id_taken", jobId: one }]);
    expect(await world.store.workflows.countSignals(two)).toEqual(new Map());
  });

  test(`no more than ${SIGNAL_LIMITS.waitingPerJob} wait for one job; what was taken does not count`, async () => {
    await using world = await makeStore();
    const [jobId, other] = [await stored(world), await stored(world)];
    const items = (count: number, name: string) =>
      Array.from({ length: count }, (_, index) => signal(world, jobId, name, String(index)));
    const sendAll = (all: readonly NewSignal[]) => world.store.transact((tx) => tx.workflows.sendSignals(all));
    await sendAll(items(SIGNAL_LIMITS.waitingPerJob - 3, "s"));
    const last = items(3, "t");
    const { outcomes } = await sendAll([...last, ...items(2, "s")]);
    expect(outcomes).toEqual([QUEUED, QUEUED, QUEUED, { kind: "full" }, { kind: "full" }]);
    expect((await sendAll(last)).outcomes).toEqual([QUEUED, QUEUED, QUEUED]);
    const [one] = (await claim(world, 2)) as [Job];
    expect(one.jobId).toBe(jobId);
    await park(world, one, [awaits("w", "t"), awaits("v", "t")]);
    expect((await sendAll(items(3, "s"))).outcomes).toEqual([QUEUED, QUEUED, { kind: "full" }]);
    expect(await world.store.workflows.countSignals(jobId)).toEqual(
      new Map([
        ["s", SIGNAL_LIMITS.waitingPerJob - 1],
        ["t", 1],
      ]),
    );
    expect((await send(world, other, "s", "1")).outcomes).toEqual([QUEUED]);
  }, 60_000);
}

function timeTests(makeStore: MakeStore): void {
  test("a wait whose time is over takes nothing, whoever looks first; the signal is the next wait's", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), [awaits("a", "s", 100)]);
    expect(await world.store.transact((tx) => tx.nextDueAt())).toBe(world.clock.now() + 100);
    world.clock.advance(101);
    // The timer has not looked yet.
    expect(await send(world, jobId, "s", "1")).toEqual({ outcomes: [QUEUED], woken: [] });
    const { ended, woken } = await world.store.transact((tx) => tx.workflows.endDueWaits(10));
    expect([ended, idsOf(woken)]).toEqual([1, [jobId]]);
    await park(world, await resumed(world, jobId), [awaits("b", "s", 100)]);
    expect(await records(world, jobId)).toEqual([
      ["a", "timed out"],
      ["b", "1"],
    ]);
    expect(await world.store.transact((tx) => tx.nextDueAt())).toBeNull();
  });

  test("at one time the signal wins, and what is there is taken also by a wait without time", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), [awaits("a", "s", 100)]);
    world.clock.advance(100);
    expect((await send(world, jobId, "s", "1", "2")).outcomes).toEqual([TAKEN, QUEUED]);
    expect(await world.store.transact((tx) => tx.workflows.endDueWaits(10))).toMatchObject({ ended: 0 });
    const job = await resumed(world, jobId);
    expect(idsOf(await park(world, job, [awaits("b", "s", 0), awaits("c", "s", 0)]))).toEqual([jobId]);
    expect(await records(world, jobId)).toEqual([
      ["a", "1"],
      ["b", "2"],
      ["c", "timed out"],
    ]);
  });

  test("a wait that is told again keeps its time", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), [awaits("a", "s", 100)]);
    world.clock.advance(60);
    await park(world, await resumed(world, jobId), [awaits("a", "s", 100)]);
    world.clock.advance(60);
    await send(world, jobId, "s", "1");
    expect(idsOf(await park(world, await resumed(world, jobId), [awaits("a", "s", 100)]))).toEqual([jobId]);
    expect(await records(world, jobId)).toEqual([["a", "timed out"]]);
    expect(await world.store.workflows.countSignals(jobId)).toEqual(new Map([["s", 1]]));
  });
}

function lifetimeTests(makeStore: MakeStore): void {
  test("a retry by a person finds what was taken where it was taken, and what was not for its next waits", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { maxAttempts: 1 });
    await send(world, jobId, "s", "1", "2");
    await park(world, await claimOne(world), [awaits("a", "s")]);
    await happen(world, await resumed(world, jobId), failed());
    expect((await send(world, jobId, "s", "3")).outcomes).toEqual([{ kind: "ended", state: "DEAD" }]);
    await happen(world, await read(world, jobId), { kind: "retry" });
    expect((await send(world, jobId, "s", "4")).outcomes).toEqual([QUEUED]);
    await park(world, await claimOne(world), [awaits("b", "s"), awaits("c", "s"), awaits("d", "s")]);
    expect(await records(world, jobId)).toEqual([
      ["a", "1"],
      ["b", "2"],
      ["c", "4"],
    ]);
  });

  test("a job that ends awaits no more: what is sent after a retry waits for waits that are new", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), [awaits("a", "s")]);
    await happen(world, await read(world, jobId), { kind: "cancel", reason: "cancelled" });
    await happen(world, await read(world, jobId), { kind: "retry" });
    expect((await send(world, jobId, "s", "1")).outcomes).toEqual([QUEUED]);
    await park(world, await claimOne(world), [awaits("b", "s"), awaits("a", "s")]);
    expect(await records(world, jobId)).toEqual([["b", "1"]]);
  });

  test("they go with the job, taken or not, and so does what is known of its waits", async () => {
    await using world = await makeStore();
    const [deleted, pruned] = [await stored(world), await stored(world)];
    const items = [deleted, pruned].flatMap((jobId) => ["1", "2"].map((payload) => signal(world, jobId, "s", payload)));
    await world.store.transact((tx) => tx.workflows.sendSignals(items));
    for (const job of await claim(world, 2)) await park(world, job, [awaits("a", "s")]);
    for (const jobId of [deleted, pruned]) await happen(world, await resumed(world, jobId), succeeded());
    world.clock.advance(1_000);
    await world.store.transact((tx) => tx.jobs.delete([deleted]));
    const finishedBefore = world.clock.now();
    for (let done = false; !done;) {
      ({ done } = await world.store.transact((tx) => tx.jobs.prune({ state: "SUCCESS", finishedBefore, limit: 10 })));
    }
    for (const jobId of [deleted, pruned]) {
      expect(await world.store.jobs.get(jobId)).toBeNull();
      expect(await world.store.workflows.countSignals(jobId)).toEqual(new Map());
    }
    const other = await stored(world);
    // Their ids are free: nothing is left of them.
    const again = items.map((item) => ({ ...item, jobId: other }));
    const { outcomes } = await world.store.transact((tx) => tx.workflows.sendSignals(again));
    expect(outcomes).toEqual([QUEUED, QUEUED, QUEUED, QUEUED]);
  });
}

function sinceTests(makeStore: MakeStore): void {
  test("R11: an event from before the job was enqueued does not count, its next emission does; plain waits get the first", async () => {
    await using world = await makeStore();
    await emit(world, "e", "1");
    world.clock.advance(10);
    const [young, plain] = [await stored(world), await stored(world)];
    const [one, two] = (await claim(world, 2)) as [Job, Job];
    expect(await park(world, one, [sinceStart("w", "e")])).toEqual([]);
    expect(idsOf(await park(world, two, [{ name: "w", kind: "event", eventName: "e", timeoutMs: null }]))).toEqual([
      plain,
    ]);
    world.clock.advance(10);
    const again = await emit(world, "e", "2");
    expect(again).toMatchObject({ created: false, waiting: 1, event: { payload: bytes("1") } });
    expect(idsOf(again.woken)).toEqual([young]);
    expect(await records(world, young)).toEqual([["w", "2"]]);
    expect(await records(world, plain)).toEqual([["w", "1"]]);
    expect(text((await world.store.events.get("e"))!.payload)).toBe("1");
    expect(await emit(world, "e", "3")).toMatchObject({ created: false, waiting: 0, woken: [] });
  });

  test("the first emission counts when the job was there, else the last one, awaited before or after", async () => {
    await using world = await makeStore();
    const old = await stored(world);
    await emit(world, "e", "1");
    world.clock.advance(10);
    const between = await stored(world);
    await emit(world, "e", "2");
    world.clock.advance(10);
    const young = await stored(world);
    const jobs = (await claim(world, 3)) as [Job, Job, Job];
    const over = [];
    for (const job of jobs) over.push(...idsOf(await park(world, job, [sinceStart("w", "e")])));
    expect(over).toEqual([old, between]);
    expect(await records(world, old)).toEqual([["w", "1"]]);
    expect(await records(world, between)).toEqual([["w", "2"]]);
    expect(await records(world, young)).toEqual([]);
    expect(await world.store.workflows.listWaits(young)).toMatchObject([{ name: "w", kind: "event", eventName: "e" }]);
  });

  test("an event that happens for the first time is told to both kinds of waits", async () => {
    await using world = await makeStore();
    const [one, two] = [await stored(world), await stored(world)];
    const jobs = (await claim(world, 2)) as [Job, Job];
    await park(world, jobs[0], [sinceStart("w", "e")]);
    await park(world, jobs[1], [{ name: "w", kind: "event", eventName: "e", timeoutMs: null }]);
    const emitted = await emit(world, "e", "1");
    expect(emitted).toMatchObject({ created: true, waiting: 2 });
    expect([...idsOf(emitted.woken)].sort()).toEqual([one, two].sort());
    expect(await records(world, one)).toEqual([["w", "1"]]);
    expect(await records(world, two)).toEqual([["w", "1"]]);
  });

  test("its time limit holds: what came before the job or after the limit does not count", async () => {
    await using world = await makeStore();
    await emit(world, "e", "1");
    world.clock.advance(10);
    const [timedOut, late] = [await stored(world), await stored(world)];
    const jobs = (await claim(world, 2)) as [Job, Job];
    for (const job of jobs) await park(world, job, [sinceStart("w", "e", 100)]);
    world.clock.advance(100);
    expect(await world.store.transact((tx) => tx.workflows.endDueWaits(1))).toMatchObject({ ended: 1 });
    world.clock.advance(1);
    await emit(world, "e", "2");
    for (const jobId of [timedOut, late]) expect(await records(world, jobId)).toEqual([["w", "timed out"]]);
  });

  test("an emission that more wait for than one call ends is spread, and leaves jobs that are younger alone", async () => {
    await using world = await makeStore();
    await emit(world, "e", "1");
    world.clock.advance(10);
    for (let index = 0; index < 5; index++) await stored(world);
    const jobs = await claim(world, 5);
    for (const job of jobs) await park(world, job, [sinceStart("w", "e")]);
    const again = await emit(world, "e", "2", 2);
    expect(again).toMatchObject({ created: false, waiting: 5 });
    expect(again.woken).toHaveLength(2);
    expect(await world.store.transact((tx) => tx.nextDueAt())).toBe(0);
    world.clock.advance(10);
    const young = await stored(world);
    await park(world, await claimOne(world), [sinceStart("w", "e")]);
    const spread = () => world.store.transact((tx) => tx.events.spread(2));
    expect((await spread()).woken).toHaveLength(2);
    expect((await spread()).woken).toHaveLength(1);
    expect(await spread()).toEqual({ ended: 0, woken: [] });
    for (const { jobId } of jobs) expect(await records(world, jobId)).toEqual([["w", "2"]]);
    expect(await records(world, young)).toEqual([]);
  });

  test("an emission that is younger than its event is kept as long as any, then as the first", async () => {
    await using world = await makeStore();
    await emit(world, "e", "1");
    world.clock.advance(100);
    const jobId = await stored(world);
    await emit(world, "e", "2");
    world.clock.advance(10);
    const prune = (age: number) => world.store.transact((tx) => tx.events.prune(world.clock.now() - age, 10));
    expect(await prune(50)).toBe(1);
    expect(await prune(50)).toBe(0);
    expect(text((await world.store.events.get("e"))!.payload)).toBe("2");
    await park(world, await claimOne(world), [sinceStart("w", "e")]);
    expect(await records(world, jobId)).toEqual([["w", "2"]]);
    expect(await prune(5)).toBe(1);
    expect(await world.store.events.get("e")).toBeNull();
  });
}

function deleteTests(makeStore: MakeStore): void {
  function remove(world: StoreWorld, name: string) {
    return world.store.transact(async (tx) => {
      await tx.events.lock([name]);
      return tx.events.delete(name);
    });
  }

  for (const name of ODD_NAMES) {
    test(`${JSON.stringify(name.slice(0, 20))}: forgotten, and the next emission is the first again`, async () => {
      await using world = await makeStore();
      expect(await remove(world, name)).toBe("unknown");
      const [early, late] = [await stored(world), await stored(world)];
      const jobs = (await claim(world, 2)) as [Job, Job];
      await emit(world, name, "1");
      const wait: NewWait = { name: "w", kind: "event", eventName: name, timeoutMs: null };
      await park(world, jobs[0], [wait]);
      expect(await remove(world, name)).toBe("deleted");
      expect(await world.store.events.get(name)).toBeNull();
      expect(await park(world, jobs[1], [wait])).toEqual([]);
      expect(await emit(world, name, "2")).toMatchObject({ created: true, waiting: 1 });
      expect(await records(world, early)).toEqual([["w", "1"]]);
      expect(await records(world, late)).toEqual([["w", "2"]]);
    });
  }

  test("but not while it is told to those that wait for it", async () => {
    await using world = await makeStore();
    const ids = [await stored(world), await stored(world)];
    const wait: NewWait = { name: "w", kind: "event", eventName: "e", timeoutMs: null };
    for (const job of await claim(world, 2)) await park(world, job, [wait]);
    await emit(world, "e", "1", 1);
    expect(await remove(world, "e")).toBe("spreading");
    while ((await world.store.transact((tx) => tx.events.spread(2))).ended > 0);
    expect(await remove(world, "e")).toBe("deleted");
    for (const jobId of ids) expect(await records(world, jobId)).toEqual([["w", "1"]]);
  });
}
