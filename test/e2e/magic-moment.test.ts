/**
 * The magic moment: under a mixed load with retries, delays and children, daemon and workers are killed -9 at random
 * points and started again; everything goes on where it was, and everything ends.
 */
import { expect } from "bun:test";
import type { JobDetails, JobHandle } from "../../src/sdk/index.ts";
import { WORK } from "../support/e2e-world.ts";
import type { E2eWorld } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";
import type { FixtureProcess } from "../support/fixture-process.ts";
import { seededRandom } from "../support/seeded-random.ts";
import type { Random } from "../support/seeded-random.ts";
import { openStoredJobs } from "../support/stored-jobs.ts";
import type { LedgerEntry, Recipe, RecipeResult } from "./fixtures/recipe.ts";

const JOBS = 400;
const KILLS = 12;
const OPTIONS = { initialDelayMs: 50, maxDelayMs: 400, maxAttempts: 12 } as const;

testOnEachStore(
  "P1 P5 P6 P7 P16: everything ends, nothing starts over, while daemon and workers are killed again and again",
  async (store) => {
    const random = seededRandom("magic moment");
    await using world = await store.createWorld();
    const workers = [await world.startWorker({ concurrency: 8 }), await world.startWorker({ concurrency: 8 })];
    const calls = callSteadily(world, random);
    for (let kill = 0; kill < KILLS; kill++) {
      // The moment of the kill is the chance that is tested.
      await Bun.sleep(random.between(20, 800));
      await killSomething(world, workers, random);
    }
    const jobs = await calls;
    const results = await Promise.all(jobs.map(({ job }) => job.result(60_000)));
    await childrenEnded(world);
    expectAttemptsGoOn(world.ledger.entries);
    const details = await Promise.all(jobs.map(({ job }) => job.details()));
    for (const [index, record] of details.entries()) {
      expectRecord(record, jobs[index]?.recipe ?? {}, results[index] as RecipeResult);
    }
    const lost = details.reduce((sum, record) => sum + record.losses, 0);
    process.stderr.write(`magic moment: ${jobs.length} jobs, ${lost} attempts lost with their workers\n`);

    await world.daemon.kill();
    await using database = await openStoredJobs(world.daemon.db);
    expect(await database.integrity()).toBe("ok");
    const { maintained, counted } = await database.counters();
    expect(maintained).toEqual(counted);
  },
  120_000,
);

interface Call {
  readonly recipe: Recipe;
  readonly job: JobHandle<RecipeResult>;
}

/** Calls go on through the kills; one that nobody answers waits for the next daemon. */
async function callSteadily(world: E2eWorld, random: Random): Promise<readonly Call[]> {
  const calls: Call[] = [];
  for (let call = 0; call < JOBS; call++) {
    const recipe: Recipe = {
      label: String(call),
      holdMs: random.between(0, 300),
      failures: random.next() < 0.5 ? random.between(1, 3) : 0,
      ...(random.next() < 0.1 ? { children: [{ label: `child of ${call}`, holdMs: 20 }] } : {}),
    };
    const delay = random.next() < 0.2 ? { delayMs: random.between(1, 1_500) } : {};
    calls.push({ recipe, job: await world.enqueue(recipe, { ...OPTIONS, ...delay }) });
    await Bun.sleep(random.between(0, 15));
  }
  return calls;
}

async function killSomething(world: E2eWorld, workers: FixtureProcess[], random: Random): Promise<void> {
  const victim = random.between(0, 3);
  if (victim >= 2) {
    await world.daemon.kill();
    if (victim === 3) await Bun.sleep(random.between(0, 500));
    await world.daemon.restart();
    return;
  }
  await workers[victim]?.kill();
  workers[victim] = await world.startWorker({ concurrency: 8 });
}

async function childrenEnded(world: E2eWorld): Promise<void> {
  for (;;) {
    const { jobs } = await world.client.listJobs({ name: WORK, status: ["pending", "running"], limit: 1_000 });
    if (jobs.length === 0) return;
    await Promise.all(jobs.map((job) => world.client.handle(job.id).result(30_000)));
  }
}

/** No attempt number of a job is used twice, and none comes after a higher one. */
function expectAttemptsGoOn(entries: readonly LedgerEntry[]): void {
  const last = new Map<string, number>();
  const repeated: LedgerEntry[] = [];
  for (const entry of entries.filter(({ event }) => event === "start")) {
    if (entry.attempt <= (last.get(entry.jobId) ?? 0)) repeated.push(entry);
    last.set(entry.jobId, entry.attempt);
  }
  expect(repeated).toEqual([]);
}

/** Every execution is accounted for: those that failed as told, those lost with their worker, and one success. */
function expectRecord(record: JobDetails, recipe: Recipe, result: RecipeResult): void {
  expect(record.status).toBe("success");
  expect(result).toMatchObject({ label: recipe.label, attempt: record.attempt });
  expect(record.attempt).toBe(record.failures + record.losses + 1);
  expect(record.attempts.map(({ attempt }) => attempt)).toEqual(
    Array.from({ length: record.attempt - 1 }, (_, index) => index + 1),
  );
  expect(record.failures).toBeLessThanOrEqual(recipe.failures ?? 0);
  expect(record.attempt).toBeGreaterThan(recipe.failures ?? 0);
}
