import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import {
  type Attempt,
  Backoff,
  type Job,
  type JobError,
  type JobOptions as JobOptionsMessage,
  JobState,
} from "#proto/gen/reseolio/v1/job_pb.ts";
import type { JobErrorReason } from "../errors.ts";
import type { JobOptions } from "../options/job-options.ts";
import { decodeArgs, decodeResult } from "../serialization.ts";

/** Where a job stands; the last three are terminal. */
export type JobStatus = "pending" | "running" | "suspended" | "success" | "dead" | "cancelled";

/**
 * A stored job. Args and result are what JSON made of them.
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
  /** The last error, whatever the status. */
  readonly error?: JobErrorDetails;
  /** Number of the last execution; 0 before the first. */
  readonly attempt: number;
  readonly maxAttempts: number;
  /** Attempts that ended in an error or a timeout. */
  readonly failures: number;
  /** Attempts that ended because their worker vanished. */
  readonly losses: number;
  /** As resolved by the daemon at the call. */
  readonly options: JobOptions;
  readonly createdAt: Date;
  readonly runAt: Date;
  readonly startedAt?: Date;
  readonly finishedAt?: Date;
  /** The worker that runs it, or that ended it. */
  readonly workerId?: string;
  /** The job in whose handler it was called. */
  readonly parentId?: string;
  /** Name of the schedule that enqueued it. */
  readonly schedule?: string;
  /** The tick that it was enqueued for. */
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

export function jobDetailsOf(job: Job): JobDetails {
  return {
    id: job.jobId,
    name: job.functionName,
    args: decodeArgs(job.functionName, job.args),
    status: jobStatusOf(job.state),
    ...(job.result.length === 0 ? {} : { result: decodeResult(job.functionName, job.result) }),
    ...(job.error === undefined ? {} : { error: jobErrorOf(job.error) }),
    attempt: job.attempt,
    maxAttempts: job.options?.maxAttempts ?? 0,
    failures: job.failures,
    losses: job.losses,
    options: jobOptionsOf(job.options),
    createdAt: dateOf(job.createdAt),
    runAt: dateOf(job.runAt),
    ...(job.startedAt === undefined ? {} : { startedAt: timestampDate(job.startedAt) }),
    ...(job.finishedAt === undefined ? {} : { finishedAt: timestampDate(job.finishedAt) }),
    ...(job.workerId === "" ? {} : { workerId: job.workerId }),
    ...(job.parentId === "" ? {} : { parentId: job.parentId }),
    ...(job.scheduleName === "" ? {} : { schedule: job.scheduleName }),
    ...(job.scheduledAt === undefined ? {} : { scheduledAt: timestampDate(job.scheduledAt) }),
    attempts: job.attempts.map(attemptOf),
  };
}

const STATUSES: Readonly<Record<JobState, JobStatus>> = {
  [JobState.UNSPECIFIED]: "pending",
  [JobState.PENDING]: "pending",
  [JobState.RUNNING]: "running",
  [JobState.SUSPENDED]: "suspended",
  [JobState.SUCCESS]: "success",
  [JobState.DEAD]: "dead",
  [JobState.CANCELLED]: "cancelled",
};

export function jobStatusOf(state: JobState): JobStatus {
  return STATUSES[state];
}

export const JOB_STATES: Readonly<Record<JobStatus, JobState>> = {
  pending: JobState.PENDING,
  running: JobState.RUNNING,
  suspended: JobState.SUSPENDED,
  success: JobState.SUCCESS,
  dead: JobState.DEAD,
  cancelled: JobState.CANCELLED,
};

export function jobStateOf(status: JobStatus): JobState {
  return JOB_STATES[status];
}

export function jobErrorOf(error: JobError): JobErrorDetails {
  const { name, message, stack } = error;
  return { name, message, ...(stack === "" ? {} : { stack }), reason: reasonOf(error) };
}

const REASONS: ReadonlySet<string> = new Set<JobErrorReason>([
  "handler",
  "terminal",
  "timeout",
  "worker_lost",
  "cancelled",
  "start_deadline",
  "finish_deadline",
  "replay_mismatch",
]);

/** A reason that this version does not know counts as the handler's. */
export function reasonOf(error: JobError | undefined): JobErrorReason {
  return isReason(error?.reason) ? error.reason : "handler";
}

function isReason(text: string | undefined): text is JobErrorReason {
  return text !== undefined && REASONS.has(text);
}

function attemptOf(attempt: Attempt): AttemptDetails {
  return {
    attempt: attempt.attempt,
    outcome: attemptOutcomeOf(attempt.outcome),
    workerId: attempt.workerId,
    startedAt: dateOf(attempt.startedAt),
    endedAt: dateOf(attempt.endedAt),
    ...(attempt.error === undefined ? {} : { error: jobErrorOf(attempt.error) }),
  };
}

function attemptOutcomeOf(text: string): AttemptDetails["outcome"] {
  return text === "timeout" || text === "lost" || text === "cancelled" ? text : "failed";
}

const BACKOFF_NAMES = {
  [Backoff.FIXED]: "fixed",
  [Backoff.LINEAR]: "linear",
  [Backoff.EXPONENTIAL]: "exponential",
} as const;

export function jobOptionsOf(options: JobOptionsMessage | undefined): JobOptions {
  if (options === undefined) return {};
  return {
    ...(options.backoff === Backoff.UNSPECIFIED ? {} : { backoff: BACKOFF_NAMES[options.backoff] }),
    headers: options.headers,
    ...(options.maxAttempts === undefined ? {} : { maxAttempts: options.maxAttempts }),
    ...(options.initialDelayMs === undefined ? {} : { initialDelayMs: options.initialDelayMs }),
    ...(options.maxDelayMs === undefined ? {} : { maxDelayMs: options.maxDelayMs }),
    ...(options.jitter === undefined ? {} : { jitter: options.jitter }),
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    ...(options.priority === undefined ? {} : { priority: options.priority }),
    ...(options.startWithinMs === undefined ? {} : { startWithinMs: Number(options.startWithinMs) }),
    ...(options.finishWithinMs === undefined ? {} : { finishWithinMs: Number(options.finishWithinMs) }),
    ...(options.idempotencyKey === "" ? {} : { idempotencyKey: options.idempotencyKey }),
  };
}

export function dateOf(timestamp: Timestamp | undefined): Date {
  return timestamp === undefined ? new Date(0) : timestampDate(timestamp);
}
