import { describe, expect, test } from "bun:test";
import type { NewWait, ParkOrder, RecordOrder } from "../../src/daemon/core/checkpoint.ts";
import { decide, type JobEvent } from "../../src/daemon/core/job-machine.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import type { NewCheckpoint } from "../../src/daemon/storage/seam/workflows.ts";
import {
  bytes,
  claim,
  claimOne,
  failed,
  happen,
  type MakeStore,
  read,
  stored,
  type StoreWorld,
  succeeded,
  text,
} from "./store-world.ts";

/** What every store must do for the order in which handlers are given things. */
export function orderSuite(name: string, makeStore: MakeStore): void {
  describe(`${name}: order`, () => {
    describe("records", () => recordTests(makeStore));
    describe("waits", () => waitTests(makeStore));
    describe("failures", () => failureTests(makeStore));
    describe("a retry by a person", () => retryTests(makeStore));
    describe("awaited jobs", () => awaitedTests(makeStore));
  });
}

const PLACE: RecordOrder = {
  ...{ seq: 1, asked: 1, op: 0 },
  ...{ alone: false, prompt: false, beside: false, undo: false, endedAttempt: false },
};
const NO = { name: "Error", message: "no" };

function step(job: Job, name: string, order: Partial<RecordOrder> | null, value: string | null = "1"): NewCheckpoint {
  const { jobId, leaseToken, failures } = job;
  const whole = order === null ? null : { ...PLACE, ...order };
  const error = value === null ? NO : null;
  return {
    ...{ jobId, leaseToken, name, kind: "step", value: value === null ? null : bytes(value), error },
    ...{ failures, place: 0, order: whole, awaitedJobId: null },
  };
}

async function record(world: StoreWorld, ...items: readonly NewCheckpoint[]): Promise<readonly string[]> {
  const outcomes = await world.store.transact((tx) => tx.workflows.record(items));
  return outcomes.map((one) => (one.kind === "recorded" ? (one.isNew ? "new" : "changed") : one.kind));
}

async function replay(world: StoreWorld, jobId: string, sinceToken: number | null = null) {
  const found = await world.store.workflows.listFewCheckpoints([{ jobId, sinceToken }]);
  return new Map((found.get(jobId) ?? []).map((one) => [one.name, one]));
}

async function seqs(world: StoreWorld, jobId: string, sinceToken: number | null = null) {
  const all = await replay(world, jobId, sinceToken);
  return Object.fromEntries([...all].map(([name, { order }]) => [name, order?.seq ?? null]));
}

interface Parking {
  readonly waits: readonly NewWait[];
  readonly names?: readonly string[];
  readonly order: ParkOrder | null;
}

/** Parks the job. Returns whether it could go on at once. */
async function park(world: StoreWorld, job: Job, { waits, names, order }: Parking): Promise<boolean> {
  const { jobId, leaseToken } = job;
  const waitingNames = names ?? waits.map((wait) => wait.name);
  const over = await world.store.transact(async (tx) => {
    await tx.jobs.applyTransitions([decide(job, { kind: "park", ranMs: 7 }, { maxLosses: 10 }, 0)!]);
    return (await tx.workflows.park([{ jobId, leaseToken, waits, waitingNames, order, place: 0 }])).over;
  });
  return over.length > 0;
}

const nap = (name: string, sleepMs: number, op = 9, prompt = false): NewWait => {
  return { name, kind: "sleep", sleepMs, order: { op, prompt, beside: !prompt } };
};
const event = (name: string, op = 9): NewWait => {
  return { name, kind: "event", eventName: name, timeoutMs: null, order: { op, prompt: true, beside: false } };
};
const at = (seq: number, asked = seq, alone = false): ParkOrder => ({ seq, asked, alone });

function emit(world: StoreWorld, name: string) {
  return world.store.transact((tx) => tx.events.emit([{ name, payload: bytes("1") }], 10));
}

/** Wakes the parked job and claims it. */
async function goOn(world: StoreWorld, jobId: string): Promise<Job> {
  await happen(world, await read(world, jobId), { kind: "wake", graceMs: 0 });
  return claimOne(world);
}

