/** P17: SIGTERM drains and hands back what is left, exit 0; a second signal stops now. */
import { expect } from "bun:test";
import { context, type JobHandle } from "../../src/sdk/index.ts";
import type { E2eWorld } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";
import type { RecipeResult } from "./fixtures/recipe.ts";

const EXITED = { exitCode: 0, signal: null };

/** Every job ended well, ran once, and counted neither a failure nor a loss. */
async function expectNothingCounted(world: E2eWorld, jobs: readonly JobHandle<RecipeResult>[]): Promise<void> {
  await Promise.all(jobs.map((job) => job.result(30_000)));
  const details = await Promise.all(jobs.map((job) => job.details()));
  expect(details.filter((job) => job.failures + job.losses + job.attempts.length > 0)).toEqual([]);
  const ends = world.ledger.find("end").map((entry) => entry.jobId);
  expect(ends.toSorted()).toEqual(jobs.map((job) => job.jobId).toSorted());
}

testOnEachStore(
  "P17: a daemon under load leaves at SIGTERM with exit 0; nothing acknowledged is lost, no attempt is counted",
  async (store) => {
    await using world = await store.createWorld();
    await world.startWorker({ concurrency: 10 });
    const jobs: JobHandle<RecipeResult>[] = [];
    const over = new AbortController();
    const callers = Array.from({ length: 4 }, async () => {
      while (!over.signal.aborted) jobs.push(await world.enqueue({ holdMs: 20 }));
    });
    await world.ledger.until("end", 20);
    const askedAt = performance.now();
    expect(await world.daemon.stop(10_000)).toEqual(EXITED);
    expect(performance.now() - askedAt).toBeLessThan(5_000);
    await world.daemon.restart();
    const before = world.ledger.find("end").length;
    await world.ledger.until("end", before + 20);
    over.abort();
    await Promise.all(callers);
    await expectNothingCounted(world, jobs);
    expect([...world.ledger.starts().values()].filter((count) => count > 1)).toEqual([]);
  },
  90_000,
);

testOnEachStore(
  "P17: a daemon stops now at the second signal, and nothing is lost",
  async (store) => {
    await using world = await store.createWorld();
    const worker = await world.startWorker({ concurrency: 1 });
    // Short jobs are leased ahead; a stopped worker does not hand them back, which holds the drain up.
    const jobs = await Promise.all(Array.from({ length: 400 }, () => world.enqueue({})));
    await world.ledger.until("end", 30);
    worker.signal("SIGSTOP");
    world.daemon.signal("SIGTERM");
    await logged(world, "second signal");
    const askedAt = performance.now();
    world.daemon.signal("SIGTERM");
    const { exitCode } = await world.daemon.exited();
    expect(exitCode).toBe(128 + 15);
    expect(performance.now() - askedAt).toBeLessThan(500);
    worker.signal("SIGCONT");
    await world.daemon.restart();
    await expectNothingCounted(world, jobs);
  },
  90_000,
);

async function logged(world: E2eWorld, text: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!world.daemon.logs.includes(text)) {
    if (performance.now() > deadline) throw new Error(`the daemon did not log ${text}\n${world.daemon.logs}`);
    await Bun.sleep(2);
  }
}

testOnEachStore(
  "P17: a worker under load lets its handlers end at SIGTERM, hands back the rest, exits 0 and counts nothing",
  async (store) => {
    await using world = await store.createWorld();
    const leaving = await world.startWorker({ concurrency: 4 });
    const jobs = await Promise.all(Array.from({ length: 40 }, () => world.enqueue({ holdMs: 300 })));
    await world.ledger.until("start", 4);
    leaving.signal("SIGTERM");
    expect(await leaving.exited(8_000)).toEqual(EXITED);
    // What it had started, it has finished; it started nothing new.
    expect(world.ledger.find("end").length).toBe(world.ledger.find("start").length);
    expect(world.ledger.find("start").length).toBeLessThan(jobs.length);
    await world.startWorker({ concurrency: 10 });
    await expectNothingCounted(world, jobs);
    expect([...world.ledger.starts().values()].filter((count) => count > 1)).toEqual([]);
  },
  90_000,
);

testOnEachStore(
  "P17: handlers that outlast the drain get their signal, and their jobs run elsewhere without a failure",
  async (store) => {
    await using world = await store.createWorld();
    const leaving = await world.startWorker({ concurrency: 4, drainTimeoutMs: 300 });
    const options = { timeoutMs: 0, maxAttempts: 1 };
    const jobs = await Promise.all([
      world.enqueue({ holdMs: 600_000, label: "heeds" }, options),
      world.enqueue({ holdMs: 600_000, label: "deaf", isDeaf: true }, options),
    ]);
    await world.ledger.until("start", 2);
    leaving.signal("SIGTERM");
    const aborts = await world.ledger.until("abort", 2);
    expect(new Set(aborts.map((entry) => entry.jobId))).toEqual(new Set(jobs.map((job) => job.jobId)));
    const handedBackAt = performance.now();
    await world.startWorker({ concurrency: 4 });
    await world.ledger.until("start", 4);
    expect(performance.now() - handedBackAt).toBeLessThan(4_000);
    const details = await Promise.all(jobs.map((job) => job.details()));
    for (const one of details) expect(one).toMatchObject({ status: "running", attempt: 2, failures: 0, losses: 0 });
  },
  90_000,
);

testOnEachStore(
  "P17: a worker stops now at the second signal, and its jobs run elsewhere within 2 s",
  async (store) => {
    await using world = await store.createWorld();
    const leaving = await world.startWorker({ concurrency: 2, drainTimeoutMs: 60_000 });
    const jobs = await Promise.all([world.enqueue({ holdMs: 8_000 }), world.enqueue({ holdMs: 8_000 })]);
    await world.ledger.until("start", 2);
    const other = await world.startWorker();
    leaving.signal("SIGTERM");
    await leaving.line("draining");
    const insistedAt = Date.now();
    leaving.signal("SIGTERM");
    expect((await leaving.exited()).exitCode).not.toBe(0);
    const again = (await world.ledger.until("start", 4)).filter((entry) => entry.pid === other.pid);
    expect(new Set(again.map((entry) => entry.jobId))).toEqual(new Set(jobs.map((job) => job.jobId)));
    expect(Math.max(...again.map((entry) => entry.at)) - insistedAt).toBeLessThan(2_000);
  },
  90_000,
);

testOnEachStore(
  "P17: a worker that stops while its handlers park and wake leaves no lease behind",
  async (store) => {
    await using world = await store.createWorld();
    const caller = await world.startClient({ workerConcurrency: 0 });
    for (let round = 0; round < 12; round++) {
      const leaving = await world.startClient({ workerConcurrency: 8, maxParkedHandlers: round % 2 === 0 ? 100 : 0 });
      const nap = leaving.durable(`e2e:naps-${round}`, async () => {
        for (let index = 0; index < 5_000; index++) await context().sleepFor("nap", 0);
      });
      const jobs = await Promise.all([nap(), nap(), nap()]);
      await Bun.sleep(100 + 13 * round);
      await leaving.stop();
      for (const { jobId } of jobs) {
        // Its lease is given up before `stop` resolves.
        expect(await caller.getJob(jobId)).toMatchObject({ failures: 0, losses: 0 });
        expect((await caller.getJob(jobId)).status).not.toBe("running");
      }
    }
  },
  60_000,
);
