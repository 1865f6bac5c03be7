/** P6: the jobs of a worker that is gone run elsewhere: at once when its process is seen to be gone, else after the lease. */
import { expect } from "bun:test";
import type { JobHandle } from "../../src/sdk/index.ts";
import { startCuttingProxy } from "../support/cutting-proxy.ts";
import type { E2eWorld } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";
import type { FixtureProcess } from "../support/fixture-process.ts";
import { rejection } from "../support/rejection.ts";
import { randomFrom } from "../support/seeded-random.ts";
import type { RecipeResult, WorkerSettings } from "./fixtures/recipe.ts";

const LEASE_MS = 2_000;
const LEASE = ["--lease", `${LEASE_MS}ms`];
const JOBS = 10;

/** Jobs that run for ever in their first execution: only the loss of their worker ends it. */
async function startHeldJobs(
  world: E2eWorld,
  settings: Partial<WorkerSettings> = {},
): Promise<{ readonly worker: FixtureProcess; readonly jobs: readonly JobHandle<RecipeResult>[] }> {
  const worker = await world.startWorker({ concurrency: JOBS, ...settings });
  const jobs = await Promise.all(
    Array.from({ length: JOBS }, () => world.enqueue({ holdMs: 600_000 }, { timeoutMs: 0, maxAttempts: 1 })),
  );
  await world.ledger.until("start", JOBS);
  return { worker, jobs };
}

/** Time from `since` until another process started the last of the jobs. */
async function takenOverAfterMs(world: E2eWorld, since: number, other: FixtureProcess): Promise<number> {
  const starts = await world.ledger.until("start", 2 * JOBS, undefined, 30_000);
  const again = starts.filter((entry) => entry.pid === other.pid);
  expect(again.map((entry) => entry.attempt)).toEqual(Array<number>(JOBS).fill(2));
  return Math.max(...again.map((entry) => entry.at)) - since;
}

async function expectOneLoss(jobs: readonly JobHandle[]): Promise<void> {
  for (const details of await Promise.all(jobs.map((job) => job.details()))) {
    expect(details).toMatchObject({ status: "running", attempt: 2, failures: 0, losses: 1 });
    expect(details.attempts.map(({ outcome }) => outcome)).toEqual(["lost"]);
  }
}

testOnEachStore(
  "P6: kill -9 of a worker on the same host: its jobs run elsewhere within 2 s, at the default lease",
  async (store) => {
    await using world = await store.createWorld();
    const { worker, jobs } = await startHeldJobs(world);
    const other = await world.startWorker({ concurrency: JOBS });
    const killedAt = Date.now();
    worker.signal("SIGKILL");
    const tookMs = await takenOverAfterMs(world, killedAt, other);
    process.stderr.write(`P6: taken over ${tookMs} ms after kill -9\n`);
    expect(tookMs).toBeLessThan(2_000);
    await expectOneLoss(jobs);
  },
);

testOnEachStore(
  "P6: a worker killed while the daemon was down is lost within 2 s of the daemon's return",
  async (store) => {
    await using world = await store.createWorld();
    const { worker, jobs } = await startHeldJobs(world);
    await world.daemon.kill();
    await worker.kill();
    await world.daemon.restart();
    const returnedAt = Date.now();
    const other = await world.startWorker({ concurrency: JOBS });
    expect(await takenOverAfterMs(world, returnedAt, other)).toBeLessThan(2_000);
    await expectOneLoss(jobs);
  },
);

testOnEachStore("P6: a worker that is alive but silent (SIGSTOP) loses its jobs within lease + 2 s", async (store) => {
  await using world = await store.createWorld(LEASE);
  const { worker, jobs } = await startHeldJobs(world);
  const other = await world.startWorker({ concurrency: JOBS });
  const stoppedAt = Date.now();
  worker.signal("SIGSTOP");
  const tookMs = await takenOverAfterMs(world, stoppedAt, other);
  process.stderr.write(`P6: taken over ${tookMs} ms after SIGSTOP, lease ${LEASE_MS} ms\n`);
  expect(tookMs).toBeLessThan(LEASE_MS + 2_000);
  await expectOneLoss(jobs);
});

testOnEachStore(
  "P6: a worker behind a network that carries nothing any more loses its jobs within lease + 2 s",
  async (store) => {
    await using world = await store.createWorld(LEASE);
    const proxy = world.own(await startCuttingProxy(world.daemon.address, randomFrom(1)));
    const { jobs } = await startHeldJobs(world, { address: proxy.address });
    const other = await world.startWorker({ concurrency: JOBS });
    const pulledAt = Date.now();
    proxy.set({ isBlackHole: true });
    const tookMs = await takenOverAfterMs(world, pulledAt, other);
    process.stderr.write(`P6: taken over ${tookMs} ms after the network went, lease ${LEASE_MS} ms\n`);
    expect(tookMs).toBeLessThan(LEASE_MS + 2_000);
    await expectOneLoss(jobs);

    // When the network is back the old worker learns that its leases are gone: its handlers' signals fire.
    proxy.set({});
    const aborted = await world.ledger.until("abort", JOBS, undefined, 30_000);
    expect(new Set(aborted.map((entry) => entry.attempt))).toEqual(new Set([1]));
    await expectOneLoss(jobs);
  },
  90_000,
);

testOnEachStore("P6: a busy but living worker keeps its jobs far beyond its lease", async (store) => {
  await using world = await store.createWorld(LEASE);
  await world.startWorker({ concurrency: JOBS });
  await world.startWorker({ concurrency: JOBS });
  const jobs = await Promise.all(Array.from({ length: JOBS }, () => world.enqueue({ holdMs: 3 * LEASE_MS })));
  const results = await Promise.all(jobs.map((job) => job.result(20_000)));
  expect(results.map((result) => result.attempt)).toEqual(Array<number>(JOBS).fill(1));
  expect([...world.ledger.starts().values()]).toEqual(Array<number>(JOBS).fill(1));
});

testOnEachStore(
  "P6: a job that takes its worker down every time ends DEAD with the reason worker_lost",
  async (store) => {
    await using world = await store.createWorld(["--max-losses", "4"]);
    const job = await world.enqueue({ holdMs: 600_000 }, { timeoutMs: 0, maxAttempts: 1 });
    for (let loss = 1; loss <= 4; loss++) {
      const worker = await world.startWorker();
      await world.ledger.until("start", loss, job.jobId);
      await worker.kill();
    }
    expect(await rejection(job.result(10_000))).toMatchObject({ code: "job_failed", reason: "worker_lost" });
    expect(await job.details()).toMatchObject({ status: "dead", attempt: 4, failures: 0, losses: 4 });
  },
);