function recordTests(makeStore: MakeStore): void {
  const orders: readonly Partial<RecordOrder>[] = [
    { seq: 1, asked: 1 },
    { seq: 7, asked: 3, op: 4_294_967_295, alone: true },
    { seq: 3, asked: 90_000, op: 1, prompt: true, beside: true },
    { seq: 2 ** 24, asked: 0, undo: true, endedAttempt: true },
    { seq: 0, asked: 0, op: 77, alone: true, prompt: true, beside: false, undo: true },
  ];
  test("the order of a record comes back as it was given; without one there is none", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const job = await claimOne(world);
    await record(world, ...orders.map((order, place) => step(job, `s${place}`, order)), step(job, "legacy", null));
    const all = await replay(world, jobId);
    for (const [place, order] of orders.entries()) expect(all.get(`s${place}`)?.order).toEqual({ ...PLACE, ...order });
    expect(all.get("legacy")?.order).toBeNull();
    const paged = await world.store.workflows.listCheckpoints({
      jobId,
      sinceToken: null,
      afterName: null,
      maxBytes: 1e6,
    });
    expect(new Map(paged.checkpoints.map((one) => [one.name, one]))).toEqual(all);
    expect((await world.store.workflows.listRecords(jobId, 10)).map((one) => [one.name, one.order])).toEqual(
      [...all.values()]
        .toSorted(
          (left, right) => (left.order?.seq ?? 0) - (right.order?.seq ?? 0) || (left.name < right.name ? -1 : 1),
        )
        .map((one) => [one.name, one.order]),
    );
  });

  test("every kind is recorded and read as what it is, and no other is taken for it", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const job = await claimOne(world);
    const kinds = ["step", "sleep", "event", "value", "choice", "job", "signal", "try", "note"] as const;
    await record(world, ...kinds.map((kind) => ({ ...step(job, kind, {}), kind })));
    expect([...(await replay(world, jobId))].map(([name, one]) => [name, one.kind]).sort()).toEqual(
      kinds.map((kind) => [kind, kind]).sort(),
    );
    expect([...(await replay(world, jobId, job.leaseToken)).keys()].sort()).toEqual([
      "event",
      "job",
      "signal",
      "sleep",
    ]);
    const [known] = await world.store.transact((tx) => tx.workflows.findKinds([{ jobId, names: kinds }]));
    expect(known).toEqual(new Map(kinds.map((kind) => [kind, kind])));
    for (const kind of ["try", "note", "signal"] as const) {
      const outcomes = await world.store.transact((tx) =>
        tx.workflows.record([
          { ...step(job, kind, {}), kind: "step" },
          { ...step(job, "step", {}), kind },
          { ...step(job, "event", null), kind },
        ]),
      );
      expect(outcomes).toEqual([
        { kind: "conflict", known: kind },
        { kind: "conflict", known: "step" },
        { kind: "conflict", known: "event" },
      ]);
    }
  });

  test("P11: a record with a place stays; one without gets the place that is told and keeps what it holds", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const job = await claimOne(world);
    const loose = step(job, "a", { seq: 0, op: 5, undo: true });
    expect(await record(world, loose, step(job, "b", { seq: 2 }), step(job, "f", { seq: 0 }, null))).toEqual([
      "new",
      "new",
      "new",
    ]);
    expect(await record(world, loose, step(job, "b", { seq: 3 }, "2"))).toEqual(["repeated", "repeated"]);
    const given = { seq: 4, asked: 6, op: 8, alone: true };
    expect(await record(world, step(job, "a", given, "2"), step(job, "f", { seq: 5 }))).toEqual(["changed", "changed"]);
    expect(await record(world, step(job, "a", { seq: 9 }, "3"), step(job, "f", { seq: 9 }))).toEqual([
      "repeated",
      "repeated",
    ]);
    const all = await replay(world, jobId);
    expect(text(all.get("a")!.value)).toBe("1");
    expect(all.get("a")!.order).toEqual({ ...PLACE, ...given, undo: true });
    expect(all.get("b")!.order?.seq).toBe(2);
    expect(all.get("f")).toMatchObject({ error: NO, order: { seq: 5 } });
  });

  test("a record without an order is not given one, also the first, whose place is 0", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const job = await claimOne(world);
    await record(world, step(job, "a", null));
    expect(await record(world, step(job, "a", { seq: 4 }, "2"))).toEqual(["repeated"]);
    expect((await replay(world, jobId)).get("a")!.order).toBeNull();
  });

  test("an ordered failure is a fact, however many attempts fail; the one that ended an attempt gives way", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { initialDelayMs: 0, jitter: 0, maxAttempts: 9 });
    const job = await claimOne(world);
    await record(world, step(job, "fact", { seq: 1 }, null), step(job, "end", { seq: 2, op: 6 }, null));
    const marks = { endedBy: [{ name: "end", op: 6 }], loosened: [] };
    await happen(world, job, { ...failed(), marks } as JobEvent);
    const again = await claimOne(world);
    expect(await record(world, step(again, "fact", { seq: 1 }), step(again, "end", { seq: 2 }))).toEqual([
      "repeated",
      "changed",
    ]);
    const all = await replay(world, jobId);
    expect(all.get("fact")).toMatchObject({ error: NO, value: null });
    expect(all.get("end")).toMatchObject({ error: null, order: { seq: 2, endedAttempt: false } });
  });

  test("of the attempts of a step the last number is kept, also of two in one commit", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const job = await claimOne(world);
    const tries = (count: number): NewCheckpoint => ({ ...step(job, "t", { seq: 0 }, String(count)), kind: "try" });
    expect(await record(world, tries(1))).toEqual(["new"]);
    expect(await record(world, tries(2), tries(3))).toEqual(["changed", "changed"]);
    expect(text((await replay(world, jobId)).get("t")!.value)).toBe("3");
  });

  test("records of awaited jobs are counted apart", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const job = await claimOne(world);
    await record(world, step(job, "a", {}), { ...step(job, "j", {}, null), kind: "job", awaitedJobId: jobId });
    expect((await world.store.workflows.sumCheckpoints([jobId])).get(jobId)).toEqual({
      ...{ count: 2, open: 0, awaited: 1, bytes: 1 },
    });
  });

  test("jobs that have an order are found, also by a wait alone", async () => {
    await using world = await makeStore();
    const ids = [await stored(world), await stored(world), await stored(world), await stored(world)];
    const [one, two, three] = (await claim(world, 4)) as [Job, Job, Job];
    await record(world, step(one, "a", null), step(two, "a", {}));
    await park(world, three, { waits: [event("e")], order: null });
    expect([...(await world.store.workflows.findOrdered([...ids, "not an id"]))].sort()).toEqual(
      [ids[1]!, ids[2]!].sort(),
    );
  });
}

