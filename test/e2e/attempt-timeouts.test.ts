/** P9: the daemon ends an attempt at its time limit, whatever the worker does. */
import { expect } from "bun:test";
import type { JobHandle } from "../../src/sdk/index.ts";
import { testOnEachStore } from "../support/each-store.ts";
import { rejection } from "../support/rejection.ts";

const TIMEOUT_MS = 700;
const OPTIONS = { timeoutMs: TIMEOUT_MS, maxAttempts: 1 };

/** Waits for DEAD by timeout and answers how long the attempt lasted by the daemon's record. */
async function timedOutAfterMs(job: JobHandle): Promise<number> {
  expect(await rejection(job.result(15_000))).toMatchObject({ code: "job_failed", reason: "timeout" });
  const { startedAt, finishedAt } = await job.details();
  return Number(finishedAt) - Number(startedAt);
}

testOnEachStore(
  "P9: a handler that blocks its event loop is timed out, and its late success is rejected",
  async (store) => {
    await using world = await store.createWorld();
    await world.startWorker({ concurrency: 1 });
    const job = await world.enqueue({ holdMs: 4_000, blocks: true }, OPTIONS);
    const ranMs = await timedOutAfterMs(job);
    expect(ranMs).toBeGreaterThanOrEqual(TIMEOUT_MS);
    expect(ranMs).toBeLessThan(TIMEOUT_MS + 2_000);
    const record = await job.details();
    // The handler wakes up, succeeds and says so; the next job on the same slot shows that it was heard.
    await world.ledger.until("end", 1, job.jobId);
    const next = await world.enqueue({ label: "next" });
    await next.result(10_000);
    expect(await job.details()).toEqual(record);
  },
);

testOnEachStore("P9: a stopped worker's attempt is timed out, and the retry runs elsewhere", async (store) => {
  await using world = await store.createWorld();
  const frozen = await world.startWorker({ concurrency: 1 });
  const job = await world.enqueue({ holdMs: 300 }, { timeoutMs: TIMEOUT_MS, maxAttempts: 2, initialDelayMs: 10 });
  await world.ledger.until("start", 1, job.jobId);
  frozen.signal("SIGSTOP");
  const other = await world.startWorker();
  expect(await job.result(15_000)).toMatchObject({ pid: other.pid, attempt: 2 });
  const { attempts, failures, losses } = await job.details();
  expect({ failures, losses }).toEqual({ failures: 1, losses: 0 });
  expect(attempts.map((attempt) => attempt.outcome)).toEqual(["timeout"]);
  const ranMs = Number(attempts[0]?.endedAt) - Number(attempts[0]?.startedAt);
  expect(ranMs).toBeGreaterThanOrEqual(TIMEOUT_MS);
  expect(ranMs).toBeLessThan(TIMEOUT_MS + 2_000);
});

testOnEachStore("P9: a well-behaved handler's signal fires at its time limit", async (store) => {
  await using world = await store.createWorld();
  await world.startWorker();
  const job = await world.enqueue({ holdMs: 60_000 }, OPTIONS);
  const [start] = await world.ledger.until("start", 1, job.jobId);
  const [abort] = await world.ledger.until("abort", 1, job.jobId);
  const firedMs = Number(abort?.at) - Number(start?.at);
  expect(firedMs).toBeGreaterThanOrEqual(TIMEOUT_MS - 20);
  expect(firedMs).toBeLessThan(TIMEOUT_MS + 1_000);
  expect(await timedOutAfterMs(job)).toBeLessThan(TIMEOUT_MS + 2_000);
});

testOnEachStore("P9: jobs that were leased ahead are not timed out while they wait for a slot", async (store) => {
  await using world = await store.createWorld();
  // Short jobs come first: they make the daemon lease ahead, so the slow ones that follow wait in the worker.
  const short = Array.from({ length: 300 }, () => world.enqueue({}));
  const slow = Array.from({ length: 8 }, () => world.enqueue({ holdMs: 300 }, { timeoutMs: 1_000, maxAttempts: 1 }));
  const jobs = await Promise.all([...short, ...slow]);
  await world.startWorker({ concurrency: 1 });
  const results = await Promise.all(jobs.map((job) => job.result(20_000)));
  expect(results.filter((result) => result.attempt !== 1)).toEqual([]);
});

testOnEachStore(
  "P9: a handler that ignores its signal keeps its slot: no more than `concurrency` run at once",
  async (store) => {
    await using world = await store.createWorld();
    await world.startWorker({ concurrency: 1 });
    const deaf = await world.enqueue({ holdMs: 2_500, isDeaf: true }, OPTIONS);
    await timedOutAfterMs(deaf);
    const next = await world.enqueue({ label: "next" });
    await next.result(15_000);
    const [end] = world.ledger.find("end", deaf.jobId);
    const [start] = world.ledger.find("start", next.jobId);
    expect(Number(start?.at)).toBeGreaterThanOrEqual(Number(end?.at));
  },
);
