/** What a job recorded, and what it waits for. Times are milliseconds since the epoch, on the store's clock. */
import type { FieldViolation } from "./errors.ts";
import type { Job, JobError } from "./job.ts";

/** Every kind; the words are those of the protocol and of the store. */
const CHECKPOINT_KINDS = [
  /** The result of a step, or the error after which it is not tried again. */
  "step",
  /** A sleep. */
  "sleep",
  /** The wait for an event: its payload, or none when the wait timed out. */
  "event",
  /** A time, random number or id that must read the same in every execution. */
  "value",
  /** Which of several awaited things came first. */
  "choice",
  /** The wait for the end of a job; the result stays with that job. */
  "job",
  /** The wait for a signal sent to the job: its payload, or none when the wait timed out. */
  "signal",
  /** Attempts of a step that failed. Not given to the handler. */
  "try",
  /** What a replay found out about the records, for people. Not given to the handler. */
  "note",
] as const;

/** What a checkpoint holds. */
export type CheckpointKind = (typeof CHECKPOINT_KINDS)[number];
/** Kinds that a job can wait for. */
export type WaitKind = "sleep" | "event" | "job" | "signal";

/** The error of a step, as it is replayed; that of an awaited job comes with its reason. */
export type StepError = Omit<JobError, "reason"> & Partial<Pick<JobError, "reason">>;

/** Where a record stands among everything that the handler was given. The protocol's Checkpoint says it in full. */
export interface RecordOrder {
  /** From 1; 0: recorded, but not given to the handler yet. */
  readonly seq: number;
  /**
   * How much the handler had asked for when it was given this one, as its client counts. Without a place: the place that it
   * had in an attempt that failed, 0 for none.
   */
  readonly asked: number;
  /** Identifies the operation; 0: follows from the record before it, or is not given to the handler. */
  readonly op: number;
  /** Nothing else that the handler had asked for was outstanding then. */
  readonly alone: boolean;
  /** Asked for in the turn of the event loop in which the handler was started or given something. */
  readonly prompt: boolean;
  /** It was asked for in the context of one branch, behind what another one was given. */
  readonly beside: boolean;
  /** The step can be undone. */
  readonly undo: boolean;
  /** This failure ended an attempt: the operation is tried again. */
  readonly endedAttempt: boolean;
}

/** Recorded once under a name of its job, and replayed in every later execution of it. */
export interface Checkpoint {
  readonly name: string;
  readonly kind: CheckpointKind;
  /** JSON; null when there is none, as for a sleep. */
  readonly value: Uint8Array | null;
  readonly error: StepError | null;
  /** An event's wait ended at its time limit. */
  readonly timedOut: boolean;
  /** The job's failures when a step's error was recorded without an order: it counts only while no attempt has failed since. */
  readonly failures: number;
  readonly recordedAt: number;
  /** Null: recorded by a client that kept no order. */
  readonly order: RecordOrder | null;
}

/** A checkpoint that is not recorded yet: something that a job waits for. */
export interface PendingWait {
  readonly name: string;
  readonly kind: WaitKind;
  /** End of a sleep, or of the wait for an event; null when it has none. */
  readonly dueAt: number | null;
  readonly eventName: string | null;
  readonly awaitedJobId: string | null;
  readonly signalName: string | null;
}

/** A wait as a worker tells it when it parks a job. A name that is registered already keeps what it waits for. */
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

/** Of a wait that a client tells which records the order; see RecordOrder. */
export type WaitOrder = Pick<RecordOrder, "op" | "prompt" | "beside">;

/** The place of what ends while a job is parked: all of it has the same. */
export type ParkOrder = Pick<RecordOrder, "seq" | "asked" | "alone">;

/** A record of a job, and the operation that it belongs to. */
export interface RecordRef {
  readonly name: string;
  readonly op: number;
}

/** What becomes of records of a job with a failed attempt. */
export interface FailureMarks {
  /** Their failures ended it: these operations are tried again. */
  readonly endedBy: readonly RecordRef[];
  /** The handler was given them after the first of those: they stay, and get another place when they are given again. */
  readonly loosened: readonly RecordRef[];
}

/** What happened once under its name. */
export interface Event {
  readonly name: string;
  /** JSON. */
  readonly payload: Uint8Array;
  readonly emittedAt: number;
}

export const CHECKPOINT_LIMITS = {
  /** UTF-8 bytes of the name of a checkpoint, a wait or an event. */
  nameBytes: 256,
  /** Of one job, waits included, but for awaited jobs. */
  perJob: 10_000,
  /** Awaited jobs of one job: their records are small. */
  awaitedPerJob: 100_000,
  /** Bytes of all values of one job. */
  bytesPerJob: 64 * 1024 * 1024,
  /** Of seq and asked: far beyond what a job can record. */
  lastPlace: 2 ** 24,
} as const;

/** How long a woken job is kept for the worker that has its handler in memory, before any other one may replay it. */
export const RESUME_GRACE_MS = 500;

/** Whether a client's numbers can be kept. */
export function isPlace({ seq, asked }: Pick<RecordOrder, "seq" | "asked">): boolean {
  return seq <= CHECKPOINT_LIMITS.lastPlace && asked <= CHECKPOINT_LIMITS.lastPlace;
}

/** A wait that is registered and not over, by the operation that the handler asked for; op 0 inside of another one. */
export interface OpenWait extends RecordRef {
  readonly kind: CheckpointKind;
  /** When its time is over; null where it has none. */
  readonly dueAt: number | null;
}

/**
 * A checkpoint's name as people are shown it: a wait that is part of another operation, as each source of an `awaitAny` is,
 * carries the operation's identity between the name and its number.
 */
export function shownName(name: string): string {
  return name.replace(/@[0-9a-z]+(?=\[\d+\](\/\d+)?$)/, "");
}

/** Under which clients record the end of a job that they await. */
export function awaitedJobName(jobId: string): string {
  return `job:${jobId}`;
}

/** Faults of the name of a checkpoint, a wait or an event; empty when it is fine. */
export function checkName(name: string, field: string): readonly FieldViolation[] {
  if (name === "")
    return [{ field, description: `is empty; give a name of 1 to ${CHECKPOINT_LIMITS.nameBytes} bytes` }];
  const bytes = name.length * 3 <= CHECKPOINT_LIMITS.nameBytes ? 0 : Buffer.byteLength(name);
  if (bytes <= CHECKPOINT_LIMITS.nameBytes) return [];
  return [{ field, description: `has ${bytes} bytes; at most ${CHECKPOINT_LIMITS.nameBytes} are allowed` }];
}

/**
 * How long an attempt has run when it parks: what is left of its time limit, extensions by heartbeat included, is left
 * when it goes on.
 *
 * @param leftMs of its time limit; Infinity without one
 */
export function ranMsAtPark(job: Pick<Job, "timeoutMs">, elapsedMs: number, leftMs: number): number {
  const ranMs = Number.isFinite(leftMs) ? job.timeoutMs - Math.max(0, leftMs) : elapsedMs;
  return Math.max(0, Math.round(ranMs));
}
