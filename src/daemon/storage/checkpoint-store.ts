/** The part of the seam that workflows need: checkpoints, waits of parked jobs, events. */
import type { Checkpoint, CheckpointKind, Event, NewWait, PendingWait, StepError } from "../core/checkpoint.ts";
import type { Job, Lease } from "../core/job.ts";
import type { ClaimedJobs } from "./job-store.ts";

/** Reads; committed state only. */
export interface CheckpointStore {
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
  /** How many checkpoints and waits each job has, and the bytes of their values; jobs without any are left out. */
  sumCheckpoints(jobIds: readonly string[]): Promise<ReadonlyMap<string, CheckpointSum>>;
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
  readonly bytes: number;
}

/** Writes, and the reads that decide them. */
export interface CheckpointTransaction {
  /**
   * Records under leases: nothing is written for a job that is not RUNNING under that token any more. One outcome for
   * each item, in order. What is there stays, but for a wait that its worker saw end, and a step's error from before the job's last failure.
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

  /** Ends sleeps and waits for events whose time has come, oldest first. Returns the parked jobs that they wake. */
  endDueWaits(limit: number): Promise<EndedWaits>;
  /** Keeps the first payload of each event and ends at most `limit` waits for it; `spreadEvents` ends those left. */
  emitEvents(events: readonly EventToStore[], limit: number): Promise<readonly EmitOutcome[]>;
  /** Goes on with events that more jobs wait for than one call ends. */
  spreadEvents(limit: number): Promise<EndedWaits>;
  /** Parked jobs that awaited the end of jobs that this transaction ended, since the last call. */
  takeAwaiters(): Promise<readonly ParkedJob[]>;

  /** Leases woken jobs to the worker that has their handlers in memory: oldest first, the attempt's number stays. */
  resumeJobs(demands: readonly ResumeDemand[]): Promise<readonly ClaimedJobs[]>;

  /** Deletes events emitted before a time that nobody waits for any more, at most `limit`. Returns how many. */
  pruneEvents(emittedBefore: number, limit: number): Promise<number>;
}

export interface CheckpointToStore extends Lease {
  readonly name: string;
  readonly kind: CheckpointKind;
  readonly value: Uint8Array | null;
  readonly error: StepError | null;
  /** Of the job, by its lease. */
  readonly failures: number;
  /** Order among those of the job. */
  readonly place: number;
}

export interface NamesOfJob {
  readonly jobId: string;
  readonly names: readonly string[];
}

export type RecordOutcome =
  /** Written. */
  | { readonly kind: "recorded" }
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

export interface ResumeDemand {
  readonly workerId: string;
  /** At least 1. */
  readonly limit: number;
}
