import { describe, expect, test } from "bun:test";
import { decide } from "../../src/daemon/core/job-machine.ts";
import { isTerminal } from "../../src/daemon/core/job.ts";
import type { JobFilter, NewJob } from "../../src/daemon/storage/seam/jobs.ts";
import type { NewWorker } from "../../src/daemon/storage/seam/workers.ts";
import { scheduleTests } from "./schedule-suite.ts";
import {
  bytes,
  claim,
  claimOne,
  enqueue,
  failed,
  finished,
  FUNCTION,
  happen,
  type JobInput,
  type MakeStore,
  newJob,
  newJobId,
  read,
  stored,
  type StoreWorld,
  succeeded,
  text,
  WORKER,
} from "./store-world.ts";

/** What every store must do, whatever it is made of. Each test gets a world of its own from `makeStore`. */
export function storeSuite(name: string, makeStore: MakeStore): void {
  describe(name, () => {
    describe("enqueueJobs", () => enqueueTests(makeStore));
    describe("claimJobs", () => claimTests(makeStore));
    describe("applyTransitions", () => transitionTests(makeStore));
    describe("times", () => timeTests(makeStore));
    describe("listJobs", () => listTests(makeStore));
    describe("deletion", () => deletionTests(makeStore));
    describe("workers", () => workerTests(makeStore));
    describe("transactions", () => transactionTests(makeStore));
    describe("schedules", () => scheduleTests(makeStore));
  });
}

