import type { Checkpoint, PendingWait } from "../../core/checkpoint.ts";
import { invalidArgument, jobNotFound } from "../../core/errors.ts";
import type { Attempt, Job } from "../../core/job.ts";
import type { JobTick } from "../../core/schedule.ts";
import { isUuid } from "../../core/uuid.ts";
import type { JobFilter } from "../../storage/seam/jobs.ts";
import type { Engine } from "../engine.ts";

/** A job with its attempts, waits and records. */
export interface JobDetails {
  readonly job: Job;
  /** The last ATTEMPTS_SHOWN attempts that ended without success, oldest first. */
  readonly attempts: readonly Attempt[];
  /** Its open waits, while it is SUSPENDED. */
  readonly waits: readonly PendingWait[];
  /** Its last RECORDS_SHOWN checkpoints, oldest first, without values. */
  readonly records: readonly Checkpoint[];
}

/** Keeps the answer below the message limit even for a job that fails for days: an error may have 32 KiB. */
const ATTEMPTS_SHOWN = 50;
const RECORDS_SHOWN = 1_000;

/** Throws not_found. */
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

/** The job without its attempts, waits and records. Throws not_found. */
export async function readJob({ store }: Engine, jobId: string): Promise<Job> {
  checkJobId(jobId, "job_id");
  const job = await store.jobs.get(jobId);
  if (job === null) throw jobNotFound(jobId);
  return job;
}

/** The tick that a job was enqueued for; undefined for a job without a schedule. */
export async function findTick({ store }: Engine, { jobId }: Job): Promise<JobTick | undefined> {
  return (await store.schedules.listTicks([jobId])).get(jobId);
}

export interface PageRequest {
  readonly filter: JobFilter;
  /** 1 to MAX_PAGE_SIZE; 0 means DEFAULT_PAGE_SIZE. */
  readonly pageSize: number;
  /** The token that came with the previous page; empty for the first page. */
  readonly pageToken: string;
}

export const DEFAULT_PAGE_SIZE = 50;
export const MAX_PAGE_SIZE = 1_000;

/**
 * Lists jobs without args, results and headers, newest first. A page may be short, or even empty, and not be the last.
 */
export async function listJobs(
  engine: Engine,
  request: PageRequest,
): Promise<{
  readonly jobs: readonly Job[];
  /** Ticks of jobs that a schedule enqueued, by job ID. */
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
      { field: "page_size", description: `is ${request.pageSize}; use a whole number from 1 to ${MAX_PAGE_SIZE}` },
    ]);
  }
  if (request.pageToken !== "" && !isUuid(request.pageToken)) {
    throw invalidArgument([
      {
        field: "page_token",
        description: `${JSON.stringify(request.pageToken)} is not a page token returned by a list call`,
      },
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
