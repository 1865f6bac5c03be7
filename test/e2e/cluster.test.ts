/** Several daemons on one PostgreSQL database: whichever one took the call, it reaches the right worker. */
import { expect, test } from "bun:test";
import { JobFailedError } from "../../src/sdk/index.ts";
import { createClusterWorld, enqueueWork } from "../support/cluster-world.ts";
import { rejection } from "../support/rejection.ts";

test("P10: a job cancelled through one daemon aborts its handler on another's worker within a second", async () => {
  await using world = await createClusterWorld([{}, {}]);
  const [here, there] = world.daemons as [(typeof world.daemons)[0], (typeof world.daemons)[0]];
  const client = await world.startClient([here]);
  await world.startWorker([there]);
  const job = await enqueueWork(client, { holdMs: 60_000 });
  await world.ledger.until("start", 1, job.jobId);
  const cancelledAt = Date.now();
  expect(await job.cancel()).toBe(true);
  const [abort] = await world.ledger.until("abort", 1, job.jobId);
  expect(abort!.at - cancelledAt).toBeLessThan(1_000);
  expect(await job.status()).toBe("cancelled");
}, 60_000);

test("P16: a result awaited through one daemon is there within a second of its end through another", async () => {
  await using world = await createClusterWorld([{}, {}]);
  const [here, there] = world.daemons as [(typeof world.daemons)[0], (typeof world.daemons)[0]];
  const client = await world.startClient([here]);
  await world.startWorker([there]);
  const jobs = await Promise.all(Array.from({ length: 20 }, () => enqueueWork(client, { holdMs: 300 })));
  await Promise.all(jobs.map((job) => job.result(30_000)));
  const toldAt = Date.now();
  const ends = world.ledger.find("end").map(({ at }) => at);
  expect(toldAt - Math.max(...ends)).toBeLessThan(1_000);
  const dead = await enqueueWork(client, { failures: 1 }, { maxAttempts: 1 });
  expect(await rejection(dead.result(30_000))).toBeInstanceOf(JobFailedError);
}, 60_000);