function enqueueTests(makeStore: MakeStore): void {
  test("a stored job reads back as it was given, with its defaults", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { args: '["a"]' });
    const now = world.clock.now();
    expect(await read(world, jobId)).toEqual({
      jobId,
      functionName: FUNCTION,
      state: "PENDING",
      args: bytes('["a"]'),
      result: null,
      error: null,
      maxAttempts: 3,
      backoff: "exponential",
      initialDelayMs: 1000,
      maxDelayMs: 60000,
      jitter: 0.1,
      timeoutMs: 30000,
      priority: 0,
      idempotencyKey: null,
      headers: {},
      parentId: null,
      undoOf: null,
      createdAt: now,
      runAt: now,
      startBy: null,
      finishBy: null,
      attempt: 0,
      failures: 0,
      losses: 0,
      leaseToken: 0,
      workerId: null,
      startedAt: null,
      finishedAt: null,
      ranMs: null,
    });
  });

  test("every option is kept", async () => {
    await using world = await makeStore();
    const parentId = newJobId(0);
    const now = world.clock.now();
    const jobId = await stored(world, {
      parentId,
      maxAttempts: 7,
      backoff: "linear",
      initialDelayMs: 0,
      maxDelayMs: 0xffff_ffff,
      jitter: 0,
      timeoutMs: 0,
      delayMs: 5000,
      priority: -3,
      startWithinMs: 60_000,
      finishWithinMs: 90_000,
      idempotencyKey: "schlüssel 🔑",
      headers: { traceparent: "00-abc", "x-ü": "wört" },
    });
    expect(await read(world, jobId)).toMatchObject({
      parentId,
      maxAttempts: 7,
      backoff: "linear",
      initialDelayMs: 0,
      maxDelayMs: 0xffff_ffff,
      jitter: 0,
      timeoutMs: 0,
      priority: -3,
      runAt: now + 5000,
      startBy: now + 60_000,
      finishBy: now + 90_000,
      idempotencyKey: "schlüssel 🔑",
      headers: { traceparent: "00-abc", "x-ü": "wört" },
    });
  });

  for (const size of [0, 1023, 1024, 1025, 5000, 1024 * 1024]) {
    test(`args of ${size} bytes come back byte for byte, at reads, claims and after success`, async () => {
      await using world = await makeStore();
      const args = new Uint8Array(size).map((_, index) => index * 31);
      const jobId = await stored(world, { args });
      expect(Buffer.compare((await read(world, jobId)).args, args)).toBe(0);
      const job = await claimOne(world);
      expect(Buffer.compare(job.args, args)).toBe(0);
      await happen(world, job, succeeded());
      expect(Buffer.compare((await read(world, jobId)).args, args)).toBe(0);
    });
  }

  test("outcomes come one for each item, in order, and tell whether a worker may start", async () => {
    await using world = await makeStore();
    const ids = [1, 2, 3].map(() => newJobId(world.clock.now()));
    const outcomes = await enqueue(world, { jobId: ids[0]! }, { jobId: ids[1]!, delayMs: 1 }, { jobId: ids[2]! });
    expect(outcomes).toEqual([
      { kind: "stored", jobId: ids[0]!, ready: true },
      { kind: "stored", jobId: ids[1]!, ready: false },
      { kind: "stored", jobId: ids[2]!, ready: true },
    ]);
  });

  test("P2: a repeated request with the same job id stores nothing and answers with the job's state", async () => {
    await using world = await makeStore();
    const jobId = await finished(world);
    expect(await enqueue(world, { jobId, args: "[1]" })).toEqual([{ kind: "repeated", jobId, state: "SUCCESS" }]);
    expect(await world.store.jobs.count()).toEqual([{ functionName: FUNCTION, state: "SUCCESS", count: 1 }]);
  });

  test("P2: the same request twice in one batch is one job", async () => {
    await using world = await makeStore();
    const job = newJob(world);
    const outcomes = await world.store.transact((tx) => tx.jobs.enqueue([job, job]));
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(["stored", "repeated"]);
  });

  test("P2: repeated ids among many are found one by one, also when they came before in the same batch", async () => {
    await using world = await makeStore();
    const old = await stored(world);
    const ids = Array.from({ length: 40 }, () => newJobId(world.clock.now()));
    const requested = [...ids.slice(0, 20), old, ids[3]!, ids[18]!, ...ids.slice(20), ids[39]!, old];
    const outcomes = await enqueue(world, ...requested.map((jobId) => ({ jobId })));
    const repeated = outcomes.flatMap((outcome, index) => (outcome.kind === "repeated" ? [index] : []));
    expect(repeated).toEqual([20, 21, 22, 43, 44]);
    expect(outcomes.filter((outcome) => outcome.kind === "stored")).toHaveLength(40);
    expect(await world.store.jobs.count()).toEqual([{ functionName: FUNCTION, state: "PENDING", count: 41 }]);
  });

  test("a job id that belongs to another function is refused with that function's name", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { functionName: "test:first" });
    expect(await enqueue(world, { jobId, functionName: "test:second" })).toEqual([
      { kind: "id_taken", functionName: "test:first" },
    ]);
  });

  test("a job id that is no UUID is an error that shows it, and nothing of the batch is kept", async () => {
    await using world = await makeStore();
    const ok = newJobId(world.clock.now());
    const wrong = enqueue(world, { jobId: ok }, { jobId: "no-uuid" });
    expect(wrong).rejects.toThrow(/"no-uuid" is not a UUID/);
    await wrong.catch(() => {});
    expect(await world.store.jobs.get(ok)).toBeNull();
  });

  test("P3: a second call with a key gets the first job, and learns whether the args differ", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { idempotencyKey: "k", args: "[1]" });
    const same = { kind: "deduplicated", jobId, state: "PENDING", argsDiffer: false } as const;
    expect(await enqueue(world, { idempotencyKey: "k", args: "[1]" })).toEqual([same]);
    expect(await enqueue(world, { idempotencyKey: "k", args: "[2]" })).toEqual([{ ...same, argsDiffer: true }]);
  });

  test("P3: large args are compared too", async () => {
    await using world = await makeStore();
    const args = "x".repeat(5000);
    await stored(world, { idempotencyKey: "k", args });
    const outcomes = await enqueue(world, { idempotencyKey: "k", args }, { idempotencyKey: "k", args: `${args}y` });
    expect(outcomes).toMatchObject([{ argsDiffer: false }, { argsDiffer: true }]);
  });

  test("P3: the key holds after success, and each function has its own keys", async () => {
    await using world = await makeStore();
    const jobId = await finished(world, { idempotencyKey: "k" });
    expect(await enqueue(world, { idempotencyKey: "k" })).toMatchObject([{ kind: "deduplicated", jobId }]);
    expect(await enqueue(world, { idempotencyKey: "k", functionName: "test:other" })).toMatchObject([
      { kind: "stored" },
    ]);
  });

  test("P3: 100 calls with one key in one batch are one job", async () => {
    await using world = await makeStore();
    const outcomes = await enqueue(world, ...Array.from({ length: 100 }, () => ({ idempotencyKey: "one" })));
    expect(outcomes.filter((outcome) => outcome.kind === "stored")).toHaveLength(1);
    expect(new Set(outcomes.map((outcome) => "jobId" in outcome && outcome.jobId)).size).toBe(1);
  });

  test("P3: 100 concurrent transactions with one key are one job", async () => {
    await using world = await makeStore();
    const calls = Array.from({ length: 100 }, () => enqueue(world, { idempotencyKey: "one" }));
    const outcomes = (await Promise.all(calls)).flat();
    expect(outcomes.filter((outcome) => outcome.kind === "stored")).toHaveLength(1);
    expect(new Set(outcomes.map((outcome) => "jobId" in outcome && outcome.jobId)).size).toBe(1);
    expect(await world.store.jobs.count()).toEqual([{ functionName: FUNCTION, state: "PENDING", count: 1 }]);
  });

  test("onDuplicate reject names the job that is there", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { idempotencyKey: "k" });
    const outcomes = await enqueue(world, { idempotencyKey: "k", onDuplicate: "reject" });
    expect(outcomes).toEqual([{ kind: "rejected", jobId, state: "PENDING" }]);
  });

  test("onDuplicate replace_finished starts a new job only when the old one is terminal", async () => {
    await using world = await makeStore();
    const replace = { idempotencyKey: "k", onDuplicate: "replace_finished" } as const;
    const old = await finished(world, replace);
    const fresh = await stored(world, replace);
    expect(await enqueue(world, replace)).toMatchObject([{ kind: "deduplicated", jobId: fresh }]);
    expect((await read(world, old)).idempotencyKey).toBeNull();
    expect((await read(world, fresh)).idempotencyKey).toBe("k");
    expect((await read(world, old)).state).toBe("SUCCESS");
  });

  test("P2: a repeated replace_finished answers with the job that the first one made", async () => {
    await using world = await makeStore();
    const replace = { idempotencyKey: "k", onDuplicate: "replace_finished" } as const;
    await finished(world, replace);
    const jobId = await stored(world, replace);
    expect(await enqueue(world, { ...replace, jobId })).toMatchObject([{ kind: "repeated", jobId }]);
  });

  test("a time in the past runs at once and keeps its place in the order", async () => {
    await using world = await makeStore();
    const later = await stored(world);
    const earlier = await stored(world, { runAt: world.clock.now() - 1000 });
    expect((await claim(world, 2)).map((job) => job.jobId)).toEqual([earlier, later]);
  });
}

