/** The records of jobs, and what jobs wait for. Times are milliseconds since the epoch, on the store's clock. */
import type { FieldViolation } from "./errors.ts";
import type { Job, JobError } from "./job.ts";

/** Every kind, named as in the protocol and the store. */
const CHECKPOINT_KINDS = [
  /** The result of a step, or the error after which it is not retried. */
  "step",
  /** A sleep. */
  "sleep",
  /** The wait for an event: its payload, or none when the wait timed out. */
  "event",
  /** A time, random number or ID that must be the same in every execution. */
  "value",
  /** Which of several awaited operations ended first. */
  "choice",
  /** The wait for the end of a job. The result stays with that job. */
  "job",
  /** The wait for a signal sent to the job: its payload, or none when the wait timed out. */
  "signal",
  /** Attempts of a step that failed. Not given to the handler. */
  "try",
  /** What a replay found out about the records, for people to read. Not given to the handler. */
  "note",
] as const;

/** A kind of checkpoint. */
export type CheckpointKind = (typeof CHECKPOINT_KINDS)[number];
/** Kinds that a job can wait for. */
export type WaitKind = "sleep" | "event" | "job" | "signal";

/** The error of a step as it is replayed. The error of an awaited job has its reason too. */
export type StepError = Omit<JobError, "reason"> & Partial<Pick<JobError, "reason">>;

/**
 * A record's place in the sequence of everything that the handler was given. The protocol's Checkpoint has the details.
 */
export interface RecordOrder {
  /** From 1; 0: recorded, but not given to the handler yet. */
  readonly seq: number;
  /**
   * Number of operations that the handler had asked for when it was given this record, as its client counts. Without a
   * place: the record's place in an attempt that failed, 0 for none.
   */
  readonly asked: number;
  /** Identifies the operation. 0: it follows from the previous record, or the record is not given to the handler. */
  readonly op: number;
  /** No other operation of the handler was outstanding at that time. */
  readonly alone: boolean;
  /** Asked for in the turn of the event loop in which the handler started or was given something. */
  readonly prompt: boolean;
  /** Asked for in the context of one branch, after another branch was given something. */
  readonly beside: boolean;
  /** The step can be undone. */
  readonly undo: boolean;
  /** This failure ended an attempt: the operation is retried. */
  readonly endedAttempt: boolean;
}

/** A record with a name that is unique in its job, and that every later execution replays. */
export interface Checkpoint {
  readonly name: string;
  readonly kind: CheckpointKind;
  /** JSON; null when there is none, as with a sleep. */
  readonly value: Uint8Array | null;
  readonly error: StepError | null;
  /** The wait ended at its time limit. */
  readonly timedOut: boolean;
  /**
   * The job's failures when a step's error was recorded without an order: the error counts until another attempt fails.
   */
  readonly failures: number;
  readonly recordedAt: number;
  /** Null: recorded by a client that records no order. */
  readonly order: RecordOrder | null;
}

/** A checkpoint that is not recorded yet: something that a job waits for. */
export interface PendingWait {
  readonly name: string;
  readonly kind: WaitKind;
  /** When the sleep ends or the wait times out; null when it does not. */
  readonly dueAt: number | null;
  readonly eventName: string | null;
  readonly awaitedJobId: string | null;
  readonly signalName: string | null;
}

/** A wait as a worker reports it when it parks a job. A name that is already registered keeps what it waits for. */
export type NewWait = { readonly name: string; readonly order?: WaitOrder | undefined } & (
  | { readonly kind: "sleep"; readonly sleepMs: number }
  | { readonly kind: "sleep"; readonly sleepUntil: number }
  | {
      readonly kind: "event";
      readonly eventName: string;
      readonly timeoutMs: number | null;
      /** An event that was emitted before the job was enqueued does not count. */
      readonly sinceStart?: boolean;
    }
  | { readonly kind: "signal"; readonly signalName: string; readonly timeoutMs: number | null }
  | { readonly kind: "job"; readonly awaitedJobId: string }
);