function waitTests(makeStore: MakeStore): void {
  test("waits that are not over are listed with their operations and times, and counted", async () => {
    await using world = await makeStore();
    const ids = [await stored(world), await stored(world), await stored(world)] as const;
    const [one, two] = (await claim(world, 3)) as [Job, Job];
    const waits = [event("a", 5), nap("b", 10, 9), nap("c", 99, 2 ** 31 - 1)];
    await park(world, one, { waits, order: at(3, 7) });
    await emit(world, "a");
    const inside = { name: "inside", kind: "sleep", sleepMs: 10, order: undefined } as const;
    await park(world, two, { waits: [inside], order: null });
    const open = await world.store.workflows.listOpenWaits([...ids, "not an id"]);
    const due = (ms: number) => ({ kind: "sleep", dueAt: world.clock.now() + ms }) as const;
    expect(Object.fromEntries(open)).toEqual({
      [one.jobId]: [
        { ...due(10), name: "b", op: 9 },
        { ...due(99), name: "c", op: 2 ** 31 - 1 },
      ],
      [two.jobId]: [{ ...due(10), name: "inside", op: 0 }],
    });
    const sums = await world.store.workflows.sumCheckpoints(ids);
    expect(ids.map((jobId) => sums.get(jobId)?.open ?? 0).sort()).toEqual([0, 1, 2]);
  });

  test("what ends while a job is parked has the place that the park told, all of it the same", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), { waits: [event("a", 5), nap("b", 10), nap("c", 99)], order: at(3, 7) });
    await emit(world, "a");
    world.clock.advance(10);
    await world.store.transact((tx) => tx.workflows.endDueWaits(10));
    const all = await replay(world, jobId);
    expect(all.get("a")!.order).toEqual({ ...PLACE, seq: 3, asked: 7, op: 5, prompt: true, beside: false });
    expect(all.get("b")!.order).toEqual({ ...PLACE, seq: 3, asked: 7, op: 9, beside: true });
    expect(all.has("c")).toBe(false);
  });

  test("also what ends when the job is woken and not claimed yet", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), { waits: [event("a"), event("b")], order: at(3, 4, true) });
    await emit(world, "a");
    await happen(world, await read(world, jobId), { kind: "wake", graceMs: 500 });
    await emit(world, "b");
    expect(await seqs(world, jobId)).toEqual({ a: 3, b: 3 });
    expect((await replay(world, jobId)).get("b")!.order).toMatchObject({ alone: true, asked: 4 });
  });

  test("what ends while the handler is busy has no place until it is parked for or recorded, and is told then", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const waits = [event("a"), event("b", 12), event("c", 13), nap("n", 5, 14, true)];
    await park(world, await claimOne(world), { waits, order: at(1, 4) });
    await emit(world, "a");
    const job = await goOn(world, jobId);
    await emit(world, "b");
    world.clock.advance(5);
    await world.store.transact((tx) => tx.workflows.endDueWaits(10));
    const busy = await replay(world, jobId);
    expect(busy.get("b")!.order).toEqual({ ...PLACE, seq: 0, asked: 0, op: 12, prompt: true, beside: false });
    expect(busy.get("n")!.order).toEqual({ ...PLACE, seq: 0, asked: 0, op: 14, prompt: true, beside: false });
    const given: NewCheckpoint = { ...step(job, "n", { seq: 2, asked: 4, op: 14 }), kind: "sleep", value: null };
    expect(await record(world, given)).toEqual(["changed"]);
    expect(await park(world, job, { waits: [], names: ["b", "c"], order: at(3, 4) })).toBe(true);
    expect(await seqs(world, jobId)).toEqual({ a: 1, n: 2, b: 3 });
    const again = await goOn(world, jobId);
    expect(await seqs(world, jobId, again.leaseToken - 1)).toEqual({ b: 3, n: 2 });
    expect((await replay(world, jobId)).get("b")!.order).toEqual({
      ...PLACE,
      seq: 3,
      asked: 4,
      op: 12,
      prompt: true,
      beside: false,
    });
  });

  test("what is not waited for any more ends without a place, also while the job is parked for another thing", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), { waits: [event("a"), event("b")], order: at(1, 2) });
    await emit(world, "a");
    await park(world, await goOn(world, jobId), { waits: [event("c")], order: at(2, 3) });
    await emit(world, "b");
    await emit(world, "c");
    expect(await seqs(world, jobId)).toEqual({ a: 1, b: 0, c: 2 });
  });

  test("a wait inside of another operation has an order, but no place", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), { waits: [event("a", 0), event("b", 4)], order: at(6) });
    await emit(world, "a");
    await emit(world, "b");
    expect(await seqs(world, jobId)).toEqual({ a: 0, b: 6 });
    expect((await replay(world, jobId)).get("a")!.order).toMatchObject({ op: 0, prompt: true, beside: false });
  });

  test("what is over when it is parked for has the place of the park", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await emit(world, "a");
    const job = await claimOne(world);
    expect(await park(world, job, { waits: [event("a"), nap("b", 0)], order: at(2, 5) })).toBe(true);
    expect(await seqs(world, jobId)).toEqual({ a: 2, b: 2 });
    expect(await seqs(world, jobId, job.leaseToken)).toEqual({ a: 2, b: 2 });
  });

  test("a wait of a client without an order has none; told again by one with an order it has", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const plain = (name: string): NewWait => ({ name, kind: "event", eventName: name, timeoutMs: null });
    await park(world, await claimOne(world), { waits: [plain("a"), plain("b")], order: null });
    const job = await goOn(world, jobId);
    await park(world, job, { waits: [event("b", 3), event("c")], names: ["a", "b", "c"], order: at(1, 3) });
    for (const name of ["a", "b", "c"]) await emit(world, name);
    const all = await replay(world, jobId);
    expect(all.get("a")!.order).toBeNull();
    expect(all.get("b")!.order).toEqual({ ...PLACE, seq: 1, asked: 3, op: 3, prompt: true, beside: false });
    expect(all.get("c")!.order?.seq).toBe(1);
  });

  test("a wait that is told again belongs to the operation that tells it, and ends when it was to end", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    await park(world, await claimOne(world), { waits: [nap("n", 100, 3)], order: at(1) });
    world.clock.advance(60);
    await park(world, await goOn(world, jobId), { waits: [nap("n", 100, 4)], order: at(2) });
    world.clock.advance(40);
    expect(await world.store.transact((tx) => tx.workflows.endDueWaits(10))).toMatchObject({ ended: 1 });
    expect((await replay(world, jobId)).get("n")!.order).toMatchObject({ seq: 2, op: 4 });
  });
}