function claimTests(makeStore: MakeStore): void {
  test("a claimed job is RUNNING under a new lease, with the next attempt number", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    world.clock.advance(500);
    const job = await claimOne(world);
    const lease = { state: "RUNNING", attempt: 1, leaseToken: 1, workerId: WORKER, startedAt: world.clock.now() };
    expect(job).toMatchObject({ jobId, ...lease });
    expect(await read(world, jobId)).toEqual(job);
  });

  test("P4: a job is claimed once, by one demand, whatever the number of demands", async () => {
    await using world = await makeStore();
    await enqueue(world, ...Array.from({ length: 10 }, () => ({})));
    const demands = ["a", "b", "c"].map((workerId) => ({ workerId, functionNames: [FUNCTION], limit: 4 }));
    const claimed = await world.store.transact((tx) => tx.jobs.claim(demands));
    expect(claimed.map(({ workerId, jobs }) => [workerId, jobs.length])).toEqual([
      ["a", 4],
      ["b", 4],
      ["c", 2],
    ]);
    expect(new Set(claimed.flatMap(({ jobs }) => jobs.map((job) => job.jobId))).size).toBe(10);
    expect(await claim(world)).toEqual([]);
  });

  test("the order is priority, then runAt, then id, over all functions together", async () => {
    await using world = await makeStore();
    const now = world.clock.now();
    const inputs: readonly JobInput[] = [
      { functionName: "f:a", priority: 0, runAt: now - 5 },
      { functionName: "f:b", priority: 9, runAt: now },
      { functionName: "f:c", priority: 0, runAt: now - 9 },
      { functionName: "f:a", priority: -2_000_000_000, runAt: 0 },
      { functionName: "f:b", priority: 0, runAt: now - 5 },
      { functionName: "f:c", priority: 9, runAt: now - 1 },
      { functionName: "f:a", priority: 9, runAt: now },
    ];
    const ids: string[] = [];
    for (const input of inputs) ids.push(await stored(world, input));
    const jobs = await claim(world, 100, ["f:a", "f:b", "f:c"]);
    expect(jobs.map((job) => ids.indexOf(job.jobId))).toEqual([5, 1, 6, 2, 0, 4, 3]);
  });

  test("the order holds over many functions with more jobs than one look takes", async () => {
    await using world = await makeStore();
    const functionNames = Array.from({ length: 7 }, (_, index) => `many:${index}`);
    const inputs = Array.from({ length: 400 }, (_, index) => ({
      functionName: functionNames[((index * 5) % 11) % 7]!,
      priority: (index * 13) % 3,
      runAt: world.clock.now() - ((index * 7) % 50),
    }));
    await enqueue(world, ...inputs);
    const jobs = [...(await claim(world, 150, functionNames)), ...(await claim(world, 300, functionNames))];
    const expected = [...jobs].sort(
      (left, right) =>
        right.priority - left.priority || left.runAt - right.runAt || (left.jobId < right.jobId ? -1 : 1),
    );
    expect(jobs).toHaveLength(400);
    expect(jobs.map((job) => job.jobId)).toEqual(expected.map((job) => job.jobId));
  });

  test("only the functions asked for are claimed, and unknown ones are no error", async () => {
    await using world = await makeStore();
    await stored(world, { functionName: "test:unserved" });
    expect(await claim(world, 5, ["test:served", "test:never-seen"])).toEqual([]);
  });

  test("maybeMore names the functions with jobs left, and none when all are taken", async () => {
    await using world = await makeStore();
    await enqueue(world, {}, {}, {}, { functionName: "test:other" });
    const demand = { workerId: WORKER, functionNames: [FUNCTION, "test:other"], limit: 3 };
    const [first] = await world.store.transact((tx) => tx.jobs.claim([demand]));
    expect(first!.maybeMore).toContain("test:other");
    const [second] = await world.store.transact((tx) => tx.jobs.claim([demand]));
    expect(second!.jobs).toHaveLength(1);
    expect(second!.maybeMore).toEqual([]);
  });

  test("a delayed job is not claimed before it is promoted", async () => {
    await using world = await makeStore();
    await stored(world, { delayMs: 1000 });
    world.clock.advance(999);
    await world.store.transact((tx) => tx.jobs.promoteDue(10));
    expect(await claim(world)).toEqual([]);
    world.clock.advance(1);
    expect(await world.store.transact((tx) => tx.jobs.promoteDue(10))).toEqual({
      functionNames: [FUNCTION],
      promoted: 1,
    });
    expect(await claim(world)).toHaveLength(1);
  });

  test("a job past a deadline is passed over", async () => {
    await using world = await makeStore();
    await stored(world, { startWithinMs: 100 });
    await stored(world, { finishWithinMs: 100 });
    const last = await stored(world);
    world.clock.advance(100);
    expect((await claim(world, 5)).map((job) => job.jobId)).toEqual([last]);
  });

  test("a start deadline does not hold back a job that has started once", async () => {
    await using world = await makeStore();
    await stored(world, { startWithinMs: 100 });
    await happen(world, await claimOne(world), { kind: "lose" });
    world.clock.advance(1000);
    expect(await claim(world)).toHaveLength(1);
  });

  test("listLeasedJobs gives a worker's jobs and nobody else's", async () => {
    await using world = await makeStore();
    await enqueue(world, {}, {}, { functionName: "test:other" }, {});
    const mine = await claim(world, 3, [FUNCTION, "test:other"], "me");
    await claim(world, 3, [FUNCTION], "you");
    const leased = await world.store.transact((tx) => tx.jobs.listLeased("me"));
    expect(leased.map((job) => job.jobId).sort()).toEqual(mine.map((job) => job.jobId).sort());
    // What a transaction decides by has nothing large: there may be a thousand of them.
    expect(leased.map((job) => job.args.byteLength)).toEqual([0, 0, 0]);
    await happen(world, mine[0]!, succeeded());
    expect(await world.store.transact((tx) => tx.jobs.listLeased("me"))).toHaveLength(2);
    expect(await world.store.transact((tx) => tx.jobs.listLeased("nobody"))).toEqual([]);
  });
}

