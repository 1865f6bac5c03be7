import type { ServiceImpl } from "@connectrpc/connect";
import { WIRE_LIMITS } from "#proto/contract.ts";
import type { NewJob } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { JobFilter, JobService } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { invalidArgument } from "../../core/errors.ts";
import type { Engine } from "../../engine/engine.ts";
import { explainJob } from "../../engine/explain/explain-job.ts";
import { type BulkRequest, type BulkResult, cancelJobs, deleteJobs, retryJobs } from "../../engine/jobs/bulk-jobs.ts";
import { cancelJob } from "../../engine/jobs/cancel-job.ts";
import { type EnqueueItem, enqueueJobs } from "../../engine/jobs/enqueue-jobs.ts";
import { getJob, listJobs } from "../../engine/jobs/read-jobs.ts";
import { retryAwaited, retryJob } from "../../engine/jobs/retry-job.ts";
import { sendSignal } from "../../engine/workflows/send-signal.ts";
import { fromCheckpoint, fromPendingWait } from "../messages/checkpoint-messages.ts";
import { toJobFilter } from "../messages/job-filter.ts";
import { fromAttempt, fromEnqueueResult, fromListedJob, toEnqueueItem } from "../messages/job-messages.ts";
import { fromJobWithTick } from "../messages/job-with-tick.ts";
import { tickFields } from "../messages/schedule-messages.ts";
import { awaitJobsStream } from "../streams/await-jobs-stream.ts";
import { watchJobsStream } from "../streams/watch-jobs-stream.ts";

/** JobService: decodes the request, calls the engine function of the same name, encodes the result. */
export function createJobService(engine: Engine, draining: AbortSignal): ServiceImpl<typeof JobService> {
  return {
    enqueueJobs: async ({ jobs }) => {
      const results = await enqueueJobs(engine, toEnqueueItems(jobs));
      return { results: results.map((result) => fromEnqueueResult(result, null)) };
    },
    getJob: async ({ jobId }) => {
      const { job, attempts, waits, records } = await getJob(engine, jobId);
      const rest = { waits: waits.map(fromPendingWait), checkpoints: records.map(fromCheckpoint) };
      return { job: await fromJobWithTick(engine, job, { attempts: attempts.map(fromAttempt), ...rest }) };
    },
    listJobs: async ({ filter, pageSize, pageToken }) => {
      const page = await listJobs(engine, { filter: toJobFilter(filter), pageSize, pageToken });
      const jobs = page.jobs.map((job) => ({ ...fromListedJob(job), ...tickFields(page.ticks.get(job.jobId)) }));
      return { jobs, nextPageToken: page.nextPageToken };
    },
    awaitJobs: ({ jobIds }, context) => awaitJobsStream(engine, jobIds, { cancelled: context.signal, draining }),
    watchJobs: ({ filter }, context) =>
      watchJobsStream(engine, toJobFilter(filter), { cancelled: context.signal, draining }),
    cancelJob: async ({ jobId }) => {
      const { cancelled, job } = await cancelJob(engine, jobId);
      return { cancelled, job: await fromJobWithTick(engine, job) };
    },
    retryJob: async ({ jobId, awaitedBy }) => {
      const job = awaitedBy === "" ? await retryJob(engine, jobId) : await retryAwaited(engine, jobId, awaitedBy);
      return { job: await fromJobWithTick(engine, job) };
    },
    sendSignal: (request) => sendSignal(engine, request),
    cancelJobs: async (request) => fromBulkResult(await cancelJobs(engine, toBulkRequest(request))),
    retryJobs: async (request) => fromBulkResult(await retryJobs(engine, toBulkRequest(request))),
    deleteJobs: async (request) => fromBulkResult(await deleteJobs(engine, toBulkRequest(request))),
    explainJob: async ({ jobId }) => {
      const { job, waits, blockers, summary } = await explainJob(engine, jobId);
      const message = await fromJobWithTick(engine, job, { waits: waits.map(fromPendingWait) });
      return { job: message, blockers: blockers.map(({ kind, message }) => ({ kind, message })), summary };
    },
  };
}

function toEnqueueItems(jobs: readonly NewJob[]): readonly EnqueueItem[] {
  if (jobs.length > WIRE_LIMITS.batchItems) {
    throw invalidArgument([
      { field: "jobs", description: `has ${jobs.length} items; send at most ${WIRE_LIMITS.batchItems} in one call` },
    ]);
  }
  return jobs.map((job, index) => toEnqueueItem(job, `jobs[${index}]`));
}

interface BulkMessage {
  readonly filter?: JobFilter | undefined;
  readonly dryRun: boolean;
  readonly pageSize: number;
  readonly pageToken: string;
}

function toBulkRequest({ filter, dryRun, pageSize, pageToken }: BulkMessage): BulkRequest {
  return { filter: toJobFilter(filter), dryRun, pageSize, pageToken };
}

function fromBulkResult({ count, jobIds, nextPageToken }: BulkResult): {
  count: number;
  jobIds: string[];
  nextPageToken: string;
} {
  return { count, jobIds: [...jobIds], nextPageToken };
}
