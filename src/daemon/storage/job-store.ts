/**
 * The one seam between the engine and a database. Two implementations behave alike: `sqlite/` and `postgres/`; one
 * suite proves it. Everything is asynchronous and batch-shaped. `now` belongs to the store: SQLite reads an injected
 * clock, PostgreSQL its own, so that daemons with different clocks agree.
 *
 * Faults are thrown as `DaemonError`: `resource_exhausted` (disk full), `unavailable` (passing), `fatal` (the daemon
 * must exit, as after a failed fsync). Whatever was in a transaction that threw did not happen, or, when the
 * connection broke around COMMIT, may have happened: every write can be repeated safely.
 */
import type { Leadership } from "./leadership.ts";
import type { HintListener, StoreHint } from "./store-hint.ts";
import type { Attempt, Job, JobState, Lease } from "../core/job.ts";
import type { Transition } from "../core/job-machine.ts";
import type { JobOptions } from "../core/job-options.ts";
import type { CheckpointStore, CheckpointTransaction } from "./checkpoint-store.ts";
import type { ScheduleReads, ScheduleTransaction } from "./schedule-store.ts";
import type { SignalReads, SignalTransaction } from "./signal-store.ts";

export interface JobStore extends ScheduleReads, CheckpointStore, SignalReads {
  readonly kind: "sqlite" | "postgres";
  /** Absolute path of the file, or host, port and database; never a password. */
  readonly name: string;
  /** Other daemons may write to it at the same time: what this process remembers of it may be out of date. */
  readonly isShared: boolean;
  /** Jobs created before have records without an order: when the order began, in a database that held jobs then; else 0. */
  readonly orderedSince: number;

  /**
   * The store's time, as well as it is known without asking: at most a round trip behind or ahead of what a transaction
   * reads. Daemons with different clocks agree on it.
   */
  now(): number;

  /**
   * Runs `work` in one transaction and returns after the commit is on disk (fsync). Calls do not overlap: the commit
   * lane is the only caller. When `work` throws, nothing of it is kept. `work` is run again from its beginning when
   * another daemon's transaction stood in its way in a circle (deadlock).
   */
  transact<T>(work: (tx: JobTransaction) => Promise<T>, options?: TransactOptions): Promise<T>;

  /**
   * Stores new jobs without parents in one step, as a transaction that does nothing else, where that is much cheaper
   * than `transact`; absent where it is not. Null when something stands in the way, such as an id that is taken:
   * nothing has happened then, and `transact` is to be used.
   */
  storeAlone?(items: readonly JobToStore[]): Promise<StoredAlone | null>;

  /** Reads see committed state only and never wait for a writer. */
  getJob(jobId: string): Promise<Job | null>;
  /** In no particular order; unknown ids are left out. */
  getJobs(jobIds: readonly string[]): Promise<readonly Job[]>;
  /** The same without what may be large. */
  listStatuses(jobIds: readonly string[]): Promise<readonly JobStatus[]>;
  /** The last `limit` attempts that ended without success, oldest first. */
  listAttempts(jobId: string, limit: number): Promise<readonly Attempt[]>;
  listJobs(query: JobQuery): Promise<JobPage>;
  /** From maintained counters; zero counts are left out. */
  countJobs(): Promise<readonly JobCount[]>;
  listWorkers(): Promise<readonly WorkerRecord[]>;
  /** Who holds leases, and how many; also workers that have no record (any more). */
  countLeases(): Promise<readonly LeaseCount[]>;
  /** As the transaction's verb of this name, of what is committed. */
  nextDueAt(): Promise<number | null>;
  /** Bytes of the database with its log. */
  sizeBytes(): Promise<number>;
  /** Answers when the store can read and write, else throws. For readiness; cheap. */
  ping(): Promise<void>;