function transitionTests(makeStore: MakeStore): void {
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

function timeTests(makeStore: MakeStore): void {
  /** Inside a transaction and outside of one: the same answer. */
  const nextDueAt = async (world: StoreWorld) => {
    const dueAt = await world.store.transact((tx) => tx.nextDueAt());
    expect(await world.store.nextDueAt()).toBe(dueAt);
    return dueAt;
  };
  const overdue = async (world: StoreWorld) =>
    (await world.store.transact((tx) => tx.jobs.listOverdue(10))).map(({ job, reason }) => [job.jobId, reason]);

  test("nextDueAt is the earliest of delays and deadlines, and null when there is none", async () => {
    await using world = await makeStore();
    const now = world.clock.now();
    await stored(world);
    expect(await nextDueAt(world)).toBeNull();
    await stored(world, { delayMs: 900 });
    expect(await nextDueAt(world)).toBe(now + 900);
    await stored(world, { finishWithinMs: 700 });
    expect(await nextDueAt(world)).toBe(now + 700);
    await stored(world, { startWithinMs: 500, finishWithinMs: 600 });
    expect(await nextDueAt(world)).toBe(now + 500);
  });

  test("promotion goes by runAt, oldest first, within its limit", async () => {
    await using world = await makeStore();
    const ids: string[] = [];
    for (const delayMs of [300, 100, 200]) ids.push(await stored(world, { delayMs }));
    world.clock.advance(400);
    expect(await world.store.transact((tx) => tx.jobs.promoteDue(2))).toMatchObject({ promoted: 2 });
    expect((await claim(world, 5)).map((job) => ids.indexOf(job.jobId))).toEqual([1, 2]);
    expect(await world.store.transact((tx) => tx.jobs.promoteDue(2))).toMatchObject({ promoted: 1 });
    expect(await world.store.transact((tx) => tx.jobs.promoteDue(2))).toEqual({ functionNames: [], promoted: 0 });
  });

  test("P8: a retry is not ready one millisecond early", async () => {
    await using world = await makeStore();
    await stored(world, { jitter: 0, initialDelayMs: 250 });
    await happen(world, await claimOne(world), failed());
    world.clock.advance(249);
    expect(await world.store.transact((tx) => tx.jobs.promoteDue(10))).toMatchObject({ promoted: 0 });
    world.clock.advance(1);
    expect(await world.store.transact((tx) => tx.jobs.promoteDue(10))).toMatchObject({ promoted: 1 });
  });

  test("a job that did not start in time is overdue until it is cancelled", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { startWithinMs: 100 });
    world.clock.advance(99);
    expect(await overdue(world)).toEqual([]);
    world.clock.advance(1);
    expect(await overdue(world)).toEqual([[jobId, "start_deadline"]]);
    await happen(world, await read(world, jobId), { kind: "cancel", reason: "start_deadline" });
    expect(await overdue(world)).toEqual([]);
    expect(await nextDueAt(world)).toBeNull();
  });

  test("a start deadline is over with the first start, also between retries", async () => {
    await using world = await makeStore();
    await stored(world, { startWithinMs: 100 });
    const job = await claimOne(world);
    world.clock.advance(200);
    expect(await overdue(world)).toEqual([]);
    await happen(world, job, failed());
    world.clock.advance(200);
    expect(await overdue(world)).toEqual([]);
  });

  test("a start deadline holds again when the job was handed back unstarted", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { startWithinMs: 100 });
    const job = await claimOne(world);
    world.clock.advance(200);
    await happen(world, job, { kind: "release", started: false });
    expect(await overdue(world)).toEqual([[jobId, "start_deadline"]]);
  });

  test("a finish deadline is over for a running job too, and for one that waits for its retry", async () => {
    await using world = await makeStore();
    const first = await stored(world, { finishWithinMs: 100, initialDelayMs: 5000 });
    const second = await stored(world, { finishWithinMs: 200 });
    const [job] = await claim(world, 2);
    await happen(world, job!, failed());
    world.clock.advance(200);
    expect(await overdue(world)).toEqual([
      [first, "finish_deadline"],
      [second, "finish_deadline"],
    ]);
  });

  test("a job that finished in time is never overdue", async () => {
    await using world = await makeStore();
    await finished(world, { startWithinMs: 10, finishWithinMs: 20 });
    world.clock.advance(1000);
    expect(await overdue(world)).toEqual([]);
    expect(await nextDueAt(world)).toBeNull();
  });
}

