import type { JobErrorReason } from "./errors.ts";
import type { JobOptions } from "./options/job-options.ts";

/** Status of a job; the last three are terminal. */
export type JobStatus = "pending" | "running" | "suspended" | "success" | "dead" | "cancelled";

/**
 * A stored job. Args and result are as decoded from JSON.
 *
 * @example
 * ```ts
 * const { attempt, failures, error, attempts } = await job.details();
 * console.log(`attempt ${attempt}, ${failures} failures, last: ${error?.message ?? "none"}`, attempts.length);
 * ```
 */
export interface JobDetails {
  readonly id: string;
  readonly name: string;
  /** Empty in a list. */
  readonly args: readonly unknown[];
  readonly status: JobStatus;
  /** Only with the status `success`; undefined in a list. */
  readonly result?: unknown;
  /** The last error, if any, whatever the status. */
  readonly error?: JobErrorDetails;
  /** Number of the latest attempt; 0 before the first. */
  readonly attempt: number;
  readonly maxAttempts: number;
  /** Attempts that ended in an error or a timeout. */
  readonly failures: number;
  /** Attempts that ended because their worker vanished. */
  readonly losses: number;
  /** As resolved by the daemon when the job was enqueued. */
  readonly options: JobOptions;
  readonly createdAt: Date;
  readonly runAt: Date;
  readonly startedAt?: Date;
  readonly finishedAt?: Date;
  /** The worker that runs the job, or that ended it. */
  readonly workerId?: string;
  /** The job whose handler made the call. */
  readonly parentId?: string;
  /** Name of the schedule that enqueued the job. */
  readonly schedule?: string;
  /** The tick for which it was enqueued. */
  readonly scheduledAt?: Date;
  /** The last 50 attempts that ended without success, oldest first; empty in a list. */
  readonly attempts: readonly AttemptDetails[];
}

/** Why an attempt or a job ended without a result. */
export interface JobErrorDetails {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly reason: JobErrorReason;
}

/** One attempt that ended without success. */
export interface AttemptDetails {
  readonly attempt: number;
  readonly outcome: "failed" | "timeout" | "lost" | "cancelled";
  readonly workerId: string;
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly error?: JobErrorDetails;
}