/** The order of a wait, from clients that record it; see RecordOrder. */
export type WaitOrder = Pick<RecordOrder, "op" | "prompt" | "beside">;

/** The place shared by all waits that end while a job is parked. */
export type ParkOrder = Pick<RecordOrder, "seq" | "asked" | "alone">;

/** A record of a job, and its operation. */
export interface RecordRef {
  readonly name: string;
  readonly op: number;
}

/** What a failed attempt does to records of its job. */
export interface FailureMarks {
  /** Records whose failures ended the attempt: their operations are retried. */
  readonly endedBy: readonly RecordRef[];
  /**
   * Records that the handler was given after the first of those: they stay, and get a new place when they are given
   * again.
   */
  readonly loosened: readonly RecordRef[];
}

/** A named, one-time fact. */
export interface Event {
  readonly name: string;
  /** JSON. */
  readonly payload: Uint8Array;
  readonly emittedAt: number;
}

export const CHECKPOINT_LIMITS = {
  /** UTF-8 bytes of the name of a checkpoint, a wait or an event. */
  nameBytes: 256,
  /** Checkpoints of one job, including waits, without awaited jobs. */
  perJob: 10_000,
  /** Awaited jobs of one job, whose records are small. */
  awaitedPerJob: 100_000,
  /** Bytes of all values of one job. */
  bytesPerJob: 64 * 1024 * 1024,
  /** The highest seq and asked: far more than a job can record. */
  lastPlace: 2 ** 24,
} as const;

/**
 * How long a woken job is reserved for the worker with its handler in memory, before any other worker may replay it.
 */
export const RESUME_GRACE_MS = 500;

/** Whether a client's numbers are within the limits. */
export function isPlace({ seq, asked }: Pick<RecordOrder, "seq" | "asked">): boolean {
  return seq <= CHECKPOINT_LIMITS.lastPlace && asked <= CHECKPOINT_LIMITS.lastPlace;
}

/**
 * A wait that is registered and has not ended, with the operation that asked for it; op is 0 inside another operation.
 */
export interface OpenWait extends RecordRef {
  readonly kind: CheckpointKind;
  /** When it times out; null without a time limit. */
  readonly dueAt: number | null;
}

/**
 * A checkpoint's name for people: removes the operation's identity, which a wait inside another operation, such as a
 * source of `awaitAny`, has between its name and its number.
 */
export function shownName(name: string): string {
  return name.replace(/@[0-9a-z]+(?=\[\d+\](\/\d+)?$)/, "");
}

/** The name under which clients record the end of a job that they await. */
export function awaitedJobName(jobId: string): string {
  return `job:${jobId}`;
}

/** Violations in the name of a checkpoint, a wait or an event; empty when it is valid. */
export function checkName(name: string, field: string): readonly FieldViolation[] {
  if (name === "") return [{ field, description: `is empty; use a name of 1 to ${CHECKPOINT_LIMITS.nameBytes} bytes` }];
  const bytes = name.length * 3 <= CHECKPOINT_LIMITS.nameBytes ? 0 : Buffer.byteLength(name);
  if (bytes <= CHECKPOINT_LIMITS.nameBytes) return [];
  return [{ field, description: `is ${bytes} bytes long; at most ${CHECKPOINT_LIMITS.nameBytes} are allowed` }];
}

/**
 * The run time of an attempt that parks, such that the rest of its time limit, including extensions by heartbeat,
 * remains when it resumes.
 *
 * @param leftMs rest of its time limit; Infinity without one
 */
export function ranMsAtPark(job: Pick<Job, "timeoutMs">, elapsedMs: number, leftMs: number): number {
  const ranMs = Number.isFinite(leftMs) ? job.timeoutMs - Math.max(0, leftMs) : elapsedMs;
  return Math.max(0, Math.round(ranMs));
}
