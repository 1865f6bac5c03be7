/** How a store deletes jobs: by their ids, and what is past its retention. */
import { expect, test } from "bun:test";
import { claim, failed, finished, happen, type MakeStore, newJobId, stored, succeeded } from "./store-world.ts";

export function deletionTests(makeStore: MakeStore): void {
  test("only terminal jobs are deleted, with their attempts, and the answer says which", async () => {
    await using world = await makeStore();
    const dead = await finished(world, { maxAttempts: 1, args: "x".repeat(4000) }, failed());
    const success = await finished(world);
    const pending = await stored(world, { delayMs: 5 });
    const deleted = await world.store.transact((tx) => tx.jobs.delete([dead, pending, newJobId(1), success, dead]));
    expect(deleted).toEqual([dead, success]);
    expect(await world.store.jobs.getMany([dead, success, pending])).toMatchObject([{ jobId: pending }]);
    expect(await world.store.jobs.listAttempts(dead, 1_000)).toEqual([]);
  });

  test("a deleted job's key is free again", async () => {
    await using world = await makeStore();
    const jobId = await finished(world, { idempotencyKey: "k" });
    await world.store.transact((tx) => tx.jobs.delete([jobId]));
    await stored(world, { idempotencyKey: "k" });
  });

  test("pruning takes the jobs of a state that finished before a time, in slices, and says when it is done", async () => {
    await using world = await makeStore();
    const slow = await stored(world, { functionName: "test:slow" });
    const [running] = await claim(world, 1, ["test:slow"]);
    for (let index = 0; index < 10; index++) await finished(world, { functionName: `test:${index % 2}` });
    const dead = await finished(world, { maxAttempts: 1 }, failed());
    world.clock.advance(1000);
    await happen(world, running!, succeeded());
    const finishedBefore = world.clock.now();
    world.clock.advance(1000);
    const fresh = await finished(world);

    const prune = { state: "SUCCESS", finishedBefore, limit: 4 } as const;
    let deleted = 0;
    let rounds = 0;
    for (let done = false; !done; rounds++) {
      const slice = await world.store.transact((tx) => tx.jobs.prune(prune));
      expect(slice.deleted).toBeLessThanOrEqual(4);
      deleted += slice.deleted;
      done = slice.done;
    }
    expect(deleted).toBe(10);
    expect(rounds).toBeGreaterThan(2);
    expect((await world.store.jobs.getMany([slow, dead, fresh])).length).toBe(3);

    const later = { ...prune, finishedBefore: world.clock.now() + 1, limit: 100 };
    expect(await world.store.transact((tx) => tx.jobs.prune(later))).toEqual({ deleted: 2, done: true });
    const deadOnes = { ...later, state: "DEAD" } as const;
    expect(await world.store.transact((tx) => tx.jobs.prune(deadOnes))).toEqual({ deleted: 1, done: true });
    expect(await world.store.jobs.count()).toEqual([]);
  });

  test("a slice of pruning that was rolled back is pruned in a later round", async () => {
    await using world = await makeStore();
    for (let index = 0; index < 6; index++) await finished(world);
    world.clock.advance(10);
    const prune = { state: "SUCCESS", finishedBefore: world.clock.now(), limit: 4 } as const;
    const broken = world.store.transact(async (tx) => {
      await tx.jobs.prune(prune);
      throw new Error("broken");
    });
    expect(await broken.catch((fault: Error) => fault.message)).toBe("broken");
    let deleted = 0;
    for (let round = 0; round < 5; round++)
      deleted += (await world.store.transact((tx) => tx.jobs.prune(prune))).deleted;
    expect(deleted).toBe(6);
  });
}
