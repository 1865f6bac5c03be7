import type { Checkpoint, PendingWait } from "../../core/checkpoint.ts";
import { invalidArgument, jobNotFound } from "../../core/errors.ts";
import type { Attempt, Job } from "../../core/job.ts";
import type { JobTick } from "../../core/schedule.ts";
import type { JobFilter } from "../../storage/seam/jobs.ts";
import type { Engine } from "../engine.ts";
import { isUuid } from "../../core/uuid.ts";

/** A job with all that belongs to it. */
export interface JobDetails {
  readonly job: Job;
  /** The last ATTEMPTS_SHOWN of those that ended without success, oldest first. */
  readonly attempts: readonly Attempt[];
  /** What it waits for, when it is SUSPENDED. */
  readonly waits: readonly PendingWait[];
  /** The last RECORDS_SHOWN of what it recorded, oldest first, without values. */
  readonly records: readonly Checkpoint[];
}

/** An answer must stay below the size of a message, also of a job that fails for days: an error may have 32 KiB. */
export const ATTEMPTS_SHOWN = 50;
const RECORDS_SHOWN = 1_000;

/** One job with all that belongs to it. Throws not_found. */
export async function getJob(engine: Engine, jobId: string): Promise<JobDetails> {
  const { store } = engine;
  const job = await readJob(engine, jobId);
  return {
    job,
    attempts: await store.jobs.listAttempts(jobId, ATTEMPTS_SHOWN),
    waits: job.state === "SUSPENDED" ? await store.workflows.listWaits(jobId) : [],
    records: await store.workflows.listRecords(jobId, RECORDS_SHOWN),
  };
}

/** One job alone. Throws not_found. */
export async function readJob({ store }: Engine, jobId: string): Promise<Job> {
  checkJobId(jobId, "job_id");
  const job = await store.jobs.get(jobId);
  if (job === null) throw jobNotFound(jobId);
  return job;
}

/** The tick that a job was enqueued for; undefined when it is of no schedule. */
export async function findTick({ store }: Engine, { jobId }: Job): Promise<JobTick | undefined> {
  return (await store.schedules.listTicks([jobId])).get(jobId);
}

export interface PageRequest {
  readonly filter: JobFilter;
  /** 1 to MAX_PAGE_SIZE; 0 takes DEFAULT_PAGE_SIZE. */
  readonly pageSize: number;
  /** As the last page gave it; empty for the first. */
  readonly pageToken: string;
}

export const DEFAULT_PAGE_SIZE = 50;
export const MAX_PAGE_SIZE = 1_000;

/** A page of jobs without args, results and headers, newest first. A page may be short, or empty, and still not the last. */
export async function listJobs(
  engine: Engine,
  request: PageRequest,
): Promise<{
  readonly jobs: readonly Job[];
  /** Of those that a schedule enqueued, by job id. */
  readonly ticks: ReadonlyMap<string, JobTick>;
  readonly nextPageToken: string;
}> {
  checkPage(request);
  const page = await engine.store.jobs.list({
    filter: request.filter,
    limit: request.pageSize === 0 ? DEFAULT_PAGE_SIZE : request.pageSize,
    before: request.pageToken === "" ? null : request.pageToken,
  });
  const ticks = await engine.store.schedules.listTicks(page.jobs.map((job) => job.jobId));
  return { jobs: page.jobs, ticks, nextPageToken: page.next ?? "" };
}

export function checkPage(request: PageRequest): void {
  if (request.pageSize > MAX_PAGE_SIZE) {
    throw invalidArgument([
      { field: "page_size", description: `is ${request.pageSize}; give a whole number from 1 to ${MAX_PAGE_SIZE}` },
    ]);
  }
  if (request.pageToken !== "" && !isUuid(request.pageToken)) {
    throw invalidArgument([
      { field: "page_token", description: `${JSON.stringify(request.pageToken)} is not one that a list answered` },
    ]);
  }
  for (const [index, jobId] of (request.filter.jobIds ?? []).entries()) checkJobId(jobId, `filter.job_ids[${index}]`);
  if (request.filter.parentId !== undefined) checkJobId(request.filter.parentId, "filter.parent_id");
}

export function checkJobId(jobId: string, field: string): void {
  if (isUuid(jobId)) return;
  throw invalidArgument([
    {
      field,
      description: `${JSON.stringify(jobId)} is not a job id; ids look like 019a9c4e-7c1b-7d60-9c5a-0f6e1d2c3b4a`,
    },
  ]);
}
