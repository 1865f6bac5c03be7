/** The part of the seam that workflows need: checkpoints, waits of parked jobs, events. */
import type {
  Checkpoint,
  CheckpointKind,
  Event,
  NewWait,
  ParkOrder,
  PendingWait,
  RecordOrder,
  OpenWait,
  StepError,
} from "../core/checkpoint.ts";
import type { Job, Lease } from "../core/job.ts";
import type { ClaimedJobs } from "./job-store.ts";
import type { UndoReads, UndoTransaction } from "./undo-store.ts";

/** Reads; committed state only. */
export interface CheckpointStore extends UndoReads {
  /** What is to be replayed, or to be told to a worker that goes on: a part of at most about `maxBytes` of values. */
  listCheckpoints(query: CheckpointQuery): Promise<CheckpointPage>;
  /** The same, whole and for several jobs, of which is known that they have little; those without any are left out. */
  listFewCheckpoints(
    queries: readonly Pick<CheckpointQuery, "jobId" | "sinceToken">[],
  ): Promise<ReadonlyMap<string, readonly Checkpoint[]>>;
  /** The last `limit` that were recorded, oldest first, without values. */
  listRecords(jobId: string, limit: number): Promise<readonly Checkpoint[]>;
  /** What the job waits for now, when it is parked. */
  listWaits(jobId: string): Promise<readonly PendingWait[]>;
  /** Of each job the waits that are not over; jobs without any are left out. */
  listOpenWaits(jobIds: readonly string[]): Promise<ReadonlyMap<string, readonly OpenWait[]>>;
  /** How many checkpoints and waits each job has, and the bytes of their values; jobs without any are left out. */
  sumCheckpoints(jobIds: readonly string[]): Promise<ReadonlyMap<string, CheckpointSum>>;
  /** Those of the jobs that have a record or a wait of a client that keeps an order. */
  findOrdered(jobIds: readonly string[]): Promise<ReadonlySet<string>>;
  getEvent(name: string): Promise<Event | null>;
  /** Jobs that wait for an event that has not happened. */
  countWaiting(eventName: string): Promise<number>;
}

export interface CheckpointQuery {
  readonly jobId: string;
  /** Only waits that ended under this lease token or a later one: for a handler that goes on where it waits. */
  readonly sinceToken: number | null;
  /** Exclusive; null begins. */
  readonly afterName: string | null;
  readonly maxBytes: number;
}

export interface CheckpointPage {
  readonly checkpoints: readonly Checkpoint[];
  /** To be given as `afterName` for the next part; null on the last. */
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

/** Writes, and the reads that decide them. */
export interface CheckpointTransaction extends UndoTransaction {
  /**
   * Records under leases: nothing is written for a job that is not RUNNING under that token any more. One outcome for
   * each item, in order. What is there stays, but for:
   * - a wait, which its worker saw end;
   * - an error that ended an attempt, or, without an order, one from before the job's last failure;
   * - attempts of a step, of which the last count is kept.
   * An ordered record that has no place yet gets that of the item, and keeps what it holds.
   */
  recordCheckpoints(items: readonly CheckpointToStore[]): Promise<readonly RecordOutcome[]>;

  /**
   * Before anything else in a transaction that emits these events, or parks jobs for them: nobody else does either until
   * it is over, so that none of the two can miss the other.
   */
  lockEvents(names: readonly string[]): Promise<void>;
  /** For each item, the kinds under which those of its names are known that are known at all. */
  findKinds(items: readonly NamesOfJob[]): Promise<readonly ReadonlyMap<string, CheckpointKind>[]>;
  /**
   * What jobs that were parked in this transaction wait for. Returns those of which something that wakes them is over
   * already, and when the next of the waits is due.
   */
  registerWaits(parks: readonly WaitsToStore[]): Promise<RegisteredWaits>;

  /**
   * Ends sleeps and waits for events whose time has come, oldest first. Returns the parked jobs that they wake. As with
   * every end of a wait: an ordered one of a job that went on since it was parked for it loses its place.
   */
  endDueWaits(limit: number): Promise<EndedWaits>;
  /**
   * Keeps the first payload of each event, and the last, and ends at most `limit` waits for it; `spreadEvents` ends those
   * left. An event that happened before is told to waits that begin with their job, and to nobody else.
   */
  emitEvents(events: readonly EventToStore[], limit: number): Promise<readonly EmitOutcome[]>;
  /** Goes on with events that more jobs wait for than one call ends. */
  spreadEvents(limit: number): Promise<EndedWaits>;
  /** Parked jobs that awaited the end of jobs that this transaction ended, since the last call. */
  takeAwaiters(): Promise<readonly ParkedJob[]>;

  /**
   * Deletes what says that the end of a job ended an attempt of another one, so that it is awaited anew. False, and
   * nothing changed, when the record named after the job does not say so.
   */
  forgetAwaited(awaited: { readonly jobId: string; readonly awaitedBy: string }): Promise<boolean>;

  /** Leases woken jobs to the worker that has their handlers in memory: oldest first, the attempt's number stays. */
  resumeJobs(demands: readonly ResumeDemand[]): Promise<readonly ClaimedJobs[]>;

  /**
   * Deletes events emitted before a time that nobody waits for any more, at most `limit`; of one that was emitted again
   * since then the last emission becomes the first. Returns how many these were.
   */
  pruneEvents(emittedBefore: number, limit: number): Promise<number>;
  /** Forgets an event, but not while it is told to all who wait for it. To be called under `lockEvents`. */
  deleteEvent(name: string): Promise<EventDeletion>;
}

export interface CheckpointToStore extends Lease {
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
  /** Written; new when nothing was there under the name. */
  | { readonly kind: "recorded"; readonly isNew: boolean }
  /** There already, by an earlier record of the same kind. */
  | { readonly kind: "repeated" }
  /** The lease is no longer the job's. */
  | { readonly kind: "stale" }
  /** The name is known as something else. */
  | { readonly kind: "conflict"; readonly known: CheckpointKind };

export interface WaitsToStore {
  readonly jobId: string;
  readonly waits: readonly NewWait[];
  /** All that the handler waits for now; the others do not wake it. */
  readonly waitingNames: readonly string[];
  /** Order of the first of the waits among what the job has. */
  readonly place: number;
  /** The lease under which it parked. */
  readonly leaseToken: number;
  /** The place of what ends of the waiting names until the job goes on, and of what has ended without one. */
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

export interface EventToStore {
  readonly name: string;
  readonly payload: Uint8Array;
}

export interface EmitOutcome {
  /** As it is kept. */
  readonly event: Event;
  readonly created: boolean;
  /** Jobs that were waiting for it. */
  readonly waiting: number;
  readonly woken: readonly ParkedJob[];
}

export type EventDeletion = "deleted" | "unknown" | "spreading";

export interface ResumeDemand {
  readonly workerId: string;
  /** At least 1. */
  readonly limit: number;
}
