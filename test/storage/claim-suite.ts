/** How a store hands out ready jobs: to one worker each, in order. */
import { expect, test } from "bun:test";
import {
  claim,
  claimOne,
  enqueue,
  FUNCTION,
  happen,
  type JobInput,
  type MakeStore,
  read,
  stored,
  succeeded,
  WORKER,
} from "./store-world.ts";

export function claimTests(makeStore: MakeStore): void {
  test("a claimed job is RUNNING under a new lease, with the next attempt number", async () => {
    await using world = await makeStore();
    const jobId = await stored(world);
    world.clock.advance(500);
    const job = await claimOne(world);
    const lease = { state: "RUNNING", attempt: 1, leaseToken: 1, workerId: WORKER, startedAt: world.clock.now() };
    expect(job).toMatchObject({ jobId, ...lease });
    expect(await read(world, jobId)).toEqual(job);
  });

  test("P4: a job is claimed once, by one demand, whatever the number of demands", async () => {
    await using world = await makeStore();
    await enqueue(world, ...Array.from({ length: 10 }, () => ({})));
    const demands = ["a", "b", "c"].map((workerId) => ({ workerId, functionNames: [FUNCTION], limit: 4 }));
    const claimed = await world.store.transact((tx) => tx.jobs.claim(demands));
    expect(claimed.map(({ workerId, jobs }) => [workerId, jobs.length])).toEqual([
      ["a", 4],
      ["b", 4],
      ["c", 2],
    ]);
    expect(new Set(claimed.flatMap(({ jobs }) => jobs.map((job) => job.jobId))).size).toBe(10);
    expect(await claim(world)).toEqual([]);
  });

  test("the order is priority, then runAt, then id, over all functions together", async () => {
    await using world = await makeStore();
    const now = world.clock.now();
    const inputs: readonly JobInput[] = [
      { functionName: "f:a", priority: 0, runAt: now - 5 },
      { functionName: "f:b", priority: 9, runAt: now },
      { functionName: "f:c", priority: 0, runAt: now - 9 },
      { functionName: "f:a", priority: -2_000_000_000, runAt: 0 },
      { functionName: "f:b", priority: 0, runAt: now - 5 },
      { functionName: "f:c", priority: 9, runAt: now - 1 },
      { functionName: "f:a", priority: 9, runAt: now },
    ];
    const ids: string[] = [];
    for (const input of inputs) ids.push(await stored(world, input));
    const jobs = await claim(world, 100, ["f:a", "f:b", "f:c"]);
    expect(jobs.map((job) => ids.indexOf(job.jobId))).toEqual([5, 1, 6, 2, 0, 4, 3]);
  });

  test("the order holds over many functions with more jobs than one look takes", async () => {
    await using world = await makeStore();
    const functionNames = Array.from({ length: 7 }, (_, index) => `many:${index}`);
    const inputs = Array.from({ length: 400 }, (_, index) => ({
      functionName: functionNames[((index * 5) % 11) % 7]!,
      priority: (index * 13) % 3,
      runAt: world.clock.now() - ((index * 7) % 50),
    }));
    await enqueue(world, ...inputs);
    const jobs = [...(await claim(world, 150, functionNames)), ...(await claim(world, 300, functionNames))];
    const expected = [...jobs].sort(
      (left, right) =>
        right.priority - left.priority || left.runAt - right.runAt || (left.jobId < right.jobId ? -1 : 1),
    );
    expect(jobs).toHaveLength(400);
    expect(jobs.map((job) => job.jobId)).toEqual(expected.map((job) => job.jobId));
  });

  test("only the functions asked for are claimed, and unknown ones are no error", async () => {
    await using world = await makeStore();
    await stored(world, { functionName: "test:unserved" });
    expect(await claim(world, 5, ["test:served", "test:never-seen"])).toEqual([]);
  });

  test("maybeMore names the functions with jobs left, and none when all are taken", async () => {
    await using world = await makeStore();
    await enqueue(world, {}, {}, {}, { functionName: "test:other" });
    const demand = { workerId: WORKER, functionNames: [FUNCTION, "test:other"], limit: 3 };
    const [first] = await world.store.transact((tx) => tx.jobs.claim([demand]));
    expect(first!.maybeMore).toContain("test:other");
    const [second] = await world.store.transact((tx) => tx.jobs.claim([demand]));
    expect(second!.jobs).toHaveLength(1);
    expect(second!.maybeMore).toEqual([]);
  });

  test("a delayed job is not claimed before it is promoted", async () => {
    await using world = await makeStore();
    await stored(world, { delayMs: 1000 });
    world.clock.advance(999);
    await world.store.transact((tx) => tx.jobs.promoteDue(10));
    expect(await claim(world)).toEqual([]);
    world.clock.advance(1);
    expect(await world.store.transact((tx) => tx.jobs.promoteDue(10))).toEqual({
      functionNames: [FUNCTION],
      promoted: 1,
    });
    expect(await claim(world)).toHaveLength(1);
  });

  test("a job past a deadline is passed over", async () => {
    await using world = await makeStore();
    await stored(world, { startWithinMs: 100 });
    await stored(world, { finishWithinMs: 100 });
    const last = await stored(world);
    world.clock.advance(100);
    expect((await claim(world, 5)).map((job) => job.jobId)).toEqual([last]);
  });

  test("a start deadline does not hold back a job that has started once", async () => {
    await using world = await makeStore();
    await stored(world, { startWithinMs: 100 });
    await happen(world, await claimOne(world), { kind: "lose" });
    world.clock.advance(1000);
    expect(await claim(world)).toHaveLength(1);
  });

  test("listLeasedJobs gives a worker's jobs and nobody else's", async () => {
    await using world = await makeStore();
    await enqueue(world, {}, {}, { functionName: "test:other" }, {});
    const mine = await claim(world, 3, [FUNCTION, "test:other"], "me");
    await claim(world, 3, [FUNCTION], "you");
    const leased = await world.store.transact((tx) => tx.jobs.listLeased("me"));
    expect(leased.map((job) => job.jobId).sort()).toEqual(mine.map((job) => job.jobId).sort());
    // Transactions decide on jobs without large fields: there may be a thousand of them.
    expect(leased.map((job) => job.args.byteLength)).toEqual([0, 0, 0]);
    await happen(world, mine[0]!, succeeded());
    expect(await world.store.transact((tx) => tx.jobs.listLeased("me"))).toHaveLength(2);
    expect(await world.store.transact((tx) => tx.jobs.listLeased("nobody"))).toEqual([]);
  });
}