  /**
   * Tells what other daemons on the same database committed, until stopped. Hints only: they may be lost, doubled or
   * late, so whoever listens also looks by itself from time to time. After a loss of the connection everything is "any".
   * A store with one daemon tells nothing.
   */
  listen(onHint: (hint: StoreHint) => void): Promise<HintListener>;
  /**
   * Takes or renews the leadership for `leaseMs`: the work that one daemon does for all. It is free when nobody has it,
   * when its time is over, or when it is still as in `unmoved`, which the caller has watched for a whole lease. A store
   * with one daemon always gives it. Nothing may rest on it: two daemons may believe in it for a moment.
   */
  lead(nodeId: string, leaseMs: number, unmoved: Leadership | null): Promise<Leadership>;
  /** Lets another daemon lead at once; does nothing when this one does not. */
  resign(nodeId: string): Promise<void>;
  /** Brings the maintained counters into their short form; to be called now and then. Returns the rows that went. */
  foldCounters(): Promise<number>;

  /** After it the store refuses every call. A second call is harmless. */
  close(): Promise<void>;
}

export interface StoredAlone {
  /** The time of the commit, on the store's clock. */
  readonly now: number;
  /** One for each item, in order; all are stored. */
  readonly outcomes: readonly EnqueueOutcome[];
}

export interface TransactOptions {
  /** The work awaits a verb before it reads `now`: a store behind a network then saves a round trip. */
  readonly readsTimeLate?: boolean;
}

/** The writes, each for a whole batch, and the reads that decide them. */
export interface JobTransaction extends CheckpointTransaction, SignalTransaction {
  /** The store's time, the same for the whole transaction. */
  readonly now: number;
  /** What is written about schedules. */
  readonly schedules: ScheduleTransaction;

  /** One outcome for each item, in order. Items of one batch see each other (two of one key: one job). */
  enqueueJobs(items: readonly JobToStore[]): Promise<readonly EnqueueOutcome[]>;
  /** What enqueueJobs would answer for those that are there already; null for an item that would be stored. */
  findEnqueued(items: readonly JobToStore[]): Promise<readonly (EnqueueOutcome | null)[]>;

  /**
   * Leases ready jobs: state RUNNING, lease token one higher, startedAt now, attempt one higher unless the job goes on
   * with the attempt in which it was parked. Within a demand the order is
   * priority (high first), runAt, jobId, over all its functions together. A job goes to one demand only.
   */
  claimJobs(demands: readonly ClaimDemand[]): Promise<readonly ClaimedJobs[]>;

  /** Guarded writes; false where state or lease token were no longer the expected ones, and then nothing changed. */
  applyTransitions(transitions: readonly Transition[]): Promise<readonly boolean[]>;

  /**
   * In no particular order, without args, result and headers; unknown ids are left out. These reads, and the two below,
   * hold the jobs until the end of the transaction: nobody else changes them, so what is decided on them holds.
   */
  getJobs(jobIds: readonly string[]): Promise<readonly Job[]>;
  /** Jobs leased to a worker. */
  listLeasedJobs(workerId: string): Promise<readonly Job[]>;
  /** Jobs, not terminal, whose parent is one of these. */
  listLiveChildren(parentIds: readonly string[]): Promise<readonly Job[]>;

  /** Makes delayed jobs whose runAt has come claimable, oldest first. Returns the functions of those it moved. */
  promoteDueJobs(limit: number): Promise<DuePromotion>;
  /** Jobs past startBy (and still PENDING without a first start) or past finishBy, not terminal. */
  listOverdueJobs(limit: number): Promise<readonly OverdueJob[]>;
  /**
   * The clock was set while time went on: moves whatever waits for a length of time by `byMs`, such as retries and
   * deadlines, and leaves what was asked for by date. A store whose clock is the database's does nothing.
   */
  moveLengths(byMs: number): Promise<void>;
  /** The earliest time at which one of promoteDueJobs, listOverdueJobs, endDueWaits and spreadEvents finds something. */
  nextDueAt(): Promise<number | null>;

