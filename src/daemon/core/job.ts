/**
 * A job as every layer of the daemon sees it. Times are milliseconds since the epoch on the store's clock; IDs are
 * UUIDs in lower case.
 */
import type { ERROR_REASONS } from "#proto/contract.ts";

/** Every state, with what ends it. */
export const JOB_STATES = [
  /** Waits for `runAt` and a worker. Ended by claim, cancel, or expiry of `startBy` or `finishBy`. */
  "PENDING",
  /** Leased to a worker. Ended by settling, timeout, loss of the worker, cancel, or expiry of `finishBy`. */
  "RUNNING",
  /** Parked without a slot. Ended by what it waits for, its timeout, cancel, or expiry of `finishBy`. */
  "SUSPENDED",
  /** Terminal: has a result. */
  "SUCCESS",
  /** Terminal until a user retries it: attempts exhausted, or an error that forbade a retry. */
  "DEAD",
  /** Terminal until a user retries it: cancelled by a caller or by a policy. */
  "CANCELLED",
] as const;

export type JobState = (typeof JOB_STATES)[number];
/** States that a job leaves only when a user retries it; never SUCCESS. */
export type TerminalState = "SUCCESS" | "DEAD" | "CANCELLED";

/** True when the job has ended: nothing but a retry by a user changes it. */
export function isTerminal(state: JobState): state is TerminalState {
  return state === "SUCCESS" || state === "DEAD" || state === "CANCELLED";
}

/** What ended an attempt or a job without success. */
export type ErrorReason = (typeof ERROR_REASONS)[number];

/** An error as it is stored: plain text, whatever was thrown. */
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

/** Options that a job keeps. */
export interface JobSettings extends RetryPolicy {
  /** At least 1. */
  readonly maxAttempts: number;
  /** Per attempt; 0 = none. */
  readonly timeoutMs: number;
  /** Jobs with a higher one run first. */
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
  /** The job is CANCELLED if it has not started by then. */
  readonly startBy: number | null;
  /** The job is CANCELLED if it has not finished by then. */
  readonly finishBy: number | null;
  /** Number of the last execution, from 1; 0 before the first. */
  readonly attempt: number;
  /** Attempts that ended in an error or a timeout since the last retry by a user. */
  readonly failures: number;
  /** Attempts that ended because their worker vanished. */
  readonly losses: number;
  /** The fence: raised by each lease and each revocation, never lowered. */
  readonly leaseToken: number;
  /**
   * While RUNNING, the lease's holder; while parked or woken, the worker with the handler in memory; then who ended the
   * job.
   */
  readonly workerId: string | null;
  /** Run time of the attempt before it parked; null for an attempt that never parked. Not in lists. */
  readonly ranMs: number | null;
  /** Start of the last attempt, or of its last continuation after it was parked. */
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}

/** How an attempt ended without success. */
export type AttemptOutcome = "failed" | "timeout" | "lost" | "cancelled";

/** An attempt that ended without success. The job itself describes the attempt that succeeded. */
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
