/**
 * The part of the seam about workflows: checkpoints, waits of parked jobs, signals, and undo jobs (`core/undo-job.ts`).
 *
 * A job is neither deleted nor pruned while it is being undone. The undo job of its last end is kept as long as the
 * job, unless both are deleted together: it determines whether the job may be retried. Jobs that a job called or
 * awaited are not pruned before it if it has steps that can be undone: undoing replays the job, which needs their
 * results.
 */
import type {
  Checkpoint,
  CheckpointKind,
  NewWait,
  OpenWait,
  ParkOrder,
  PendingWait,
  RecordOrder,
  StepError,
} from "../../core/checkpoint.ts";
import type { Job, JobState, Lease } from "../../core/job.ts";

export interface WorkflowReads {
  /**
   * The records that a worker replays, or receives when it resumes a handler: a page with at most about `maxBytes` of
   * values.
   */
  listCheckpoints(query: CheckpointQuery): Promise<CheckpointPage>;
  /** All checkpoints of several jobs that are known to have few; jobs without any are left out. */
  listFewCheckpoints(
    queries: readonly Pick<CheckpointQuery, "jobId" | "sinceToken">[],
  ): Promise<ReadonlyMap<string, readonly Checkpoint[]>>;
  /** The last `limit` that were recorded, oldest first, without values. */
  listRecords(jobId: string, limit: number): Promise<readonly Checkpoint[]>;
  /** What the job waits for now, when it is parked. */
  listWaits(jobId: string): Promise<readonly PendingWait[]>;
  /** The waits of each job that are not over; jobs without any are left out. */
  listOpenWaits(jobIds: readonly string[]): Promise<ReadonlyMap<string, readonly OpenWait[]>>;
  /** How many checkpoints and waits each job has, and the bytes of their values; jobs without any are left out. */
  sumCheckpoints(jobIds: readonly string[]): Promise<ReadonlyMap<string, CheckpointSum>>;
  /** Returns the jobs that have a record or a wait from a client that keeps an order. */
  findOrdered(jobIds: readonly string[]): Promise<ReadonlySet<string>>;
  /** How many signals of each name the job has not taken yet. */
  countSignals(jobId: string): Promise<ReadonlyMap<string, number>>;
  /** Lists all undo jobs that these jobs have ever had, with the fields that lists return. */
  listUndoJobs(jobIds: readonly string[]): Promise<readonly Job[]>;
}

export interface WorkflowWrites {
  /**
   * Records under leases: nothing is written for a job that is no longer RUNNING under that token. One outcome for each
   * item, in order. An existing record stays, except:
   * - a wait, which its worker saw end;
   * - an error that ended an attempt, or, without an order, one from before the job's last failure;
   * - attempts of a step, of which the last count is kept.
   * An ordered record that has no place yet gets that of the item, and keeps its value.
   */
  record(items: readonly NewCheckpoint[]): Promise<readonly RecordOutcome[]>;
  /** Finds, for each item, the kinds of those of its names that are known. */
  findKinds(items: readonly NamesOfJob[]): Promise<readonly ReadonlyMap<string, CheckpointKind>[]>;

  /**
   * Stores what jobs that were parked in this transaction wait for. Returns the jobs that something has woken already,
   * and when the next of the waits is due.
   */
  park(parks: readonly NewPark[]): Promise<RegisteredWaits>;
  /**
   * Ends sleeps and waits for events whose time has come, oldest first. Returns the parked jobs that they wake. As
   * always when a wait ends, an ordered wait loses its place if its job has continued since it parked for it.
   */
  endDueWaits(limit: number): Promise<EndedWaits>;
  /** Parked jobs that awaited the end of jobs that this transaction ended, since the last call. */
  takeAwaiters(): Promise<readonly ParkedJob[]>;
  /**
   * Deletes the record that the end of a job ended an attempt of another job, so that the end is awaited again. Returns
   * false, and changes nothing, if there is no such record.
   */
  forgetAwaited(awaited: AwaitedJob): Promise<boolean>;

  /**
   * Queues each signal after the job's earlier ones; if the job already waits for it, the first such wait takes it at
   * once. Locks the jobs until the end of the transaction. One outcome for each item, in order.
   */
  sendSignals(items: readonly NewSignal[]): Promise<SentSignals>;