  /** Deletes those that are terminal and not held by an undo, with all that belongs to them. Returns their ids. */
  deleteJobs(jobIds: readonly string[]): Promise<readonly string[]>;
  /**
   * The same for jobs of a state that finished before a time, at most `limit` rows looked at, but for children and
   * awaited jobs of one that is not terminal. `done` when there are no more for now.
   */
  pruneJobs(prune: {
    readonly state: JobState;
    readonly finishedBefore: number;
    readonly limit: number;
  }): Promise<{ readonly deleted: number; readonly done: boolean }>;

  /** Inserts or replaces a worker; its lease ends `leaseMs` from now. */
  saveWorker(worker: WorkerToStore, leaseMs: number): Promise<void>;
  /**
   * Extends leases to `leaseMs` from now. Returns the ids of workers that are not there (any more), or whose session
   * another daemon holds.
   */
  renewWorkers(nodeId: string, workerIds: readonly string[], leaseMs: number): Promise<readonly string[]>;
  /**
   * Deletes a worker, but only as it was last seen: false, and nothing changed, when its lease was renewed since or
   * another daemon holds its session now.
   */
  removeWorker(seen: Pick<WorkerRecord, "workerId" | "nodeId" | "leaseExpiresAt">): Promise<boolean>;
  /** What is leased to these workers. */
  listLeases(workerIds: readonly string[]): Promise<readonly WorkerLease[]>;
  listWorkers(): Promise<readonly WorkerRecord[]>;
}

/** Where a job stands. */
export type JobStatus = Pick<Job, "jobId" | "state" | "leaseToken">;

export interface WorkerLease extends Lease {
  readonly workerId: string;
}

export interface LeaseCount {
  readonly workerId: string;
  /** At least 1. */
  readonly count: number;
}

/** A checked enqueue request. */
export interface JobToStore {
  readonly jobId: string;
  readonly functionName: string;
  readonly args: Uint8Array;
  readonly options: JobOptions;
  readonly parentId: string | null;
}

export type EnqueueOutcome =
  /** Stored. `ready` when a worker may take it at once. */
  | { readonly kind: "stored"; readonly jobId: string; readonly ready: boolean }
  /** The job id was there already, with the same function: this request was stored before (P2). */
  | { readonly kind: "repeated"; readonly jobId: string; readonly state: JobState }
  /** A job with the same function and idempotency key is there. */
  | {
      readonly kind: "deduplicated";
      readonly jobId: string;
      readonly state: JobState;
      readonly argsDiffer: boolean;
    }
  /** The same, and onDuplicate says reject. */
  | { readonly kind: "rejected"; readonly jobId: string; readonly state: JobState }
  /** The job id belongs to a job of another function. */
  | { readonly kind: "id_taken"; readonly functionName: string }
  /** Its parent has ended: nothing is stored for it any more. Decided before the store is asked. */
  | { readonly kind: "orphaned"; readonly parentId: string; readonly state: JobState };

export interface ClaimDemand {
  readonly workerId: string;
  /** Not empty. */
  readonly functionNames: readonly string[];
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
   * To be given as `before` for the next page; null on the last. May come with fewer jobs than the limit, also none:
   * a call looks at a bounded number of rows.
   */
  readonly next: string | null;
}

export interface JobCount {
  readonly functionName: string;
  readonly state: JobState;
  readonly count: number;
}

export interface WorkerToStore {
  readonly workerId: string;
  /** The daemon that holds its session. */
  readonly nodeId: string;
  readonly host: string;
  readonly hostId: string;
  readonly pid: number;
  readonly processStart: string;
  readonly functionNames: readonly string[];
  readonly concurrency: number;
  readonly client: string;
}

export interface WorkerRecord extends WorkerToStore {
  readonly connectedAt: number;
  readonly leaseExpiresAt: number;
}

export type { Job, Lease };
