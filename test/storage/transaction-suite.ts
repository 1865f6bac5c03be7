/** A transaction of a store: whole or not at all, and unseen until its commit. */
import { expect, test } from "bun:test";
import type { NewJob } from "../../src/daemon/storage/seam/jobs.ts";
import { claim, type MakeStore, newJob, newJobId, stored, WORKER } from "./store-world.ts";

export function transactionTests(makeStore: MakeStore): void {
  test("when the work throws, nothing of it is kept: rows, counters, names", async () => {
    await using world = await makeStore();
    const job = newJob(world, { functionName: "test:undone" });
    const broken = world.store.transact(async (tx) => {
      await tx.jobs.enqueue([job]);
      await tx.jobs.claim([{ workerId: WORKER, functionNames: ["test:undone"], limit: 1 }]);
      throw new Error("broken");
    });
    expect(await broken.catch((fault: Error) => fault.message)).toBe("broken");
    expect(await world.store.jobs.get(job.jobId)).toBeNull();
    expect(await world.store.jobs.count()).toEqual([]);
    // The name's number was given back: another name may have it now.
    await stored(world, { functionName: "test:next" });
    await stored(world, { functionName: "test:undone" });
    expect(await world.store.jobs.count()).toHaveLength(2);
    expect(await claim(world, 5, ["test:undone"])).toMatchObject([{ functionName: "test:undone" }]);
  });

  test("readers see nothing before the commit, the transaction sees its own", async () => {
    await using world = await makeStore();
    const job: NewJob = newJob(world);
    const readOutside = () => Promise.all([world.store.jobs.count(), world.store.jobs.get(job.jobId)]);
    let seenOutside: ReturnType<typeof readOutside> | null = null;
    const inside = await world.store.transact(async (tx) => {
      await tx.jobs.enqueue([job]);
      seenOutside = readOutside();
      if (world.hasOneConnection !== true) expect(await seenOutside).toEqual([[], null]);
      return tx.jobs.getMany([job.jobId, job.jobId, newJobId(1)]);
    });
    expect(inside).toMatchObject([{ jobId: job.jobId }]);
    // A store without a second connection answers after the commit, never with what is not committed.
    if (world.hasOneConnection === true)
      expect(await seenOutside).toMatchObject([[{ count: 1 }], { jobId: job.jobId }]);
    expect(await world.store.jobs.get(job.jobId)).not.toBeNull();
  });

  test("time stands still within a transaction", async () => {
    await using world = await makeStore();
    await world.store.transact(async (tx) => {
      const before = tx.now;
      world.clock.advance(1000);
      await Promise.resolve();
      expect(tx.now).toBe(before);
    });
  });

  test("a transaction that is over does nothing more", async () => {
    await using world = await makeStore();
    const leaked = await world.store.transact(async (tx) => ({ tx }));
    const job = newJob(world);
    expect(await leaked.tx.jobs.enqueue([job]).catch((fault: Error) => fault.message)).toMatch(/transaction is over/);
    await world.store.transact(async () => {
      expect(await leaked.tx.jobs.enqueue([job]).catch((fault: Error) => fault.message)).toMatch(/transaction is over/);
    });
    expect(await world.store.jobs.get(job.jobId)).toBeNull();
  });

  test("ping answers, sizeBytes tells a size, and a closed store refuses with what to think of it", async () => {
    await using world = await makeStore();
    await world.store.ping();
    await stored(world);
    expect(await world.store.sizeBytes()).toBeGreaterThan(4096);
    await world.store.close();
    await world.store.close();
    for (const call of [world.store.ping(), world.store.jobs.get(newJobId(1)), world.store.jobs.count()]) {
      expect(await call.catch((fault: { code: string }) => fault.code)).toBe("unavailable");
    }
  });
}
