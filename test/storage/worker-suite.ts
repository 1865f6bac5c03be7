/** What a store knows of workers: their leases on themselves and on jobs, and who leads. */
import { expect, test } from "bun:test";
import type { NewWorker } from "../../src/daemon/storage/seam/workers.ts";
import {
  claim,
  claimOne,
  enqueue,
  FUNCTION,
  happen,
  type MakeStore,
  newJobId,
  stored,
  succeeded,
  WORKER,
} from "./store-world.ts";

export function workerTests(makeStore: MakeStore): void {
  const worker: NewWorker = {
    workerId: WORKER,
    nodeId: "node-1",
    host: "höst",
    hostId: "boot/42",
    pid: 4711,
    processStart: "123456",
    functionNames: ["b:b", "a:a"],
    concurrency: 10,
    client: "reseolio/0.1.0 node/20",
  };

  test("a worker reads back as it was saved, with its lease", async () => {
    await using world = await makeStore();
    await world.store.transact((tx) => tx.workers.save(worker, 15_000));
    const record = { ...worker, connectedAt: world.clock.now(), leaseExpiresAt: world.clock.now() + 15_000 };
    expect(await world.store.workers.list()).toEqual([record]);
    expect(await world.store.transact((tx) => tx.workers.list())).toEqual([record]);
  });

  test("saving again replaces it", async () => {
    await using world = await makeStore();
    await world.store.transact((tx) => tx.workers.save(worker, 15_000));
    world.clock.advance(100);
    await world.store.transact((tx) => tx.workers.save({ ...worker, functionNames: [], concurrency: 1 }, 1000));
    const [record] = await world.store.workers.list();
    expect(record).toMatchObject({ functionNames: [], concurrency: 1, leaseExpiresAt: world.clock.now() + 1000 });
  });

  test("renewing moves the lease and names those who are gone", async () => {
    await using world = await makeStore();
    await world.store.transact((tx) => tx.workers.save(worker, 15_000));
    world.clock.advance(5000);
    expect(await world.store.transact((tx) => tx.workers.renew(worker.nodeId, [WORKER, "gone"], 15_000))).toEqual([
      "gone",
    ]);
    expect((await world.store.workers.list())[0]!.leaseExpiresAt).toBe(world.clock.now() + 15_000);
  });

  test("a daemon does not renew a worker whose session another one holds by now", async () => {
    await using world = await makeStore();
    await world.store.transact((tx) => tx.workers.save(worker, 15_000));
    const before = (await world.store.workers.list())[0]!.leaseExpiresAt;
    world.clock.advance(5000);
    expect(await world.store.transact((tx) => tx.workers.renew("another", [WORKER], 15_000))).toEqual([WORKER]);
    expect((await world.store.workers.list())[0]!.leaseExpiresAt).toBe(before);
  });

  test("a removed worker is gone, and removing it again is harmless", async () => {
    await using world = await makeStore();
    await world.store.transact((tx) => tx.workers.save(worker, 15_000));
    const [seen] = await world.store.workers.list();
    expect(await world.store.transact((tx) => tx.workers.remove(seen!))).toBe(true);
    expect(await world.store.transact((tx) => tx.workers.remove(seen!))).toBe(false);
    expect(await world.store.workers.list()).toEqual([]);
  });

  test("P7: a worker that renewed its lease, or went to another daemon, since it was judged is not removed", async () => {
    await using world = await makeStore();
    await world.store.transact((tx) => tx.workers.save(worker, 15_000));
    const [renewed] = await world.store.workers.list();
    world.clock.advance(1);
    await world.store.transact((tx) => tx.workers.renew(worker.nodeId, [WORKER], 15_000));
    expect(await world.store.transact((tx) => tx.workers.remove(renewed!))).toBe(false);
    const [moved] = await world.store.workers.list();
    await world.store.transact((tx) => tx.workers.save({ ...worker, nodeId: "another" }, 15_000));
    expect(await world.store.transact((tx) => tx.workers.remove(moved!))).toBe(false);
    expect(await world.store.workers.list()).toMatchObject([{ workerId: WORKER, nodeId: "another" }]);
  });

  test("leases are listed and counted by worker, also of one without a record, and not after their end", async () => {
    await using world = await makeStore();
    await enqueue(world, {}, {}, {}, {});
    const mine = await claim(world, 2, [FUNCTION], "me");
    const theirs = await claim(world, 2, [FUNCTION], "they");
    const listed = await world.store.transact((tx) => tx.workers.listLeases(["me", "nobody"]));
    const leaseOf = ({ jobId, leaseToken, workerId }: (typeof mine)[number]) => ({ jobId, leaseToken, workerId });
    expect(listed.toSorted((a, b) => (a.jobId < b.jobId ? -1 : 1))).toEqual(
      mine.map(leaseOf) as (typeof listed)[number][],
    );
    const counts = async () =>
      (await world.store.workers.countLeases()).toSorted((left, right) => (left.workerId < right.workerId ? -1 : 1));
    expect(await counts()).toEqual([
      { workerId: "me", count: 2 },
      { workerId: "they", count: 2 },
    ]);
    await happen(world, theirs[0]!, succeeded());
    expect(await counts()).toEqual([
      { workerId: "me", count: 2 },
      { workerId: "they", count: 1 },
    ]);
  });

  test("who asks first leads; whoever stores it alone always does", async () => {
    await using world = await makeStore();
    const first = await world.store.cluster.lead("one", 10_000, null);
    expect(first).toEqual({ nodeId: "one", term: 1, expiresAt: world.clock.now() + 10_000 });
    world.clock.advance(5_000);
    expect(await world.store.cluster.lead("one", 10_000, null)).toEqual({
      ...first,
      expiresAt: world.clock.now() + 10_000,
    });
    await world.store.cluster.resign("one");
  });

  test("statuses tell where jobs stand; unknown ids are left out", async () => {
    await using world = await makeStore();
    const [first, second] = [await stored(world), await stored(world)];
    const leased = await claimOne(world);
    await happen(world, leased, succeeded());
    const statuses = await world.store.jobs.listStatuses([first, second, newJobId(1), "no id"]);
    expect(statuses.toSorted((left, right) => (left.jobId < right.jobId ? -1 : 1))).toEqual([
      { jobId: first, state: "SUCCESS", leaseToken: 1 },
      { jobId: second, state: "PENDING", leaseToken: 0 },
    ]);
    expect(await world.store.jobs.listStatuses([])).toEqual([]);
  });

  test("the store's time is known outside a transaction", async () => {
    await using world = await makeStore();
    await world.store.transact(async (tx) => tx.workers.list());
    expect(Math.abs(world.store.now() - world.clock.now())).toBeLessThan(1000);
    world.clock.advance(3_600_000);
    await world.store.transact(async (tx) => tx.workers.list());
    expect(Math.abs(world.store.now() - world.clock.now())).toBeLessThan(1000);
  });
}
