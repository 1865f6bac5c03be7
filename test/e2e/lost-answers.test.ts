/** P2: an answer that was lost on the way does neither lose nor double what was asked. */
import { expect } from "bun:test";
import { startCuttingProxy } from "../support/cutting-proxy.ts";
import { WORK } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { openStoredJobs } from "../support/stored-jobs.ts";

const CALLS = 2_000;
const CALLERS = 10;
const JOBS = 300;

testOnEachStore(
  "P2: 2,000 calls over a network that cuts 20 % of the replies are stored once each, under the id they had",
  async (store) => {
    const random = seededRandom("P2 calls");
    await using world = await store.createWorld();
    const proxy = world.own(await startCuttingProxy(world.daemon.address, random));
    const client = await world.startClient({ address: proxy.address });
    proxy.set({ cutReplies: 0.2 });
    const ids = new Map<string, string>();
    const callers = Array.from({ length: CALLERS }, async (_, caller) => {
      for (let call = 0; call < CALLS / CALLERS; call++) {
        const number = `${caller}-${call}`;
        const handle = await client.enqueue("e2e:lost:call", [number]);
        expect(handle.deduplicated).toBe(false);
        ids.set(number, handle.jobId.replaceAll("-", ""));
      }
    });
    await Promise.all(callers);
    process.stderr.write(`P2: ${proxy.cuts} replies cut\n`);
    expect(proxy.cuts).toBeGreaterThan(20);

    await world.daemon.kill();
    await using database = await openStoredJobs(world.daemon.db);
    const stored = [...(await database.jobsByArgument("e2e:lost:call"))];
    expect(stored.filter(([, jobs]) => jobs.length > 1)).toEqual([]);
    expect(new Map(stored.map(([number, jobs]) => [number, jobs[0]]))).toEqual(ids);
    expect(stored.length).toBe(CALLS);
  },
  120_000,
);

testOnEachStore(
  "P2: no job runs twice because the answer to its outcome was lost",
  async (store) => {
    const random = seededRandom("P2 outcomes");
    await using world = await store.createWorld();
    const proxy = world.own(await startCuttingProxy(world.daemon.address, random));
    await world.startWorker({ address: proxy.address, concurrency: 5 });
    proxy.set({ cutReplies: 0.2 });
    const handles = await Promise.all(Array.from({ length: JOBS }, () => world.enqueue({ holdMs: 20 })));
    const results = await Promise.all(handles.map((handle) => handle.result(60_000)));
    process.stderr.write(`P2: ${proxy.cuts} replies cut\n`);
    expect(proxy.cuts).toBeGreaterThan(10);
    expect(results.every((result) => result.attempt === 1)).toBe(true);
    const starts = world.ledger.starts();
    expect([...starts].filter(([, count]) => count > 1)).toEqual([]);
    expect(starts.size).toBe(JOBS);
    const unhappy = await world.client.listJobs({ name: WORK, status: ["pending", "running", "dead", "cancelled"] });
    expect(unhappy.jobs).toEqual([]);
  },
  120_000,
);