const PARENT = "0192f0c1-2345-7000-8000-00000000abcd";

function listTests(makeStore: MakeStore): void {
  /** Some of everything: functions, states, keys, parents, times. */
  async function filled(world: StoreWorld): Promise<readonly string[]> {
    const ids: string[] = [];
    for (let index = 0; index < 60; index++) {
      const functionName = `list:${index % 3}`;
      const input: JobInput = {
        functionName,
        ...(index % 4 === 0 ? { idempotencyKey: `key-${index >> 3}` } : {}),
        ...(index % 5 === 0 ? { parentId: PARENT } : {}),
        maxAttempts: 1,
      };
      const events = [succeeded(), failed(), { kind: "cancel", reason: "cancelled" } as const];
      const [outcome] = await enqueue(world, input);
      if (outcome!.kind !== "stored") continue;
      ids.push(outcome!.jobId);
      if (index % 2 === 0) {
        const [job] = await claim(world, 1, [functionName]);
        if (index % 8 !== 0) await happen(world, job!, events[index % 3]!);
      }
      world.clock.advance(7);
    }
    return ids;
  }

  async function pages(world: StoreWorld, filter: JobFilter, limit: number): Promise<readonly string[]> {
    const ids: string[] = [];
    let before: string | null = null;
    for (let page = 0; page < 1000; page++) {
      const { jobs, next } = await world.store.jobs.list({ filter, limit, before });
      expect(jobs.length).toBeLessThanOrEqual(limit);
      ids.push(...jobs.map((job) => job.jobId));
      if (next === null) return ids;
      before = next;
    }
    throw new Error("the pages do not end");
  }

  const start = Date.UTC(2026, 0, 1);
  const filters: Readonly<Record<string, (ids: readonly string[]) => JobFilter>> = {
    everything: () => ({}),
    "one state": () => ({ states: ["SUCCESS"] }),
    "several states": () => ({ states: ["DEAD", "CANCELLED", "RUNNING", "DEAD"] }),
    "a state without jobs": () => ({ states: ["SUSPENDED"] }),
    "one function": () => ({ functionNames: ["list:1"] }),
    "several functions, one unknown": () => ({ functionNames: ["list:2", "list:0", "list:9", "list:2"] }),
    "a function and a state": () => ({ functionNames: ["list:0"], states: ["PENDING"] }),
    "a key": () => ({ idempotencyKey: "key-4" }),
    "a key of a function": () => ({ idempotencyKey: "key-4", functionNames: ["list:1"] }),
    "an unknown key": () => ({ idempotencyKey: "none" }),
    "a parent": () => ({ parentId: PARENT }),
    "a parent and a state": () => ({ parentId: PARENT, states: ["SUCCESS", "PENDING"] }),
    "an unknown parent": () => ({ parentId: "0192f0c1-2345-7000-8000-00000000ffff" }),
    ids: (ids) => ({ jobIds: [ids[7]!, ids[3]!, ids[30]!, ids[7]!, "0192f0c1-2345-7000-8000-00000000ffff", "no id"] }),
    "ids of a function": (ids) => ({ jobIds: ids.slice(5, 25), functionNames: ["list:1"] }),
    "a time and later": () => ({ createdAfter: start + 140 }),
    "before a time": () => ({ createdBefore: start + 140 }),
    "a span and a state": () => ({ createdAfter: start + 70, createdBefore: start + 350, states: ["PENDING"] }),
  };

  for (const [what, makeFilter] of Object.entries(filters)) {
    test(`by ${what}: newest first, each matching job once, on pages of any size`, async () => {
      await using world = await makeStore();
      const ids = await filled(world);
      const jobs = await world.store.jobs.getMany(ids);
      const filter = makeFilter(ids);
      const expected = jobs
        .filter((job) => matches(job, filter))
        .map((job) => job.jobId)
        .sort()
        .reverse();
      for (const limit of [1, 3, 50, 1000]) expect(await pages(world, filter, limit)).toEqual(expected);
    });
  }

  function matches(job: Awaited<ReturnType<typeof read>>, filter: JobFilter): boolean {
    return (
      (filter.jobIds === undefined || filter.jobIds.includes(job.jobId)) &&
      (filter.states === undefined || filter.states.includes(job.state)) &&
      (filter.functionNames === undefined || filter.functionNames.includes(job.functionName)) &&
      (filter.idempotencyKey === undefined || filter.idempotencyKey === job.idempotencyKey) &&
      (filter.parentId === undefined || filter.parentId === job.parentId) &&
      (filter.createdAfter === undefined || job.createdAt >= filter.createdAfter) &&
      (filter.createdBefore === undefined || job.createdAt < filter.createdBefore)
    );
  }

  test("a listed job has everything but args, result and headers", async () => {
    await using world = await makeStore();
    const jobId = await finished(world, {
      args: "[1]",
      headers: { a: "b" },
      idempotencyKey: "k",
      parentId: newJobId(3),
    });
    const { jobs } = await world.store.jobs.list({ filter: {}, limit: 5, before: null });
    const whole = await read(world, jobId);
    expect(jobs).toEqual([{ ...whole, args: new Uint8Array(0), result: null, headers: {} }]);
  });

  test("ids from callers with wrong clocks are still found by the time at which they were stored", async () => {
    await using world = await makeStore();
    const now = world.clock.now();
    const wrong = [0, now - 3 * 86_400_000, now + 30 * 86_400_000, 2 ** 48 - 1].map((at) => newJobId(at));
    await enqueue(world, ...wrong.map((jobId) => ({ jobId })));
    world.clock.advance(1000);
    await stored(world);
    const found = await pages(world, { createdAfter: now, createdBefore: now + 1 }, 2);
    expect([...found].sort()).toEqual([...wrong].sort());
  });

  test("no filter looks at more rows than one call may, and the pages still reach every match", async () => {
    await using world = await makeStore();
    const rare = await stored(world);
    world.clock.advance(10);
    for (let batch = 0; batch < 13; batch++) await enqueue(world, ...Array.from({ length: 1000 }, () => ({})));
    const filter = { createdBefore: world.clock.now() };
    const first = await world.store.jobs.list({ filter, limit: 10, before: null });
    expect(first).toMatchObject({ jobs: [] });
    expect(first.next).not.toBeNull();
    expect(await pages(world, filter, 10)).toEqual([rare]);
  });
}

