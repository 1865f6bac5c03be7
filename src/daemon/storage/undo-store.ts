/**
 * The part of the seam that undo jobs need; see `core/undo-job.ts`. A job is neither deleted nor pruned while it is being
 * undone. What undid its last end stays as long as it, unless both are deleted together: it tells whether the job may be
 * retried. What a
 * job called or awaited is not pruned before it if it has steps that can be undone: it is replayed for that.
 */
import type { Job } from "../core/job.ts";

/** Reads; committed state only. */
export interface UndoReads {
  /** The undo jobs that these jobs have had, of all their ends; as in lists. */
  listUndoJobs(jobIds: readonly string[]): Promise<readonly Job[]>;
}

/** Writes, and the reads that decide them. */
export interface UndoTransaction {
  /**
   * Stores an undo job for each of these that is DEAD or CANCELLED, has recorded a step that can be undone, and is no
   * undo job itself. Ready at once: its function, args, headers, time limit and priority, as its child. Returns what was stored.
   */
  storeUndoJobs(items: readonly UndoToStore[]): Promise<readonly StoredJob[]>;
  /** As the store's verb of this name; holds the jobs that it returns, as `getJobs` does. */
  listUndoJobs(jobIds: readonly string[]): Promise<readonly Job[]>;
  /** Deletes all that these jobs recorded: their steps were undone, so that they begin anew. */
  forgetRecords(jobIds: readonly string[]): Promise<void>;
}

export interface UndoToStore {
  /** The job whose steps may have to be undone. */
  readonly jobId: string;
  /** New, for its undo job. */
  readonly undoId: string;
}

/** What is told of a job that is new. */
export type StoredJob = Pick<Job, "jobId" | "functionName" | "parentId">;
