/** What a store does at a time: delayed jobs, retries and deadlines. */
import { expect, test } from "bun:test";
import {
  claim,
  claimOne,
  failed,
  finished,
  happen,
  type MakeStore,
  read,
  stored,
  type StoreWorld,
} from "./store-world.ts";

export function timeTests(makeStore: MakeStore): void {
  /** Inside a transaction and outside of one: the same answer. */
  const nextDueAt = async (world: StoreWorld) => {
    const dueAt = await world.store.transact((tx) => tx.nextDueAt());
    expect(await world.store.nextDueAt()).toBe(dueAt);
    return dueAt;
  };
  const overdue = async (world: StoreWorld) =>
    (await world.store.transact((tx) => tx.jobs.listOverdue(10))).map(({ job, reason }) => [job.jobId, reason]);

  test("nextDueAt is the earliest of delays and deadlines, and null when there is none", async () => {
    await using world = await makeStore();
    const now = world.clock.now();
    await stored(world);
    expect(await nextDueAt(world)).toBeNull();
    await stored(world, { delayMs: 900 });
    expect(await nextDueAt(world)).toBe(now + 900);
    await stored(world, { finishWithinMs: 700 });
    expect(await nextDueAt(world)).toBe(now + 700);
    await stored(world, { startWithinMs: 500, finishWithinMs: 600 });
    expect(await nextDueAt(world)).toBe(now + 500);
  });

  test("promotion goes by runAt, oldest first, within its limit", async () => {
    await using world = await makeStore();
    const ids: string[] = [];
    for (const delayMs of [300, 100, 200]) ids.push(await stored(world, { delayMs }));
    world.clock.advance(400);
    expect(await world.store.transact((tx) => tx.jobs.promoteDue(2))).toMatchObject({ promoted: 2 });
    expect((await claim(world, 5)).map((job) => ids.indexOf(job.jobId))).toEqual([1, 2]);
    expect(await world.store.transact((tx) => tx.jobs.promoteDue(2))).toMatchObject({ promoted: 1 });
    expect(await world.store.transact((tx) => tx.jobs.promoteDue(2))).toEqual({ functionNames: [], promoted: 0 });
  });

  test("P8: a retry is not ready one millisecond early", async () => {
    await using world = await makeStore();
    await stored(world, { jitter: 0, initialDelayMs: 250 });
    await happen(world, await claimOne(world), failed());
    world.clock.advance(249);
    expect(await world.store.transact((tx) => tx.jobs.promoteDue(10))).toMatchObject({ promoted: 0 });
    world.clock.advance(1);
    expect(await world.store.transact((tx) => tx.jobs.promoteDue(10))).toMatchObject({ promoted: 1 });
  });

  test("a job that did not start in time is overdue until it is cancelled", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { startWithinMs: 100 });
    world.clock.advance(99);
    expect(await overdue(world)).toEqual([]);
    world.clock.advance(1);
    expect(await overdue(world)).toEqual([[jobId, "start_deadline"]]);
    await happen(world, await read(world, jobId), { kind: "cancel", reason: "start_deadline" });
    expect(await overdue(world)).toEqual([]);
    expect(await nextDueAt(world)).toBeNull();
  });

  test("a start deadline is over with the first start, also between retries", async () => {
    await using world = await makeStore();
    await stored(world, { startWithinMs: 100 });
    const job = await claimOne(world);
    world.clock.advance(200);
    expect(await overdue(world)).toEqual([]);
    await happen(world, job, failed());
    world.clock.advance(200);
    expect(await overdue(world)).toEqual([]);
  });

  test("a start deadline holds again when the job was handed back unstarted", async () => {
    await using world = await makeStore();
    const jobId = await stored(world, { startWithinMs: 100 });
    const job = await claimOne(world);
    world.clock.advance(200);
    await happen(world, job, { kind: "release", started: false });
    expect(await overdue(world)).toEqual([[jobId, "start_deadline"]]);
  });

  test("a finish deadline is over for a running job too, and for one that waits for its retry", async () => {
    await using world = await makeStore();
    const first = await stored(world, { finishWithinMs: 100, initialDelayMs: 5000 });
    const second = await stored(world, { finishWithinMs: 200 });
    const [job] = await claim(world, 2);
    await happen(world, job!, failed());
    world.clock.advance(200);
    expect(await overdue(world)).toEqual([
      [first, "finish_deadline"],
      [second, "finish_deadline"],
    ]);
  });

  test("a job that finished in time is never overdue", async () => {
    await using world = await makeStore();
    await finished(world, { startWithinMs: 10, finishWithinMs: 20 });
    world.clock.advance(1000);
    expect(await overdue(world)).toEqual([]);
    expect(await nextDueAt(world)).toBeNull();
  });
}
