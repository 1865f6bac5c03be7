/** P8: retry delays, read from the records of a running daemon: never early, inside the jitter band. */
import { expect } from "bun:test";
import type { JobDetails, JobOptions } from "../../src/sdk/index.ts";
import type { E2eWorld } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";

/** From the due time to the start of a handler, on a machine that does other things too. */
const LATE_MS = 1_000;

const POLICIES = [
  { backoff: "fixed", initialDelayMs: 80, maxDelayMs: 60_000, jitter: 0 },
  { backoff: "fixed", initialDelayMs: 100, maxDelayMs: 60_000, jitter: 0.5 },
  { backoff: "linear", initialDelayMs: 50, maxDelayMs: 60_000, jitter: 0.1 },
  { backoff: "exponential", initialDelayMs: 30, maxDelayMs: 150, jitter: 0.3 },
  { backoff: "exponential", initialDelayMs: 40, maxDelayMs: 60_000, jitter: 1 },
] as const satisfies readonly JobOptions[];

type Policy = (typeof POLICIES)[number];

function band({ backoff, initialDelayMs, maxDelayMs, jitter }: Policy, failures: number): readonly [number, number] {
  const growth = { fixed: 1, linear: failures, exponential: 2 ** (failures - 1) }[backoff];
  const nominal = Math.min(initialDelayMs * growth, maxDelayMs);
  return [Math.floor(nominal * (1 - jitter)), Math.ceil(nominal * (1 + jitter))];
}

testOnEachStore("P8: no attempt starts before its delay is over, nor much later, for each backoff", async (store) => {
  await using world = await store.createWorld();
  await world.startWorker({ concurrency: 50 });
  const jobs = await Promise.all(
    Array.from({ length: 40 }, (_, index) => {
      const policy = POLICIES[index % POLICIES.length] as Policy;
      return world.enqueue({ failures: 4 }, { ...policy, maxAttempts: 5 });
    }),
  );
  await Promise.all(jobs.map((job) => job.result(30_000)));
  const details = await Promise.all(jobs.map((job) => job.details()));
  for (const [index, job] of details.entries()) expectDelays(job, POLICIES[index % POLICIES.length] as Policy);
});

function expectDelays(job: JobDetails, policy: Policy): void {
  const starts = [...job.attempts.map((attempt) => attempt.startedAt), job.startedAt as Date];
  expect(job.attempts.map((attempt) => attempt.attempt)).toEqual([1, 2, 3, 4]);
  for (const { attempt, endedAt } of job.attempts) {
    const waitedMs = Number(starts[attempt]) - endedAt.getTime();
    const [least, most] = band(policy, attempt);
    const told = `${policy.backoff} ${policy.jitter}, failure ${attempt}: waited ${waitedMs} ms of ${least} to ${most}`;
    if (waitedMs < least || waitedMs > most + LATE_MS) throw new Error(told);
  }
}

testOnEachStore("P8: 200 delays lie exactly inside the jitter band and use it from end to end", async (store) => {
  await using world = await store.createWorld();
  await world.startWorker({ concurrency: 50 });
  const policy = { initialDelayMs: 60_000, maxDelayMs: 600_000, jitter: 0.2, backoff: "exponential" } as const;
  const jobs = await Promise.all(Array.from({ length: 200 }, () => world.enqueue({ failures: 1 }, policy)));
  await world.ledger.until("fail", jobs.length);
  await recorded(world);
  const shares = (await Promise.all(jobs.map((job) => job.details()))).map(shareOfBand);
  expect(shares.filter((share) => !(share >= -0.2 && share <= 0.2))).toEqual([]);
  // With 200 samples, the outer tenth of the band is empty at either end only once in a billion runs.
  expect(Math.min(...shares)).toBeLessThan(-0.16);
  expect(Math.max(...shares)).toBeGreaterThan(0.16);
});

/** What handlers did is in the daemon's records a moment later. */
async function recorded(world: E2eWorld): Promise<void> {
  while ((await world.client.listJobs({ status: "running", limit: 1 })).jobs.length > 0) await Bun.sleep(5);
}

/** The fraction by which the chosen delay differs from its nominal 60 s. */
function shareOfBand({ runAt, attempts: [failed] }: JobDetails): number {
  return (runAt.getTime() - Number(failed?.endedAt)) / 60_000 - 1;
}

testOnEachStore("P8: a delay is kept across a restart of the daemon", async (store) => {
  await using world = await store.createWorld();
  await world.startWorker();
  const job = await world.enqueue({ failures: 1 }, { initialDelayMs: 1_500, jitter: 0 });
  await world.ledger.until("fail", 1, job.jobId);
  await recorded(world);
  await world.daemon.restart();
  await job.result(15_000);
  const { startedAt, attempts } = await job.details();
  const waitedMs = Number(startedAt) - Number(attempts[0]?.endedAt);
  expect(waitedMs).toBeGreaterThanOrEqual(1_500);
  expect(waitedMs).toBeLessThan(1_500 + LATE_MS);
});