function deletionTests(makeStore: MakeStore): void {
  test("only terminal jobs are deleted, with their attempts, and the answer says which", async () => {
    await using world = await makeStore();
    const dead = await finished(world, { maxAttempts: 1, args: "x".repeat(4000) }, failed());
    const success = await finished(world);
    const pending = await stored(world, { delayMs: 5 });
    const deleted = await world.store.transact((tx) => tx.jobs.delete([dead, pending, newJobId(1), success, dead]));
    expect(deleted).toEqual([dead, success]);
    expect(await world.store.jobs.getMany([dead, success, pending])).toMatchObject([{ jobId: pending }]);
    expect(await world.store.jobs.listAttempts(dead, 1_000)).toEqual([]);
  });

  test("a deleted job's key is free again", async () => {
    await using world = await makeStore();
    const jobId = await finished(world, { idempotencyKey: "k" });
    await world.store.transact((tx) => tx.jobs.delete([jobId]));
    await stored(world, { idempotencyKey: "k" });
  });

  test("pruning takes the jobs of a state that finished before a time, in slices, and says when it is done", async () => {
    await using world = await makeStore();
    const slow = await stored(world, { functionName: "test:slow" });
    const [running] = await claim(world, 1, ["test:slow"]);
    for (let index = 0; index < 10; index++) await finished(world, { functionName: `test:${index % 2}` });
    const dead = await finished(world, { maxAttempts: 1 }, failed());
    world.clock.advance(1000);
    await happen(world, running!, succeeded());
    const finishedBefore = world.clock.now();
    world.clock.advance(1000);
    const fresh = await finished(world);

    const prune = { state: "SUCCESS", finishedBefore, limit: 4 } as const;
    let deleted = 0;
    let rounds = 0;
    for (let done = false; !done; rounds++) {
      const slice = await world.store.transact((tx) => tx.jobs.prune(prune));
      expect(slice.deleted).toBeLessThanOrEqual(4);
      deleted += slice.deleted;
      done = slice.done;
    }
    expect(deleted).toBe(10);
    expect(rounds).toBeGreaterThan(2);
    expect((await world.store.jobs.getMany([slow, dead, fresh])).length).toBe(3);

    const later = { ...prune, finishedBefore: world.clock.now() + 1, limit: 100 };
    expect(await world.store.transact((tx) => tx.jobs.prune(later))).toEqual({ deleted: 2, done: true });
    const deadOnes = { ...later, state: "DEAD" } as const;
    expect(await world.store.transact((tx) => tx.jobs.prune(deadOnes))).toEqual({ deleted: 1, done: true });
    expect(await world.store.jobs.count()).toEqual([]);
  });

  test("a slice of pruning that was rolled back is pruned in a later round", async () => {
    await using world = await makeStore();
    for (let index = 0; index < 6; index++) await finished(world);
    world.clock.advance(10);
    const prune = { state: "SUCCESS", finishedBefore: world.clock.now(), limit: 4 } as const;
    const broken = world.store.transact(async (tx) => {
      await tx.jobs.prune(prune);
      throw new Error("broken");
    });
    expect(await broken.catch((fault: Error) => fault.message)).toBe("broken");
    let deleted = 0;
    for (let round = 0; round < 5; round++)
      deleted += (await world.store.transact((tx) => tx.jobs.prune(prune))).deleted;
    expect(deleted).toBe(6);
  });
}