function failureTests(makeStore: MakeStore): void {
  const marks = {
    endedBy: [{ name: "end", op: 21 }],
    loosened: [
      { name: "after", op: 22 },
      { name: "unknown", op: 1 },
    ],
  };

  async function failedJob(world: StoreWorld, maxAttempts: number): Promise<string> {
    const jobId = await stored(world, { initialDelayMs: 0, jitter: 0, maxAttempts });
    const job = await claimOne(world);
    await record(
      world,
      step(job, "before", { seq: 1, undo: true }),
      step(job, "end", { seq: 2, alone: true }, null),
      step(job, "after", { seq: 3, asked: 9, prompt: true, beside: true, undo: true }),
    );
    await happen(world, job, { ...failed(), marks } as JobEvent);
    return jobId;
  }

  test("the failure that ended an attempt is marked, and what came after it has no place any more", async () => {
    await using world = await makeStore();
    const jobId = await failedJob(world, 2);
    expect(await read(world, jobId)).toMatchObject({ state: "PENDING" });
    const all = await replay(world, jobId);
    expect(all.get("before")!.order).toEqual({ ...PLACE, seq: 1, undo: true });
    expect(all.get("end")!.order).toMatchObject({ seq: 0, asked: 2, op: 21, endedAttempt: true });
    expect(all.get("after")!.order).toEqual({
      ...PLACE,
      seq: 0,
      asked: 3,
      op: 22,
      prompt: true,
      beside: true,
      undo: true,
    });
    expect(text(all.get("after")!.value)).toBe("1");
  });

  test("in a job that is DEAD they keep their places, for an undo replays them", async () => {
    await using world = await makeStore();
    const jobId = await failedJob(world, 1);
    expect(await read(world, jobId)).toMatchObject({ state: "DEAD" });
    const all = await replay(world, jobId);
    expect(all.get("end")!.order).toMatchObject({ seq: 2, op: 21, alone: true, endedAttempt: true });
    expect(all.get("after")!.order).toMatchObject({ seq: 3, asked: 9, op: 22, endedAttempt: false });
  });

  test("P4: a failure under a lease that was taken back marks nothing", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    const job = await claimOne(world);
    await record(world, step(job, "end", { seq: 2 }, null));
    await happen(world, job, { kind: "lose" });
    expect(await happen(world, job, { ...failed(), marks } as JobEvent)).toBe(false);
    expect((await replay(world, jobId)).get("end")!.order).toMatchObject({ seq: 2, endedAttempt: false });
  });
}