  /**
   * Stores an undo job for each of these that is DEAD or CANCELLED, has recorded a step that can be undone, and is not
   * an undo job itself. It is ready at once, has the function, args, headers, time limit and priority of the undone
   * job, and is its child. Returns what was stored.
   */
  storeUndoJobs(items: readonly NewUndoJob[]): Promise<readonly StoredJob[]>;
  /** Like `WorkflowReads.listUndoJobs`, but locks the jobs that it returns, as `JobWrites.getMany` does. */
  listUndoJobs(jobIds: readonly string[]): Promise<readonly Job[]>;
  /** Deletes everything that these jobs recorded: their steps were undone, so they start from scratch. */
  forgetRecords(jobIds: readonly string[]): Promise<void>;
}

export interface CheckpointQuery {
  readonly jobId: string;
  /** Only waits that ended under this lease token or a later one: for a handler that continues in place. */
  readonly sinceToken: number | null;
  /** Exclusive; null begins. */
  readonly afterName: string | null;
  readonly maxBytes: number;
}

export interface CheckpointPage {
  readonly checkpoints: readonly Checkpoint[];
  /** The caller passes it as `afterName` for the next part; null on the last. */
  readonly next: string | null;
}

export interface CheckpointSum {
  readonly count: number;
  /** Waits that are not over. */
  readonly open: number;
  /** Awaited jobs among them. */
  readonly awaited: number;
  readonly bytes: number;
}

export interface NewCheckpoint extends Lease {
  readonly name: string;
  readonly kind: CheckpointKind;
  readonly value: Uint8Array | null;
  readonly error: StepError | null;
  /** Of the job, by its lease. */
  readonly failures: number;
  /** Order among those of the job; with an order that of the sequence counts. */
  readonly place: number;
  readonly order: RecordOrder | null;
  /** Of the kind job: whose end it is. */
  readonly awaitedJobId: string | null;
}

export interface NamesOfJob {
  readonly jobId: string;
  readonly names: readonly string[];
}

export type RecordOutcome =
  /** Written; new when the name had no record. */
  | { readonly kind: "recorded"; readonly isNew: boolean }
  /** An earlier record of the same kind exists. */
  | { readonly kind: "repeated" }
  /** The lease is no longer the job's. */
  | { readonly kind: "stale" }
  /** The name is known as something else. */
  | { readonly kind: "conflict"; readonly known: CheckpointKind };

/** A job that parks, with its waits. */
export interface NewPark {
  readonly jobId: string;
  readonly waits: readonly NewWait[];
  /** All that the handler waits for now; the others do not wake it. */
  readonly waitingNames: readonly string[];
  /** Position of the first of these waits among the job's checkpoints and waits. */
  readonly place: number;
  /** The lease under which it parked. */
  readonly leaseToken: number;
  /** The position of those of `waitingNames` that end before the job resumes, or have ended without a position. */
  readonly order: ParkOrder | null;
}

export interface RegisteredWaits {
  readonly over: readonly ParkedJob[];
  /** Null when none of them has a time. */
  readonly nextDueAt: number | null;
}

/** A job that is SUSPENDED and can be woken. */
export interface ParkedJob {
  /** As in lists: without args, result, headers and ranMs. */
  readonly job: Job;
  /** The worker that has its handler in memory is known and not lost. */
  readonly isWorkerThere: boolean;
}

export interface EndedWaits {
  readonly ended: number;
  readonly woken: readonly ParkedJob[];
}

export interface AwaitedJob {
  readonly jobId: string;
  readonly awaitedBy: string;
}

export interface NewSignal {
  /** Chosen by the sender: repeating it changes nothing and returns the same outcome. */
  readonly signalId: string;
  readonly jobId: string;
  readonly name: string;
  readonly payload: Uint8Array;
}

export interface SentSignals {
  readonly outcomes: readonly SignalOutcome[];
  /** The parked jobs that they wake. */
  readonly woken: readonly ParkedJob[];
}

export type SignalOutcome =
  /** Stored by this send or an earlier one; `taken` is true if a wait took the signal when it arrived. */
  | { readonly kind: "sent"; readonly taken: boolean }
  | { readonly kind: "unknown_job" }
  | { readonly kind: "ended"; readonly state: JobState }
  /** The job has SIGNAL_LIMITS.waitingPerJob others that it has not taken yet. */
  | { readonly kind: "full" }
  /** The id is that of a signal to another job. */
  | { readonly kind: "id_taken"; readonly jobId: string };

export interface NewUndoJob {
  /** The job whose steps may have to be undone. */
  readonly jobId: string;
  /** The id of its undo job, new. */
  readonly undoId: string;
}

/** What others learn of a job that is new. */
export type StoredJob = Pick<Job, "jobId" | "functionName" | "parentId">;