function workerTests(makeStore: MakeStore): void {
  const worker: NewWorker = {
    workerId: WORKER,
    nodeId: "node-1",
    host: "höst",
    hostId: "boot/42",
    pid: 4711,
    processStart: "123456",
    functionNames: ["b:b", "a:a"],
    concurrency: 10,
    client: "reseolio/0.1.0 node/20",
  };

  test("a worker reads back as it was saved, with its lease", async () => {
    await using world = await makeStore();
    await world.store.transact((tx) => tx.workers.save(worker, 15_000));
    const record = { ...worker, connectedAt: world.clock.now(), leaseExpiresAt: world.clock.now() + 15_000 };
    expect(await world.store.workers.list()).toEqual([record]);
    expect(await world.store.transact((tx) => tx.workers.list())).toEqual([record]);
  });

  test("saving again replaces it", async () => {
    await using world = await makeStore();
    await world.store.transact((tx) => tx.workers.save(worker, 15_000));
    world.clock.advance(100);
    await world.store.transact((tx) => tx.workers.save({ ...worker, functionNames: [], concurrency: 1 }, 1000));
    const [record] = await world.store.workers.list();
    expect(record).toMatchObject({ functionNames: [], concurrency: 1, leaseExpiresAt: world.clock.now() + 1000 });
  });

  test("renewing moves the lease and names those who are gone", async () => {
    await using world = await makeStore();
    await world.store.transact((tx) => tx.workers.save(worker, 15_000));
    world.clock.advance(5000);
    expect(await world.store.transact((tx) => tx.workers.renew(worker.nodeId, [WORKER, "gone"], 15_000))).toEqual([
      "gone",
    ]);
    expect((await world.store.workers.list())[0]!.leaseExpiresAt).toBe(world.clock.now() + 15_000);
  });

  test("a daemon does not renew a worker whose session another one holds by now", async () => {
    await using world = await makeStore();
    await world.store.transact((tx) => tx.workers.save(worker, 15_000));
    const before = (await world.store.workers.list())[0]!.leaseExpiresAt;
    world.clock.advance(5000);
    expect(await world.store.transact((tx) => tx.workers.renew("another", [WORKER], 15_000))).toEqual([WORKER]);
    expect((await world.store.workers.list())[0]!.leaseExpiresAt).toBe(before);
  });

  test("a removed worker is gone, and removing it again is harmless", async () => {
    await using world = await makeStore();
    await world.store.transact((tx) => tx.workers.save(worker, 15_000));
    const [seen] = await world.store.workers.list();
    expect(await world.store.transact((tx) => tx.workers.remove(seen!))).toBe(true);
    expect(await world.store.transact((tx) => tx.workers.remove(seen!))).toBe(false);
    expect(await world.store.workers.list()).toEqual([]);
  });

  test("P7: a worker that renewed its lease, or went to another daemon, since it was judged is not removed", async () => {
    await using world = await makeStore();
    await world.store.transact((tx) => tx.workers.save(worker, 15_000));
    const [renewed] = await world.store.workers.list();
    world.clock.advance(1);
    await world.store.transact((tx) => tx.workers.renew(worker.nodeId, [WORKER], 15_000));
    expect(await world.store.transact((tx) => tx.workers.remove(renewed!))).toBe(false);
    const [moved] = await world.store.workers.list();
    await world.store.transact((tx) => tx.workers.save({ ...worker, nodeId: "another" }, 15_000));
    expect(await world.store.transact((tx) => tx.workers.remove(moved!))).toBe(false);
    expect(await world.store.workers.list()).toMatchObject([{ workerId: WORKER, nodeId: "another" }]);
  });

  test("leases are listed and counted by worker, also of one without a record, and not after their end", async () => {
    await using world = await makeStore();
    await enqueue(world, {}, {}, {}, {});
    const mine = await claim(world, 2, [FUNCTION], "me");
    const theirs = await claim(world, 2, [FUNCTION], "they");
    const listed = await world.store.transact((tx) => tx.workers.listLeases(["me", "nobody"]));
    const leaseOf = ({ jobId, leaseToken, workerId }: (typeof mine)[number]) => ({ jobId, leaseToken, workerId });
    expect(listed.toSorted((a, b) => (a.jobId < b.jobId ? -1 : 1))).toEqual(
      mine.map(leaseOf) as (typeof listed)[number][],
    );
    const counts = async () =>
      (await world.store.workers.countLeases()).toSorted((left, right) => (left.workerId < right.workerId ? -1 : 1));
    expect(await counts()).toEqual([
      { workerId: "me", count: 2 },
      { workerId: "they", count: 2 },
    ]);
    await happen(world, theirs[0]!, succeeded());
    expect(await counts()).toEqual([
      { workerId: "me", count: 2 },
      { workerId: "they", count: 1 },
    ]);
  });

  test("who asks first leads; whoever stores it alone always does", async () => {
    await using world = await makeStore();
    const first = await world.store.cluster.lead("one", 10_000, null);
    expect(first).toEqual({ nodeId: "one", term: 1, expiresAt: world.clock.now() + 10_000 });
    world.clock.advance(5_000);
    expect(await world.store.cluster.lead("one", 10_000, null)).toEqual({
      ...first,
      expiresAt: world.clock.now() + 10_000,
    });
    await world.store.cluster.resign("one");
  });

  test("statuses tell where jobs stand; unknown ids are left out", async () => {
    await using world = await makeStore();
    const [first, second] = [await stored(world), await stored(world)];
    const leased = await claimOne(world);
    await happen(world, leased, succeeded());
    const statuses = await world.store.jobs.listStatuses([first, second, newJobId(1), "no id"]);
    expect(statuses.toSorted((left, right) => (left.jobId < right.jobId ? -1 : 1))).toEqual([
      { jobId: first, state: "SUCCESS", leaseToken: 1 },
      { jobId: second, state: "PENDING", leaseToken: 0 },
    ]);
    expect(await world.store.jobs.listStatuses([])).toEqual([]);
  });

  test("the store's time is known outside a transaction", async () => {
    await using world = await makeStore();
    await world.store.transact(async (tx) => tx.workers.list());
    expect(Math.abs(world.store.now() - world.clock.now())).toBeLessThan(1000);
    world.clock.advance(3_600_000);
    await world.store.transact(async (tx) => tx.workers.list());
    expect(Math.abs(world.store.now() - world.clock.now())).toBeLessThan(1000);
  });
}

