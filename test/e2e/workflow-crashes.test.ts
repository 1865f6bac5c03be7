/** P11: steps under kill -9: what was recorded is never done again. */
import { expect } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { type StoreWorld, testOnEachStore, type TestStore } from "../support/each-store.ts";
import { type FixtureProcess, spawnFixture } from "../support/fixture-process.ts";
import { type Random, seededRandom } from "../support/seeded-random.ts";
import { tempDir } from "../support/temp-dir.ts";
import type { WorkflowWorkerSettings } from "./fixtures/workflow-worker.ts";

const FLOW = "e2e:flow:append";
const FLOWS = 20;
const STEPS = 50;
const KILLS = 8;

/** How often each step of each flow wrote its line, whole lines only. */
function linesOf(file: string): ReadonlyMap<string, number> {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const counts = new Map<string, number>();
  for (const line of text.split("\n").slice(0, -1)) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}

class FlowWorker {
  #process: FixtureProcess | undefined;

  constructor(private readonly settings: WorkflowWorkerSettings) {}

  async start(): Promise<void> {
    this.#process = spawnFixture("workflow-worker", { settings: this.settings });
    await this.#process.line("ready");
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }
}

/** Kills now the worker, now the daemon, whenever some more steps are done. Returns how often the worker was killed. */
async function killAround(world: StoreWorld, worker: FlowWorker, file: string, random: Random): Promise<number> {
  let workerKills = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const target = ((kill + 1) * FLOWS * STEPS) / (KILLS + 2);
    while (linesOf(file).size < target) await Bun.sleep(random.between(1, 20));
    if (random.between(0, 1) === 0) await world.daemon.restart();
    else {
      workerKills++;
      await worker.kill();
      await worker.start();
    }
  }
  return workerKills;
}

async function appendUnderKills(store: TestStore): Promise<void> {
  const random = seededRandom(`steps under kills on ${store.kind}`);
  await using world = await store.createWorld(["--lease", "2s"]);
  await using dir = await tempDir("reseolio-flows-");
  const file = dir.file("lines.txt");
  const worker = new FlowWorker({ address: world.daemon.address, file, functionName: FLOW, concurrency: 10 });
  await worker.start();
  try {
    const options = { timeoutMs: 0, maxAttempts: 1 };
    const jobs = await Promise.all(
      Array.from({ length: FLOWS }, () => world.client.enqueue<number>(FLOW, [STEPS], options)),
    );
    const workerKills = await killAround(world, worker, file, random);
    const sums = await Promise.all(jobs.map((job) => job.result(60_000)));
    expect(sums).toEqual(Array<number>(FLOWS).fill((STEPS * (STEPS - 1)) / 2));
    const lines = linesOf(file);
    let repeated = 0;
    for (const { jobId } of jobs) {
      const counts = Array.from({ length: STEPS }, (_, step) => lines.get(`${jobId} ${step}`) ?? 0);
      // Only a step that was killed between its effect and its record is repeated, at most once per kill of the worker.
      expect(Math.min(...counts)).toBe(1);
      const more = counts.reduce((sum, count) => sum + count, 0) - STEPS;
      expect(more).toBeLessThanOrEqual(workerKills);
      repeated += more;
    }
    expect(lines.size).toBe(FLOWS * STEPS);
    process.stderr.write(
      `P11: ${workerKills} kills of the worker, ${KILLS - workerKills} of the daemon: ${repeated} steps twice\n`,
    );
  } finally {
    await worker.kill();
  }
}

const MIXED = 60;

/** Kills a worker or the daemon at random intervals until told to stop. */
async function killUntil(isOver: () => boolean, world: StoreWorld, workers: readonly FlowWorker[], random: Random) {
  for (let kills = 0; ; kills++) {
    await Bun.sleep(random.between(100, 500));
    if (isOver() || kills === 6) return kills;
    const worker = workers[random.between(0, workers.length)];
    if (worker === undefined) await world.daemon.restart();
    else {
      await worker.kill();
      await worker.start();
    }
  }
}

async function waitUnderKills(store: TestStore): Promise<void> {
  const random = seededRandom(`waits under kills on ${store.kind}`);
  await using world = await store.createWorld(["--lease", "2s"]);
  await using dir = await tempDir("reseolio-flows-");
  const file = dir.file("lines.txt");
  const settings = { address: world.daemon.address, file, functionName: FLOW, concurrency: 3 };
  const workers = [new FlowWorker(settings), new FlowWorker(settings)];
  await Promise.all(workers.map((worker) => worker.start()));
  try {
    const numbers = Array.from({ length: MIXED }, (_, n) => n);
    const options = { timeoutMs: 0, maxAttempts: 1 };
    const jobs = await Promise.all(
      numbers.map((n) => world.client.enqueue<readonly unknown[]>(`${FLOW}:mixed`, [n], options)),
    );
    let isOver = false;
    const killing = killUntil(() => isOver, world, workers, random);
    for (const n of random.shuffled(numbers.slice(0, 50))) {
      await Bun.sleep(random.between(0, 60));
      await world.client.emitEvent(`mixed:${n}`, n);
    }
    const results = await Promise.all(jobs.map((job) => job.result(90_000)));
    isOver = true;
    const kills = await killing;
    process.stderr.write(`P11 to P14: ${MIXED} flows of all kinds of waits through ${kills} kills\n`);
    const expected = (n: number): readonly unknown[] => {
      const children = [2 * n, 2 * n + 2, 2 * n];
      return ["begin", children, n % 50, "beside", 1, 2 * n, true, "end"];
    };
    expect(results).toEqual(numbers.map(expected));
    const counts = await world.client.listJobs({ name: `${FLOW}:child`, limit: 1000 });
    // Each parent called four children, however often it was replayed.
    expect(counts.jobs).toHaveLength(4 * MIXED);
    expect(Math.max(...linesOf(file).values())).toBeLessThanOrEqual(2);
  } finally {
    await Promise.all(workers.map((worker) => worker.kill()));
  }
}

testOnEachStore(
  "P11 to P14: flows with every kind of wait end as they should, and find their children, whatever is killed",
  waitUnderKills,
  120_000,
);

testOnEachStore(
  "P11: 20 flows of 50 steps, worker or daemon killed -9 at random: each line once, but for the step that was cut",
  appendUnderKills,
  120_000,
);