function retryTests(makeStore: MakeStore): void {
  const error = null;

  test("tries again what ended the last attempt and what came after it; failures before it stay facts", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { maxAttempts: 1 });
    const job = await claimOne(world);
    await record(
      world,
      step(job, "fact", { seq: 1 }, null),
      { ...step(job, "tries", { seq: 0 }), kind: "try" },
      step(job, "end", { seq: 2 }, null),
      step(job, "after", { seq: 3, undo: true }),
      step(job, "legacy", null, null),
    );
    const marks = { endedBy: [{ name: "end", op: 1 }], loosened: [{ name: "after", op: 2 }] };
    await happen(world, job, { ...failed(), marks } as JobEvent);
    await happen(world, await read(world, jobId), { kind: "retry" });
    const all = await replay(world, jobId);
    expect([...all.keys()].sort()).toEqual(["after", "end", "fact"]);
    expect(all.get("fact")).toMatchObject({ error: NO, order: { seq: 1, endedAttempt: false } });
    expect(all.get("end")!.order).toMatchObject({ seq: 0, endedAttempt: true });
    expect(all.get("after")).toMatchObject({ error, order: { seq: 0, endedAttempt: false, undo: true, op: 2 } });
  });

  test("of a job that nothing recorded ended keeps all", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { maxAttempts: 1 });
    const job = await claimOne(world);
    await record(world, step(job, "fact", { seq: 1 }, null), step(job, "a", { seq: 2 }));
    await happen(world, job, { kind: "timeout" });
    await happen(world, await read(world, jobId), { kind: "retry" });
    expect(await seqs(world, jobId)).toEqual({ fact: 1, a: 2 });
  });

  /** A DEAD parent with children that are DEAD, of one of which it caught the failure, CANCELLED and SUCCESS. */
  async function family(world: StoreWorld, isOrdered: boolean) {
    const parentId = await stored(world, { maxAttempts: 1 });
    const parent = await claimOne(world);
    const child = async (name: string, event: JobEvent): Promise<string> => {
      const jobId = await stored(world, { parentId, maxAttempts: 1, idempotencyKey: `${parentId}:${name}` });
      await happen(world, await claimOne(world), event);
      return jobId;
    };
    const ids = {
      dead: await child("dead", failed()),
      caught: await child("caught", failed("caught")),
      cancelled: await child("cancelled", { kind: "cancel", reason: "cancelled" }),
      done: await child("done", succeeded()),
    };
    if (isOrdered) {
      const awaited = { kind: "job", awaitedJobId: ids.caught } as const;
      await record(world, { ...step(parent, `job:${ids.caught}`, { seq: 1 }, null), ...awaited });
    }
    await happen(world, parent, failed());
    return { parentId, ids };
  }

  test("lets the next attempt retry children that ended badly under their own ids, but for failures it caught", async () => {
    await using world = await makeStore();
    const { parentId, ids } = await family(world, true);
    await happen(world, await read(world, parentId), { kind: "retry" });
    const all = await replay(world, parentId);
    expect([...all.keys()].sort()).toEqual([`job:${ids.dead}`, `job:${ids.caught}`, `job:${ids.cancelled}`].sort());
    expect(all.get(`job:${ids.dead}`)).toMatchObject({
      ...{ kind: "job", error: { message: "no", reason: "handler" } },
      order: { seq: 0, endedAttempt: true },
    });
    expect(all.get(`job:${ids.cancelled}`)).toMatchObject({
      error: { reason: "cancelled" },
      order: { endedAttempt: true },
    });
    expect(all.get(`job:${ids.caught}`)!.order).toMatchObject({ seq: 1, endedAttempt: false });
    for (const jobId of Object.values(ids)) expect((await read(world, jobId)).idempotencyKey).not.toBeNull();
  });

  test("leaves a child alone that is retried in the same act", async () => {
    await using world = await makeStore();
    const { parentId, ids } = await family(world, true);
    const jobs = await world.store.jobs.getMany([parentId, ids.dead]);
    const transitions = jobs.map((job) => decide(job, { kind: "retry" }, { maxLosses: 10 }, 0)!);
    await world.store.transact((tx) => tx.jobs.applyTransitions(transitions));
    expect((await replay(world, parentId)).has(`job:${ids.dead}`)).toBe(false);
  });

  test("frees the keys of children of a job without an order, which calls them anew", async () => {
    await using world = await makeStore();
    const { parentId, ids } = await family(world, false);
    await happen(world, await read(world, parentId), { kind: "retry" });
    expect(await replay(world, parentId)).toEqual(new Map());
    for (const jobId of [ids.dead, ids.caught, ids.cancelled]) {
      expect((await read(world, jobId)).idempotencyKey).toBeNull();
    }
    expect((await read(world, ids.done)).idempotencyKey).not.toBeNull();
  });
}