function transactionTests(makeStore: MakeStore): void {
  test("when the work throws, nothing of it is kept: rows, counters, names", async () => {
    await using world = await makeStore();
    const job = newJob(world, { functionName: "test:undone" });
    const broken = world.store.transact(async (tx) => {
      await tx.jobs.enqueue([job]);
      await tx.jobs.claim([{ workerId: WORKER, functionNames: ["test:undone"], limit: 1 }]);
      throw new Error("broken");
    });
    expect(await broken.catch((fault: Error) => fault.message)).toBe("broken");
    expect(await world.store.jobs.get(job.jobId)).toBeNull();
    expect(await world.store.jobs.count()).toEqual([]);
    // The name's number was given back: another name may have it now.
    await stored(world, { functionName: "test:next" });
    await stored(world, { functionName: "test:undone" });
    expect(await world.store.jobs.count()).toHaveLength(2);
    expect(await claim(world, 5, ["test:undone"])).toMatchObject([{ functionName: "test:undone" }]);
  });

  test("readers see nothing before the commit, the transaction sees its own", async () => {
    await using world = await makeStore();
    const job: NewJob = newJob(world);
    const readOutside = () => Promise.all([world.store.jobs.count(), world.store.jobs.get(job.jobId)]);
    let seenOutside: ReturnType<typeof readOutside> | null = null;
    const inside = await world.store.transact(async (tx) => {
      await tx.jobs.enqueue([job]);
      seenOutside = readOutside();
      if (world.hasOneConnection !== true) expect(await seenOutside).toEqual([[], null]);
      return tx.jobs.getMany([job.jobId, job.jobId, newJobId(1)]);
    });
    expect(inside).toMatchObject([{ jobId: job.jobId }]);
    // A store without a second connection answers after the commit, never with what is not committed.
    if (world.hasOneConnection === true)
      expect(await seenOutside).toMatchObject([[{ count: 1 }], { jobId: job.jobId }]);
    expect(await world.store.jobs.get(job.jobId)).not.toBeNull();
  });

  test("time stands still within a transaction", async () => {
    await using world = await makeStore();
    await world.store.transact(async (tx) => {
      const before = tx.now;
      world.clock.advance(1000);
      await Promise.resolve();
      expect(tx.now).toBe(before);
    });
  });

  test("a transaction that is over does nothing more", async () => {
    await using world = await makeStore();
    const leaked = await world.store.transact(async (tx) => ({ tx }));
    const job = newJob(world);
    expect(await leaked.tx.jobs.enqueue([job]).catch((fault: Error) => fault.message)).toMatch(/transaction is over/);
    await world.store.transact(async () => {
      expect(await leaked.tx.jobs.enqueue([job]).catch((fault: Error) => fault.message)).toMatch(/transaction is over/);
    });
    expect(await world.store.jobs.get(job.jobId)).toBeNull();
  });

  test("ping answers, sizeBytes tells a size, and a closed store refuses with what to think of it", async () => {
    await using world = await makeStore();
    await world.store.ping();
    await stored(world);
    expect(await world.store.sizeBytes()).toBeGreaterThan(4096);
    await world.store.close();
    await world.store.close();
    for (const call of [world.store.ping(), world.store.jobs.get(newJobId(1)), world.store.jobs.count()]) {
      expect(await call.catch((fault: { code: string }) => fault.code)).toBe("unavailable");
    }
  });
}
