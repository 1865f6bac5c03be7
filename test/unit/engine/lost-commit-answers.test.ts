/** P2, P4, P9: a commit took place and its answer was lost, as it happens with a server behind a network. */
import { expect, test } from "bun:test";
import { DaemonError } from "../../../src/daemon/core/errors.ts";
import type { Job } from "../../../src/daemon/core/job.ts";
import { LeaseCheck } from "../../../src/daemon/engine/cluster/lease-check.ts";
import { sweepAwaited } from "../../../src/daemon/engine/cluster/sweep-awaited.ts";
import type { Engine } from "../../../src/daemon/engine/engine.ts";
import { awaitEnds } from "../../../src/daemon/engine/jobs/await-jobs.ts";
import { timeOutAttempts } from "../../../src/daemon/engine/jobs/time-out-attempts.ts";
import { createEngineWorld, fail, SUCCEED } from "../../support/engine-world.ts";
import { rejection } from "../../support/rejection.ts";

const FN = "test:fn";

/** The next transaction is committed, and its answer never arrives. */
function loseNextAnswer({ store }: Engine): void {
  const { transact } = store;
  store.transact = async (work, options) => {
    store.transact = transact;
    await transact.call(store, work, options);
    throw new DaemonError("unavailable", "the answer was lost");
  };
}

test("a claim: the job reaches its worker after all, and counts neither a failure nor a loss", async () => {
  await using world = await createEngineWorld();
  const { engine } = world;
  const worker = await world.connect("w1");
  const jobId = Bun.randomUUIDv7();
  loseNextAnswer(engine);
  // Stored and claimed in one transaction of which the daemon did not hear.
  expect(await rejection(world.enqueue(FN, { jobId }))).toMatchObject({ code: "unavailable" });
  expect(await world.read(jobId)).toMatchObject({ state: "RUNNING", workerId: "w1" });
  expect(worker.assigned).toEqual([]);

  // The first check may fall between a claim and its assignment; the second cannot.
  const check = new LeaseCheck(engine);
  await check.run();
  await check.run();
  await worker.assignedCount(1);
  expect(await worker.report(worker.assigned[0] as Job, SUCCEED)).toBe("accepted");
  expect(await world.read(jobId)).toMatchObject({ state: "SUCCESS", failures: 0, losses: 0 });
});

for (const [name, event, state] of [
  ["a success", SUCCEED, "SUCCESS"],
  ["a failure", fail("boom"), "PENDING"],
] as const) {
  test(`${name}: the report is asked for again and is accepted then, once`, async () => {
    await using world = await createEngineWorld();
    const jobId = await world.enqueue(FN, { options: { maxAttempts: 5 } });
    const worker = await world.connect("w1");
    await worker.assignedCount(1);
    const [job] = worker.assigned as [Job];
    loseNextAnswer(world.engine);
    expect(await worker.report(job, event)).toBe("retry");
    const stored = await world.read(jobId);
    expect(stored).toMatchObject({ state, attempt: 1, failures: state === "SUCCESS" ? 0 : 1 });
    // Before the worker comes again the daemon may have seen that it does not run any more.
    await new LeaseCheck(world.engine).run();
    expect(await worker.report(job, event)).toBe("accepted");
    expect(await world.read(jobId)).toEqual(stored);
    expect([...worker.session.leases]).toEqual([]);
  });
}

test("a success: those who await it are told at the next look", async () => {
  await using world = await createEngineWorld();
  const jobId = await world.enqueue(FN);
  const worker = await world.connect("w1");
  await worker.assignedCount(1);
  const ends: string[] = [];
  awaitEnds(world.engine, [jobId], {
    onEnded: (end) => ends.push(end.state),
    onMissing: () => ends.push("missing"),
    onFault: () => ends.push("fault"),
  });
  loseNextAnswer(world.engine);
  expect(await worker.report(worker.assigned[0] as Job, SUCCEED)).toBe("retry");
  await sweepAwaited(world.engine);
  expect(ends).toEqual(["SUCCESS"]);
});

test("P9: a time limit: the handler's signal fires although the daemon did not hear of its own commit", async () => {
  await using world = await createEngineWorld();
  const jobId = await world.enqueue(FN, { options: { timeoutMs: 1_000, maxAttempts: 1 } });
  const worker = await world.connect("w1");
  await worker.assignedCount(1);
  const [job] = worker.assigned as [Job];
  world.clock.advance(2_000);
  loseNextAnswer(world.engine);
  await rejection(timeOutAttempts(world.engine));
  expect(await world.read(jobId)).toMatchObject({ state: "DEAD" });
  expect(worker.revoked).toEqual([]);
  await new LeaseCheck(world.engine).run();
  expect(worker.revoked).toMatchObject([{ jobId, leaseToken: job.leaseToken, reason: "timeout" }]);
  expect(await worker.report(job, SUCCEED)).toBe("stale");
});
