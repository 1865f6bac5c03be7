/** What a job recorded, and what it waits for. Times are milliseconds since the epoch, on the store's clock. */
import type { FieldViolation } from "./errors.ts";
import type { Job, JobError } from "./job.ts";

/** Every kind; the words are those of the protocol and of the store. */
export const CHECKPOINT_KINDS = [
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
] as const;

/** What a checkpoint holds. */
export type CheckpointKind = (typeof CHECKPOINT_KINDS)[number];
/** Kinds that a job can wait for. */
export type WaitKind = "sleep" | "event" | "job";

/** The error of a step, as it is replayed. */
export type StepError = Omit<JobError, "reason">;

/** Recorded once under a name of its job, and replayed in every later execution of it. */
export interface Checkpoint {
  readonly name: string;
  readonly kind: CheckpointKind;
  /** JSON; null when there is none, as for a sleep. */
  readonly value: Uint8Array | null;
  readonly error: StepError | null;
  /** An event's wait ended at its time limit. */
  readonly timedOut: boolean;
  /** The job's failures when a step's error was recorded: it counts only while no attempt has failed since. */
  readonly failures: number;
  readonly recordedAt: number;
}

/** A checkpoint that is not recorded yet: something that a job waits for. */
export interface PendingWait {
  readonly name: string;
  readonly kind: WaitKind;
  /** End of a sleep, or of the wait for an event; null when it has none. */
  readonly dueAt: number | null;
  readonly eventName: string | null;
  readonly awaitedJobId: string | null;
}

/** A wait as a worker tells it when it parks a job. A name that is registered already keeps what it has. */
export type NewWait =
  | { readonly name: string; readonly kind: "sleep"; readonly sleepMs: number }
  | { readonly name: string; readonly kind: "sleep"; readonly sleepUntil: number }
  | { readonly name: string; readonly kind: "event"; readonly eventName: string; readonly timeoutMs: number | null }
  | { readonly name: string; readonly kind: "job"; readonly awaitedJobId: string };

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
  /** Of one job, waits included. */
  perJob: 10_000,
  /** Bytes of all values of one job. */
  bytesPerJob: 64 * 1024 * 1024,
} as const;

/** How long a woken job is kept for the worker that has its handler in memory, before any other one may replay it. */
export const RESUME_GRACE_MS = 500;

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
