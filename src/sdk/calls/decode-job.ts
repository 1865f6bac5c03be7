import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import {
  type Attempt,
  Backoff,
  type Job,
  type JobError,
  type JobOptions as JobOptionsMessage,
  JobState,
} from "#proto/gen/reseolio/v1/job_pb.ts";
import type { AttemptDetails, JobDetails, JobErrorDetails, JobStatus } from "../job-details.ts";
import type { JobOptions } from "../options/job-options.ts";
import { decodeArgs, decodeResult } from "../serialization.ts";
import { reasonOf } from "../session/awaited-jobs.ts";

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
