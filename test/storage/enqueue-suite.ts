/** How a store takes new jobs: what it keeps of them, repeated requests, and keys. */
import { expect, test } from "bun:test";
import {
  bytes,
  claim,
  claimOne,
  enqueue,
  finished,
  FUNCTION,
  happen,
  type MakeStore,
  newJob,
  newJobId,
  read,
  stored,
  succeeded,
} from "./store-world.ts";

export function enqueueTests(makeStore: MakeStore): void {
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
