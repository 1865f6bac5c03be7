/** The part of the seam about jobs. */
import type { Transition } from "../../core/job-machine.ts";
import type { JobOptions } from "../../core/job-options.ts";
import type { Attempt, Job, JobState } from "../../core/job.ts";

export interface JobReads {
  get(jobId: string): Promise<Job | null>;
  /** In no particular order; unknown ids are left out. */
  getMany(jobIds: readonly string[]): Promise<readonly Job[]>;
  /** Like `getMany`, but without the fields that may be large. */
  listStatuses(jobIds: readonly string[]): Promise<readonly JobStatus[]>;
  /** The last `limit` attempts that ended without success, oldest first. */
  listAttempts(jobId: string, limit: number): Promise<readonly Attempt[]>;
  list(query: JobQuery): Promise<JobPage>;
  /** From maintained counters; zero counts are left out. */
  count(): Promise<readonly JobCount[]>;
  /** Compacts the maintained counters; call this from time to time. Returns how many rows it removed. */
  foldCounters(): Promise<number>;

  /**
   * Stores new jobs without parents in one step, like a transaction that does nothing else. Absent if it would not be
   * much cheaper than `transact`. Returns null if something prevents it, such as an id that is taken: then nothing was
   * stored, and the caller uses `transact`.
   */
  insertInOneStatement?(items: readonly NewJob[]): Promise<InsertedJobs | null>;
}

export interface JobWrites {
  /** One outcome for each item, in order. Items of one batch see each other (two of one key: one job). */
  enqueue(items: readonly NewJob[]): Promise<readonly EnqueueOutcome[]>;
  /** Returns the outcomes of `enqueue` for items that are already stored; null for items that it would store. */
  findEnqueued(items: readonly NewJob[]): Promise<readonly (EnqueueOutcome | null)[]>;

  /**
   * Leases ready jobs: state RUNNING, lease token one higher, startedAt now, attempt one higher unless the job
   * continues the attempt in which it was parked. Within a demand the order is priority (high first), runAt, jobId,
   * over all its functions together. A job goes to one demand only.
   */
  claim(demands: readonly ClaimDemand[]): Promise<readonly ClaimedJobs[]>;

  /** Leases woken jobs to the worker that has their handlers in memory: oldest first, the attempt's number stays. */
  resume(demands: readonly ResumeDemand[]): Promise<readonly ClaimedJobs[]>;

  /** Guarded writes; false where state or lease token were no longer the expected ones, and then nothing changed. */
  applyTransitions(transitions: readonly Transition[]): Promise<readonly boolean[]>;

  /**
   * In no particular order, without args, result and headers; unknown ids are left out. This read, and the two below,
   * lock the jobs until the end of the transaction: nobody else can change them, so decisions based on them stay valid.
   */
  getMany(jobIds: readonly string[]): Promise<readonly Job[]>;
  /** Jobs leased to a worker. */
  listLeased(workerId: string): Promise<readonly Job[]>;
  /** Jobs, not terminal, whose parent is one of these. */
  listLiveChildren(parentIds: readonly string[]): Promise<readonly Job[]>;

  /** Makes delayed jobs whose runAt has come claimable, oldest first. Returns the functions of those it moved. */
  promoteDue(limit: number): Promise<DuePromotion>;
  /** Jobs past startBy (and still PENDING without a first start) or past finishBy, not terminal. */
  listOverdue(limit: number): Promise<readonly OverdueJob[]>;

  /**
   * Deletes terminal jobs that are not retained for an undo, with everything that belongs to them. Returns their ids.
   */
  delete(jobIds: readonly string[]): Promise<readonly string[]>;
  /**
   * Deletes jobs of a state that finished before a time, except children and awaited jobs of one that is not terminal.
   * Examines at most `limit` rows.
   */
  prune(prune: JobPrune): Promise<PrunedJobs>;
}

/** The progress of a job. */
export type JobStatus = Pick<Job, "jobId" | "state" | "leaseToken">;

/** A checked enqueue request. */
export interface NewJob {
  readonly jobId: string;
  readonly functionName: string;
  readonly args: Uint8Array;
  readonly options: JobOptions;
  readonly parentId: string | null;
}

export interface InsertedJobs {
  /** The time of the commit, on the store's clock. */
  readonly now: number;
  /** One for each item, in order; all are stored. */
  readonly outcomes: readonly EnqueueOutcome[];
}

export type EnqueueOutcome =
  /** Stored. `ready` when a worker may take it at once. */
  | { readonly kind: "stored"; readonly jobId: string; readonly ready: boolean }
  /** The job id exists already, with the same function: this request was stored before (P2). */
  | { readonly kind: "repeated"; readonly jobId: string; readonly state: JobState }
  /** A job with the same function and idempotency key exists. */
  | {
      readonly kind: "deduplicated";
      readonly jobId: string;
      readonly state: JobState;
      readonly argsDiffer: boolean;
    }
  /** Such a job exists, and onDuplicate is reject. */
  | { readonly kind: "rejected"; readonly jobId: string; readonly state: JobState }
  /** The job id belongs to a job of another function. */
  | { readonly kind: "id_taken"; readonly functionName: string }
  /** Its parent has ended, so nothing is stored for it any more. Decided before the store is asked. */
  | { readonly kind: "orphaned"; readonly parentId: string; readonly state: JobState };

export interface ClaimDemand {
  readonly workerId: string;
  /** Not empty. */
  readonly functionNames: readonly string[];
  /** At least 1. */
  readonly limit: number;
}

export interface ResumeDemand {
  readonly workerId: string;
  /** At least 1. */
  readonly limit: number;
}

export interface ClaimedJobs {
  readonly workerId: string;
  /** In claim order. */
  readonly jobs: readonly Job[];
  /** Functions of the demand that may have more ready jobs than were claimed. */
  readonly maybeMore: readonly string[];
}

export interface DuePromotion {
  readonly functionNames: readonly string[];
  readonly promoted: number;
}

export interface OverdueJob {
  readonly job: Job;
  readonly reason: "start_deadline" | "finish_deadline";
}

export interface JobPrune {
  readonly state: JobState;
  readonly finishedBefore: number;
  readonly limit: number;
}

export interface PrunedJobs {
  readonly deleted: number;
  /** There are no more for now. */
  readonly done: boolean;
}

/** Which jobs; fields are joined by and, values of one field by or; an absent or empty field does not filter. */
export interface JobFilter {
  readonly jobIds?: readonly string[];
  readonly states?: readonly JobState[];
  readonly functionNames?: readonly string[];
  readonly idempotencyKey?: string;
  readonly parentId?: string;
  /** Enqueued by a schedule that has this name or had it. */
  readonly scheduleName?: string;
  /** Created at this time or later. */
  readonly createdAfter?: number;
  /** Created before this time. */
  readonly createdBefore?: number;
}

/** A page of jobs, newest first by job id. */
export interface JobQuery {
  readonly filter: JobFilter;
  readonly limit: number;
  /** Exclusive: only jobs whose id is lower. */
  readonly before: string | null;
}

export interface JobPage {
  /** Without args, result and headers when the query is a list: those are empty. */
  readonly jobs: readonly Job[];
  /**
   * The caller passes it as `before` for the next page; null on the last. A page may have fewer jobs than the limit,
   * even none: a call examines a bounded number of rows.
   */
  readonly next: string | null;
}

export interface JobCount {
  readonly functionName: string;
  readonly state: JobState;
  readonly count: number;
}
