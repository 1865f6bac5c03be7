/** A backlog of a function that nobody serves does not slow the others: enqueue, claim and await stay as they were. */
import { expect } from "bun:test";
import { createClient } from "../../src/sdk/transport/client.ts";
import type { E2eWorld } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";

/** The promise is made for 1,000,000: `FLOOD_JOBS=1000000` shows it, CI takes fewer. */
const FLOOD = Number(process.env["FLOOD_JOBS"] ?? 100_000);
const ROUNDS = 11;
const LEAST_SHARE = 0.8;

/** Each takes a world and ends when its work is done; what is measured is how long that takes. */
const WORKS = {
  enqueue: async (world: E2eWorld) => {
    for (let call = 0; call < 150; call++) await world.client.enqueue("e2e:isolation:probe");
  },
  "call and await": async (world: E2eWorld) => {
    for (let call = 0; call < 60; call++) await (await world.enqueue({})).result(10_000);
  },
  "claim and drain": async (world: E2eWorld) => {
    const jobs = await Promise.all(Array.from({ length: 300 }, () => world.enqueue({})));
    await Promise.all(jobs.map((job) => job.result(10_000)));
  },
} as const satisfies Readonly<Record<string, (world: E2eWorld) => Promise<void>>>;

testOnEachStore(
  `${FLOOD} pending jobs of a function without workers do not slow another function's enqueue, claim or await`,
  async (store) => {
    await using empty = await store.createWorld();
    await using flooded = await store.createWorld();
    await flood(flooded.daemon.address);
    // As after a crash: the daemon has read all it knows about the backlog from the file.
    await flooded.daemon.restart();
    await Promise.all([empty.startWorker(), flooded.startWorker()]);
    const shares: Record<string, number> = {};
    for (const [name, work] of Object.entries(WORKS)) {
      shares[name] = await compare(work, empty, flooded);
      // A real slowdown shows in the second measurement, too; other load on the machine does not.
      if (shares[name] < LEAST_SHARE) shares[name] = await compare(work, empty, flooded);
    }
    process.stderr.write(`isolation: share of an empty database's speed: ${JSON.stringify(shares)}\n`);
    expect(Object.entries(shares).filter(([, share]) => !(share >= LEAST_SHARE))).toEqual([]);
  },
  180_000,
);

/** Speed with the flood as a share of the speed without, from medians of rounds that take turns. */
async function compare(work: (world: E2eWorld) => Promise<void>, empty: E2eWorld, flooded: E2eWorld): Promise<number> {
  const times = { empty: [] as number[], flooded: [] as number[] };
  await work(empty);
  await work(flooded);
  for (let round = 0; round < ROUNDS; round++) {
    times.empty.push(await measure(() => work(empty)));
    times.flooded.push(await measure(() => work(flooded)));
  }
  return median(times.empty) / median(times.flooded);
}

async function measure(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function flood(address: string): Promise<void> {
  const client = createClient({ address, timeoutMs: 60_000 });
  const batch = Array.from({ length: 1_000 }, () => ({ functionName: "e2e:isolation:unserved" }));
  let left = FLOOD / batch.length;
  const callers = Array.from({ length: 4 }, async () => {
    while (left-- > 0) await client.jobs.enqueueJobs({ jobs: batch });
  });
  await Promise.all(callers);
  client.close();
}
