import type { Job, JobState } from "../../core/job.ts";
import { isTerminal } from "../../core/job.ts";
import { findCurrentUndo, isHalfUndone } from "../../core/undo-job.ts";
import type { JobFilter } from "../../storage/job-store.ts";
import { cancelTree } from "./cancel-job.ts";
import type { LaneTransaction } from "../lane/lane-batch.ts";
import type { Engine } from "../engine.ts";
import { checkPage, MAX_PAGE_SIZE } from "./read-jobs.ts";
import { retryAll } from "./retry-job.ts";

export interface BulkRequest {
  readonly filter: JobFilter;
  /** Count what would change, and change nothing. */
  readonly dryRun: boolean;
  /** Jobs looked at by this call; 0 takes MAX_PAGE_SIZE. */
  readonly pageSize: number;
  readonly pageToken: string;
}

/** What one slice of a bulk act did. The caller repeats with the token until it is empty. */
export interface BulkResult {
  /** Jobs of the slice that changed; descendants cancelled with them are not counted. */
  readonly count: number;
  readonly jobIds: readonly string[];
  readonly nextPageToken: string;
}

interface BulkAct {
  readonly canChange: (state: JobState) => boolean;
  readonly change: (engine: Engine, lane: LaneTransaction, jobs: readonly Job[]) => Promise<readonly string[]>;
}

export function cancelJobs(engine: Engine, request: BulkRequest): Promise<BulkResult> {
  return actOnSlice(engine, request, {
    canChange: (state) => !isTerminal(state),
    change: (_, lane, jobs) => cancelTree(engine.settings, lane, jobs, "cancelled"),
  });
}

/** Of parked jobs only those that are named: a thousand that wait would all be replayed, and wait again. */
export function retryJobs(engine: Engine, request: BulkRequest): Promise<BulkResult> {
  const isNamed = (request.filter.jobIds?.length ?? 0) > 0;
  return actOnSlice(engine, request, {
    canChange: (state) => state === "DEAD" || state === "CANCELLED" || (isNamed && state === "SUSPENDED"),
    change: retryAll,
  });
}

/**
 * Deletes terminal jobs only; their idempotency keys are free again. One whose undoing failed, or was cancelled half-way,
 * goes only together with the job that was to undo it: nobody could go on undoing.
 */
export function deleteJobs(engine: Engine, request: BulkRequest): Promise<BulkResult> {
  return actOnSlice(engine, request, {
    canChange: isTerminal,
    change: async (_, lane, jobs) => {
      const undoJobs = await lane.tx.listUndoJobs(jobs.map(({ jobId }) => jobId));
      const asked = new Set(jobs.map(({ jobId }) => jobId));
      const isFree = (job: Job): boolean => {
        const undo = findCurrentUndo(job, undoJobs);
        return undo === null || !isHalfUndone(undo) || asked.has(undo.jobId);
      };
      return lane.tx.deleteJobs(jobs.filter(isFree).map(({ jobId }) => jobId));
    },
  });
}

/** Reads a slice outside any transaction, then changes in one commit those that still can be changed. */
async function actOnSlice(engine: Engine, request: BulkRequest, act: BulkAct): Promise<BulkResult> {
  checkPage(request);
  const page = await engine.store.listJobs({
    filter: request.filter,
    limit: request.pageSize === 0 ? MAX_PAGE_SIZE : request.pageSize,
    before: request.pageToken === "" ? null : request.pageToken,
  });
  const nextPageToken = page.next ?? "";
  const candidates = page.jobs.filter((job) => act.canChange(job.state)).map((job) => job.jobId);
  if (request.dryRun || candidates.length === 0) return { count: candidates.length, jobIds: candidates, nextPageToken };
  const changed = await engine.lane.run(async (lane) => {
    const jobs = (await lane.tx.getJobs(candidates)).filter((job) => act.canChange(job.state));
    return act.change(engine, lane, jobs);
  });
  const asked = new Set(candidates);
  const jobIds = changed.filter((jobId) => asked.has(jobId));
  return { count: jobIds.length, jobIds, nextPageToken };
}
