import { isTerminal, type Job, type JobState } from "../../core/job.ts";
import type { JobFilter } from "../../storage/seam/jobs.ts";
import type { Engine } from "../engine.ts";
import type { LaneTransaction } from "../lane/lane-transaction.ts";
import { cancelTree } from "./cancel-job.ts";
import { judgeDeletes } from "./judge-deletes.ts";
import { type JudgeReads, judgeRetries } from "./judge-retries.ts";
import { checkPage, MAX_PAGE_SIZE } from "./read-jobs.ts";
import { retryAll } from "./retry-job.ts";

export interface BulkRequest {
  readonly filter: JobFilter;
  /** Counts what would change, and changes nothing. */
  readonly dryRun: boolean;
  /** Number of jobs that this call examines; 0 means MAX_PAGE_SIZE. */
  readonly pageSize: number;
  readonly pageToken: string;
}

/** The result of one slice. The caller repeats with the token until it is empty. */
export interface BulkResult {
  /** Number of jobs in the slice that changed, without descendants that were cancelled with them. */
  readonly count: number;
  readonly jobIds: readonly string[];
  readonly nextPageToken: string;
}

interface BulkAct {
  readonly canChange: (state: JobState) => boolean;
  /** Filters a dry run further; `change` decides again in its commit. */
  readonly judge?: (reads: JudgeReads, jobs: readonly Job[]) => Promise<readonly Job[]>;
  readonly change: (lane: LaneTransaction, jobs: readonly Job[]) => Promise<readonly string[]>;
}

export function cancelJobs(engine: Engine, request: BulkRequest): Promise<BulkResult> {
  return actOnSlice(engine, request, {
    canChange: (state) => !isTerminal(state),
    change: (lane, jobs) => cancelTree(lane, jobs, "cancelled"),
  });
}

/** Retries parked jobs only if they are named: a thousand that wait would all be replayed, only to wait again. */
export function retryJobs(engine: Engine, request: BulkRequest): Promise<BulkResult> {
  const isNamed = (request.filter.jobIds?.length ?? 0) > 0;
  return actOnSlice(engine, request, {
    canChange: (state) => state === "DEAD" || state === "CANCELLED" || (isNamed && state === "SUSPENDED"),
    judge: async (reads, jobs) => (await judgeRetries(reads, jobs)).allowed,
    change: retryAll,
  });
}

/** Deletes terminal jobs and frees their idempotency keys. Jobs that are needed to undo others stay. */
export function deleteJobs(engine: Engine, request: BulkRequest): Promise<BulkResult> {
  return actOnSlice(engine, request, {
    canChange: isTerminal,
    judge: judgeDeletes,
    change: async (lane, jobs) => lane.tx.jobs.delete((await judgeDeletes(lane.tx, jobs)).map(({ jobId }) => jobId)),
  });
}

/** Reads a slice outside any transaction, then changes in one commit the jobs that still allow it. */
async function actOnSlice(engine: Engine, request: BulkRequest, act: BulkAct): Promise<BulkResult> {
  checkPage(request);
  const page = await engine.store.jobs.list({
    filter: request.filter,
    limit: request.pageSize === 0 ? MAX_PAGE_SIZE : request.pageSize,
    before: request.pageToken === "" ? null : request.pageToken,
  });
  const nextPageToken = page.next ?? "";
  const able = page.jobs.filter((job) => act.canChange(job.state));
  const judged = request.dryRun && act.judge !== undefined ? await act.judge(engine.store, able) : able;
  const candidates = judged.map((job) => job.jobId);
  if (request.dryRun || candidates.length === 0) return { count: candidates.length, jobIds: candidates, nextPageToken };
  const changed = await engine.lane.run(async (lane) => {
    const jobs = (await lane.tx.jobs.getMany(candidates)).filter((job) => act.canChange(job.state));
    return act.change(lane, jobs);
  });
  const asked = new Set(candidates);
  const jobIds = changed.filter((jobId) => asked.has(jobId));
  return { count: jobIds.length, jobIds, nextPageToken };
}
