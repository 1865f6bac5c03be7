/** P7: a daemon that comes back does not run again what living workers hold. */
import { expect } from "bun:test";
import type { JobHandle } from "../../src/sdk/index.ts";
import type { E2eWorld } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";
import { rejection } from "../support/rejection.ts";
import type { RecipeResult } from "./fixtures/recipe.ts";

const JOBS = 50;

async function startRunningJobs(world: E2eWorld, holdMs: number): Promise<readonly JobHandle<RecipeResult>[]> {
  await world.startWorker({ concurrency: JOBS / 2 });
  await world.startWorker({ concurrency: JOBS / 2 });
  const jobs = await Promise.all(Array.from({ length: JOBS }, () => world.enqueue({ holdMs })));
  await world.ledger.until("start", JOBS);
  return jobs;
}

async function expectRanOnce(world: E2eWorld, jobs: readonly JobHandle<RecipeResult>[]): Promise<void> {
  const results = await Promise.all(jobs.map((job) => job.result(20_000)));
  expect(results.map((result) => result.attempt)).toEqual(Array<number>(JOBS).fill(1));
  expect(world.ledger.starts()).toEqual(new Map(jobs.map((job) => [job.jobId, 1])));
  expect(world.ledger.find("abort")).toEqual([]);
  const details = await Promise.all(jobs.map((job) => job.details()));
  expect(details.filter((job) => job.failures + job.losses + job.attempts.length > 0)).toEqual([]);
}

testOnEachStore("P7: a daemon killed -9 and restarted under 50 running jobs runs none of them again", async (store) => {
  await using world = await store.createWorld();
  const jobs = await startRunningJobs(world, 3_000);
  await world.daemon.restart();
  // They are still running: the restart happened in the middle, and the new daemon agrees.
  expect(world.ledger.find("end")).toEqual([]);
  const running = await world.client.listJobs({ status: "running", limit: 100 });
  expect(running.jobs.length).toBe(JOBS);
  await expectRanOnce(world, jobs);
});

testOnEachStore(
  "P7: jobs that end while the daemon is down are settled when it is back, not run again",
  async (store) => {
    await using world = await store.createWorld();
    const jobs = await startRunningJobs(world, 500);
    await world.daemon.kill();
    await world.ledger.until("end", JOBS);
    await world.daemon.restart();
    await expectRanOnce(world, jobs);
  },
);

testOnEachStore("P7: neither does one that is stopped with SIGTERM and started again", async (store) => {
  await using world = await store.createWorld();
  const jobs = await startRunningJobs(world, 2_000);
  expect(await world.daemon.stop()).toEqual({ exitCode: 0, signal: null });
  await world.daemon.restart();
  await expectRanOnce(world, jobs);
});

testOnEachStore("P7: five kills in a row, faster than a job runs, run none again", async (store) => {
  await using world = await store.createWorld();
  const jobs = await startRunningJobs(world, 4_000);
  for (let kill = 0; kill < 5; kill++) await world.daemon.restart();
  await expectRanOnce(world, jobs);
});

testOnEachStore("P7: the clock of an attempt's timeout runs on while the daemon is away", async (store) => {
  await using world = await store.createWorld();
  await world.startWorker();
  const timeoutMs = 3_000;
  const job = await world.enqueue({ holdMs: 60_000, isDeaf: true }, { timeoutMs, maxAttempts: 1 });
  await world.ledger.until("start", 1, job.jobId);
  await world.daemon.kill();
  // The daemon's downtime is under test: a time limit that restarted would end this much later.
  await Bun.sleep(2_000);
  await world.daemon.restart();
  await rejection(job.result(15_000));
  const details = await job.details();
  expect(details).toMatchObject({ status: "dead", error: { reason: "timeout" } });
  // From the daemon's own record: a busy machine may start the handler later than the delivery allowance.
  const ranMs = Number(details.finishedAt) - Number(details.attempts.at(0)?.startedAt);
  expect(ranMs).toBeGreaterThanOrEqual(timeoutMs - 10);
  expect(ranMs).toBeLessThan(timeoutMs + 1_900);
});

testOnEachStore(
  "P7: a daemon that stood still for longer than the lease does not take its living workers for dead",
  async (store) => {
    await using world = await store.createWorld(["--lease", "1s"]);
    const jobs = await startRunningJobs(world, 4_500);
    world.daemon.signal("SIGSTOP");
    // The length of the pause is under test.
    await Bun.sleep(3_000);
    world.daemon.signal("SIGCONT");
    await expectRanOnce(world, jobs);
  },
);
