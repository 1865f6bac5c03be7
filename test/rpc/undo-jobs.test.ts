/** Undo jobs as callers of the services see them. */
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "bun:test";
import { JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import { recordCheckpoints } from "../../src/daemon/engine/workflows/record-checkpoints.ts";
import { fail, SUCCEED, type TestWorker } from "../support/engine-world.ts";
import { rejection } from "../support/rejection.ts";
import { createRouterWorld, type RouterWorld } from "../support/router-world.ts";

const FN = "test:fn";
const ORDER = { seq: 1, asked: 1, op: 7, alone: true, prompt: true, beside: false, undo: true, endedAttempt: false };

/** A job that died after a step that can be undone, and the undo job, at the worker. */
async function died(world: RouterWorld, worker: TestWorker): Promise<readonly [Job, Job]> {
  await world.enqueue(FN);
  await worker.assignedCount(1);
  const job = worker.assigned[0] as Job;
  const { jobId, leaseToken } = job;
  const report = { jobId, leaseToken, name: "a", kind: "step", value: null, error: null, order: ORDER } as const;
  await new Promise((resolve) => recordCheckpoints(world.engine, worker.session, [report], resolve));
  await worker.report(job, fail("no", true));
  await worker.assignedCount(2);
  return [job, worker.assigned[1] as Job];
}

test("an undo job names the job whose steps it undoes, alone and in lists", async () => {
  await using world = await createRouterWorld();
  const [job, undo] = await died(world, await world.connect("w"));
  expect((await world.jobs.getJob({ jobId: undo.jobId })).job).toMatchObject({
    ...{ undoOf: job.jobId, parentId: job.jobId, state: JobState.RUNNING },
    options: { maxAttempts: 10, headers: { "reseolio-undo-of": job.jobId } },
  });
  expect((await world.jobs.getJob({ jobId: job.jobId })).job?.undoOf).toBe("");
  const { jobs } = await world.jobs.listJobs({ filter: { parentId: job.jobId } });
  expect(jobs).toMatchObject([{ jobId: undo.jobId, undoOf: job.jobId, options: { headers: {} } }]);
});

test("a retry of what is being undone is FAILED_PRECONDITION and names the undo job", async () => {
  await using world = await createRouterWorld();
  const worker = await world.connect("w");
  const [job, undo] = await died(world, worker);
  const fault = ConnectError.from(await rejection(world.jobs.retryJob({ jobId: job.jobId })));
  expect(fault.code).toBe(Code.FailedPrecondition);
  expect(fault.rawMessage).toContain(`being undone by job ${undo.jobId}, which is RUNNING`);
  expect((await world.jobs.retryJobs({ filter: { jobIds: [job.jobId] } })).jobIds).toEqual([]);
  expect((await world.jobs.deleteJobs({ filter: { jobIds: [job.jobId] } })).jobIds).toEqual([]);
  await worker.report(undo, SUCCEED);
  expect((await world.jobs.explainJob({ jobId: job.jobId })).summary).toContain(`were undone by job ${undo.jobId}`);
  expect((await world.jobs.retryJob({ jobId: job.jobId })).job).toMatchObject({ jobId: job.jobId, failures: 0 });
});

test("nobody enqueues an undo job, nor has a schedule do it", async () => {
  await using world = await createRouterWorld();
  const headers = { "reseolio-undo-of": Bun.randomUUIDv7() };
  const { results } = await world.jobs.enqueueJobs({ jobs: [{ functionName: FN, options: { headers } }] });
  expect(results[0]?.result).toMatchObject({ case: "error", value: { code: Code.InvalidArgument } });
  const spec = { cron: "* * * * *", functionName: FN, options: { headers } };
  const fault = ConnectError.from(await rejection(world.schedules.createSchedule({ name: "s", spec })));
  expect(fault.code).toBe(Code.InvalidArgument);
  expect(fault.rawMessage).toContain("reseolio-undo-of");
});
