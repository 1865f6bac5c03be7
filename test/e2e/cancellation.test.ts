/** P10: a cancelled job is cancelled, at once and for good, and so are its children. */
import { Code } from "@connectrpc/connect";
import { expect } from "bun:test";
import { createClient } from "../../src/sdk/transport/client.ts";
import { WORK } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";
import { rejection } from "../support/rejection.ts";

testOnEachStore("P10: a pending job that was cancelled never starts", async (store) => {
  await using world = await store.createWorld();
  const jobs = await Promise.all(Array.from({ length: 20 }, () => world.enqueue({})));
  expect(await Promise.all(jobs.map((job) => job.cancel()))).toEqual(Array<boolean>(20).fill(true));
  const other = await world.enqueue({ label: "not cancelled" });
  await world.startWorker();
  await other.result(10_000);
  expect(world.ledger.starts()).toEqual(new Map([[other.jobId, 1]]));
  expect(await rejection(jobs[0]!.result(5_000))).toMatchObject({ code: "job_cancelled", reason: "cancelled" });
});

testOnEachStore("P10: cancelling a running job is final at once; its signal fires within a second", async (store) => {
  await using world = await store.createWorld();
  await world.startWorker();
  const job = await world.enqueue({ holdMs: 60_000 });
  await world.ledger.until("start", 1, job.jobId);
  const cancelledAt = Date.now();
  expect(await job.cancel()).toBe(true);
  expect(await job.status()).toBe("cancelled");
  expect(await rejection(job.result(5_000))).toMatchObject({ code: "job_cancelled" });
  const [abort] = await world.ledger.until("abort", 1, job.jobId);
  expect(Number(abort?.at) - cancelledAt).toBeLessThan(1_000);
});

testOnEachStore("P10: what a deaf handler returns after the cancel changes nothing", async (store) => {
  await using world = await store.createWorld();
  await world.startWorker({ concurrency: 1 });
  const job = await world.enqueue({ holdMs: 1_000, isDeaf: true });
  await world.ledger.until("start", 1, job.jobId);
  await job.cancel();
  const record = await job.details();
  await world.ledger.until("end", 1, job.jobId);
  // It uses the same slot, so it runs after the end of the first job was reported.
  const next = await world.enqueue({});
  await next.result(10_000);
  expect(await job.details()).toEqual(record);
  expect(record).toMatchObject({ status: "cancelled", failures: 0, losses: 0 });
});

testOnEachStore("P10: children and their children are cancelled with the job, running or not", async (store) => {
  await using world = await store.createWorld();
  await world.startWorker({ concurrency: 4 });
  const long = { holdMs: 60_000 };
  // Four run; two more children wait for a slot.
  const parent = await world.enqueue({
    ...long,
    label: "parent",
    children: [{ ...long, label: "child", children: [{ ...long, label: "grandchild" }] }, long, long, long],
  });
  await world.ledger.until("start", 4);
  // A call in progress during the cancellation is refused, so wait until the handler has made all its calls.
  while ((await world.client.listJobs({ name: WORK, limit: 100 })).jobs.length < 6) await Bun.sleep(10);
  const stranger = await world.enqueue(long);
  const cancelledAt = Date.now();
  expect(await parent.cancel()).toBe(true);
  const { jobs } = await world.client.listJobs({ name: WORK, limit: 100 });
  const family = jobs.filter((job) => job.id !== stranger.jobId);
  expect(family.length).toBeGreaterThanOrEqual(5);
  expect(family.filter((job) => job.status !== "cancelled")).toEqual([]);
  const aborts = await world.ledger.until("abort", 4);
  expect(Math.max(...aborts.map((entry) => entry.at)) - cancelledAt).toBeLessThan(1_000);
  // A job that is no relative takes the slot that became free.
  await world.ledger.until("start", 1, stranger.jobId);
});

testOnEachStore("P10: children that are called after the cancel are refused, whoever calls them", async (store) => {
  await using world = await store.createWorld();
  await world.startWorker();
  const parent = await world.enqueue({
    holdMs: 500,
    isDeaf: true,
    lateChildren: [{ label: "late" }, { label: "later" }],
  });
  await world.ledger.until("start", 1, parent.jobId);
  await parent.cancel();
  // To the daemon, a call sent just before the cancellation of its parent looks the same as this one.
  const client = createClient({ address: world.daemon.address });
  const late = { functionName: WORK, parentId: parent.jobId };
  const { results } = await client.jobs.enqueueJobs({ jobs: [late, late] });
  client.close();
  for (const { result } of results) {
    expect(result).toMatchObject({ case: "error", value: { code: Code.FailedPrecondition } });
  }
  const { jobs } = await world.client.listJobs({ parentId: parent.jobId });
  expect(jobs).toEqual([]);
  const refused = await world.ledger.until("refused", 2, parent.jobId);
  for (const { label } of refused) expect(label).toContain("is CANCELLED: its handler can no longer make calls");
  await world.ledger.until("end", 1, parent.jobId);
  // Whatever may still run does so before a job that is called now.
  await (await world.enqueue({})).result(10_000);
  expect(world.ledger.starts().size).toBe(2);
});

testOnEachStore("P10: cancels that race with the start and the end of jobs leave one truth", async (store) => {
  await using world = await store.createWorld();
  await world.startWorker({ concurrency: 20 });
  const jobs = await Promise.all(Array.from({ length: 300 }, (_, index) => world.enqueue({ holdMs: index % 4 })));
  const answers = await Promise.all(jobs.map((job) => job.cancel()));
  const ends = await Promise.all(
    jobs.map((job) =>
      job.result(15_000).then(
        () => false,
        (error: { code: string }) => error.code === "job_cancelled",
      ),
    ),
  );
  expect(ends).toEqual(answers);
  const records = await Promise.all(jobs.map((job) => job.details()));
  expect(records.map((record) => record.status === "cancelled")).toEqual(answers);
});
