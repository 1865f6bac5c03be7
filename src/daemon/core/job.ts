/**
 * A job as every layer of the daemon sees it. Times are milliseconds since the epoch, read from the store's clock;
 * ids are UUIDs in their lower-case text form.
 */

/** Each state says who moves a job on from it. */
export const JOB_STATES = [
  /** Waiting for `runAt` and a worker. Moved on by claim, cancel, or expiry of `startBy` or `finishBy`. */
  "PENDING",
  /** Leased to a worker. Moved on by settling, timeout, loss of the worker, cancel, or expiry of `finishBy`. */
  "RUNNING",
  /** Parked without a slot. Moved on by the thing awaited, its timeout, cancel, or expiry of `finishBy`. */
  "SUSPENDED",
  /** Terminal: has a result. */
  "SUCCESS",
  /** Terminal until a person retries it: attempts exhausted, or an error that asked for no retry. */
  "DEAD",
  /** Terminal until a person retries it: cancelled by a caller or by a policy. */
  "CANCELLED",
] as const;

export type JobState = (typeof JOB_STATES)[number];
/** States that a job leaves only when a person retries it; never SUCCESS. */
export type TerminalState = "SUCCESS" | "DEAD" | "CANCELLED";

/** True when the job has ended: nothing but a retry by a person changes it. */
export function isTerminal(state: JobState): state is TerminalState {
  return state === "SUCCESS" || state === "DEAD" || state === "CANCELLED";
}

/** Every reason; the words are those of the protocol and of the store. */
export const ERROR_REASONS = [
  "handler",
  "terminal",
  "timeout",
  "worker_lost",
  "cancelled",
  "start_deadline",
  "finish_deadline",
  /** What the job recorded does not fit its handler: it waits for code that fits. */
  "replay_mismatch",
] as const;

/** What ended an attempt or a job without success. */
export type ErrorReason = (typeof ERROR_REASONS)[number];

/** An error as it is kept: plain text, whatever was thrown. */
export interface JobError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly reason: ErrorReason;
}

/** How the delay grows from one failure to the next. */
export type BackoffKind = "fixed" | "linear" | "exponential";

/** How long to wait between attempts; see `retry-policy.ts` for the formula. */
export interface RetryPolicy {
  readonly backoff: BackoffKind;
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
  /** 0 to 1. */
  readonly jitter: number;
}

/** What a job keeps of the options it was enqueued with. */
export interface JobSettings extends RetryPolicy {
  /** At least 1. */
  readonly maxAttempts: number;
  /** Per attempt; 0 = none. */
  readonly timeoutMs: number;
  /** Higher first. */
  readonly priority: number;
  readonly idempotencyKey: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Job extends JobSettings {
  readonly jobId: string;
  readonly functionName: string;
  readonly state: JobState;
  /** JSON array, opaque to the daemon. */
  readonly args: Uint8Array;
  /** JSON, only in SUCCESS. */
  readonly result: Uint8Array | null;
  /** The last error, whatever the state. */
  readonly error: JobError | null;
  readonly parentId: string | null;
  /** The job whose steps this one undoes; its parent. Null for other jobs. */
  readonly undoOf: string | null;
  readonly createdAt: number;
  readonly runAt: number;
  /** CANCELLED when not started by then. */
  readonly startBy: number | null;
  /** CANCELLED when not finished by then. */
  readonly finishBy: number | null;
  /** Number of the last execution, from 1; 0 before the first. */
  readonly attempt: number;
  /** Attempts that ended in an error or a timeout since the last retry by a person. */
  readonly failures: number;
  /** Attempts that ended because their worker vanished. */
  readonly losses: number;
  /** The fence: goes up with each lease and each time a lease is taken back, never down. */
  readonly leaseToken: number;
  /** Holder of the lease in RUNNING; while parked or woken, who has the handler in memory; who ended the job afterwards. */
  readonly workerId: string | null;
  /** How long the attempt ran before it parked; null for an attempt that never did. Not in lists. */
  readonly ranMs: number | null;
  /** Start of the last attempt, or of its last continuation after it was parked. */
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}

/** How an attempt ended without success. */
export type AttemptOutcome = "failed" | "timeout" | "lost" | "cancelled";

/** An attempt that ended without success. The attempt that succeeded is told by the job itself. */
export interface Attempt {
  readonly jobId: string;
  readonly attempt: number;
  readonly workerId: string | null;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly outcome: AttemptOutcome;
  readonly error: JobError | null;
}

/** The right of one worker to write for one job. */
export interface Lease {
  readonly jobId: string;
  readonly leaseToken: number;
}