function awaitedTests(makeStore: MakeStore): void {
  async function parkedOn(world: StoreWorld, order: boolean) {
    const childId = await stored(world, { maxAttempts: 1 });
    const child = await claimOne(world);
    const parentId = await stored(world);
    const parent = await claimOne(world);
    const wait: NewWait = { name: `job:${childId}`, kind: "job", awaitedJobId: childId };
    return {
      childId,
      child,
      parentId,
      parent,
      wait: order ? { ...wait, order: { op: 5, prompt: false, beside: false } } : wait,
    };
  }

  const ends: readonly (readonly [string, JobEvent, unknown])[] = [
    ["DEAD", failed(), { message: "no", reason: "handler" }],
    ["CANCELLED", { kind: "cancel", reason: "cancelled" }, { name: "CancelledError", reason: "cancelled" }],
    ["SUCCESS", succeeded(), null],
  ];
  for (const [state, end, error] of ends) {
    for (const isLate of [false, true]) {
      test(`the record of a job that ends ${state}${isLate ? " before it is awaited" : ""} says what it failed with`, async () => {
        await using world = await makeStore();
        const { child, childId, parentId, parent, wait } = await parkedOn(world, true);
        const settle = async () => {
          const transition = decide(child, end, { maxLosses: 10 }, 0)!;
          return world.store.transact(async (tx) => {
            await tx.jobs.applyTransitions([transition]);
            return tx.workflows.takeAwaiters();
          });
        };
        if (isLate) await settle();
        expect(await park(world, parent, { waits: [wait], order: at(4) })).toBe(isLate);
        if (!isLate) expect(await settle()).toHaveLength(1);
        const found = (await replay(world, parentId)).get(`job:${childId}`)!;
        expect(found).toMatchObject({ kind: "job", order: { seq: 4, op: 5 } });
        if (error === null) expect(found.error).toBeNull();
        else expect(found.error).toMatchObject(error as object);
      });
    }
  }

  test("without an order the record says that it ended, no more", async () => {
    await using world = await makeStore();
    const { child, childId, parentId, parent, wait } = await parkedOn(world, false);
    await happen(world, child, failed());
    await park(world, parent, { waits: [wait], order: null });
    expect((await replay(world, parentId)).get(`job:${childId}`)).toMatchObject({ error: null, order: null });
  });

  test("an awaited job whose end a worker recorded is kept while that job lives", async () => {
    await using world = await makeStore();
    const { child, childId, parent } = await parkedOn(world, true);
    await happen(world, child, succeeded());
    await record(world, { ...step(parent, "x", {}, null), kind: "job", awaitedJobId: childId });
    world.clock.advance(1_000);
    const prune = { state: "SUCCESS", finishedBefore: world.clock.now(), limit: 10 } as const;
    expect((await world.store.transact((tx) => tx.jobs.prune(prune))).deleted).toBe(0);
  });

  test("what says that a job ended an attempt is forgotten once, with what else awaited it", async () => {
    await using world = await makeStore();
    const { child, childId, parentId, parent } = await parkedOn(world, true);
    await happen(world, child, failed());
    const awaited = { kind: "job", awaitedJobId: childId } as const;
    const ended = { endedAttempt: true, seq: 0 };
    await record(world, { ...step(parent, "result:0", ended, null), ...awaited }, step(parent, "other", ended, null));
    const forget = () =>
      world.store.transact((tx) => tx.workflows.forgetAwaited({ jobId: childId, awaitedBy: parentId }));
    expect(await forget()).toBe(false);
    await record(world, { ...step(parent, `job:${childId}`, ended, null), ...awaited });
    expect(await forget()).toBe(true);
    expect([...(await replay(world, parentId)).keys()]).toEqual(["other"]);
    expect(await forget()).toBe(false);
    await record(world, { ...step(parent, `job:${childId}`, { seq: 3 }, null), ...awaited });
    expect(await forget()).toBe(false);
  });
}
