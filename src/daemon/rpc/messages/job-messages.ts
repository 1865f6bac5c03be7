/**
 * Converts jobs between protobuf messages and core values. Messages are built as literals with every field, not with
 * `create`, because sessions convert tens of thousands per second.
 */
import { NO_BYTES } from "#proto/contract.ts";
import {
  type Attempt as AttemptMessage,
  type EnqueuedJob as EnqueuedJobMessage,
  type Job as JobMessage,
  type JobError as JobErrorMessage,
  JobState as JobStateMessage,
  type NewJob,
} from "#proto/gen/reseolio/v1/job_pb.ts";
import type {
  EnqueueResult as EnqueueResultMessage,
  JobChange as JobChangeMessage,
} from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { SettleResult as SettleResultMessage } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { StepError } from "../../core/checkpoint.ts";
import type { JobOptionsInput } from "../../core/job-options.ts";
import type { Attempt, Job, JobError, JobState } from "../../core/job.ts";
import type { SettleResult } from "../../engine/dispatch/settle-result.ts";
import type { EnqueueItem, EnqueueResult } from "../../engine/jobs/enqueue-jobs.ts";
import type { CommittedChange } from "../../engine/lane/change-feed.ts";
import { statusFromError } from "../errors/error-details.ts";
import { fromJobOptions, toJobOptions } from "./option-messages.ts";
import { fromMs } from "./timestamps.ts";

const NO_ARGS = new TextEncoder().encode("[]");
const NO_OPTIONS: JobOptionsInput = Object.freeze({});

/**
 * Converts a new job for the engine. Absent options stay absent, so that the engine applies its defaults.
 *
 * @param path the location of the item in the request, such as `jobs[0]`
 * @throws DaemonError invalid_argument for an enum value that this version does not know
 */
export function toEnqueueItem(message: NewJob, path: string): EnqueueItem {
  return {
    jobId: message.jobId === "" ? null : message.jobId,
    functionName: message.functionName,
    args: message.args.length === 0 ? NO_ARGS : message.args,
    options: message.options === undefined ? NO_OPTIONS : toJobOptions(message.options, path),
    parentId: message.parentId === "" ? null : message.parentId,
  };
}

/**
 * @param askedJobId the ID that the client asked for; the result omits the ID if it is the same, as sessions expect. Null
 * always includes the ID.
 */
export function fromEnqueueResult(result: EnqueueResult, askedJobId: string | null): EnqueueResultMessage {
  return {
    $typeName: "reseolio.v1.EnqueueResult",
    result: result.ok
      ? { case: "job", value: fromEnqueuedJob(result, askedJobId) }
      : { case: "error", value: statusFromError(result.error) },
  };
}

function fromEnqueuedJob(result: Extract<EnqueueResult, { ok: true }>, askedJobId: string | null): EnqueuedJobMessage {
  return {
    $typeName: "reseolio.v1.EnqueuedJob",
    jobId: result.jobId === askedJobId ? "" : result.jobId,
    deduplicated: result.deduplicated,
    argsDiffer: result.argsDiffer,
    state: result.state === null ? JobStateMessage.UNSPECIFIED : jobStateToProto(result.state),
  };
}

/** @param rest fields that only GetJob and ExplainJob return */
export function fromJob(
  job: Job,
  rest: Partial<Pick<JobMessage, "attempts" | "waits" | "checkpoints">> = {},
): JobMessage {
  return {
    $typeName: "reseolio.v1.Job",
    jobId: job.jobId,
    functionName: job.functionName,
    state: jobStateToProto(job.state),
    args: job.args,
    result: job.result ?? NO_BYTES,
    options: fromJobOptions(job),
    attempt: job.attempt,
    failures: job.failures,
    losses: job.losses,
    createdAt: fromMs(job.createdAt),
    runAt: fromMs(job.runAt),
    workerId: job.workerId ?? "",
    parentId: job.parentId ?? "",
    undoOf: job.undoOf ?? "",
    attempts: rest.attempts ?? [],
    scheduleName: "",
    waits: rest.waits ?? [],
    checkpoints: rest.checkpoints ?? [],
    ...(job.error !== null && { error: fromJobError(job.error) }),
    ...(job.startedAt !== null && { startedAt: fromMs(job.startedAt) }),
    ...(job.finishedAt !== null && { finishedAt: fromMs(job.finishedAt) }),
    ...(job.startBy !== null && { startBy: fromMs(job.startBy) }),
    ...(job.finishBy !== null && { finishBy: fromMs(job.finishBy) }),
  };
}

/** A row of a list: without args and result and with a short error, so that a page of 1,000 fits into one message. */
export function fromListedJob(job: Job): JobMessage {
  const message = fromJob(job);
  message.args = NO_BYTES;
  message.result = NO_BYTES;
  if (job.error !== null) message.error = inShort(job.error);
  return message;
}

export function fromJobError(error: JobError): JobErrorMessage {
  return {
    $typeName: "reseolio.v1.JobError",
    name: error.name,
    message: error.message,
    stack: error.stack ?? "",
    reason: error.reason,
  };
}

/** Most characters of an error text in a list; the full text may be sixteen times as long. */
const LISTED_CHARACTERS = 800;

/** The error without its stack and with truncated texts. */
export function inShort(error: JobError): JobErrorMessage {
  const cut = (text: string): string =>
    text.length <= LISTED_CHARACTERS ? text : `${text.slice(0, LISTED_CHARACTERS).toWellFormed()}…`;
  return { ...withoutStack(error), name: cut(error.name), message: cut(error.message) };
}

function withoutStack(error: JobError): JobErrorMessage {
  return { ...fromJobError(error), stack: "" };
}

/** A change without the stack of its error, because watchers read many. */
export function fromJobChange(change: CommittedChange): JobChangeMessage {
  return {
    $typeName: "reseolio.v1.JobChange",
    jobId: change.jobId,
    functionName: change.functionName,
    state: jobStateToProto(change.state),
    attempt: change.attempt,
    at: fromMs(change.at),
    ...(change.error !== null && { error: withoutStack(change.error) }),
  };
}

export function jobStateToProto(state: JobState): JobStateMessage {
  switch (state) {
    case "PENDING":
      return JobStateMessage.PENDING;
    case "RUNNING":
      return JobStateMessage.RUNNING;
    case "SUSPENDED":
      return JobStateMessage.SUSPENDED;
    case "SUCCESS":
      return JobStateMessage.SUCCESS;
    case "DEAD":
      return JobStateMessage.DEAD;
    case "CANCELLED":
      return JobStateMessage.CANCELLED;
  }
}

/** An error as a worker reports it. */
export function toReportedError(error: JobErrorMessage | undefined): StepError {
  if (error === undefined) return { name: "Error", message: "the worker reported a failure without an error" };
  const { name, message, stack } = error;
  return { name: name || "Error", message, ...(stack === "" ? {} : { stack }) };
}

export function fromSettleResult(result: SettleResult): SettleResultMessage {
  switch (result) {
    case "accepted":
      return SettleResultMessage.ACCEPTED;
    case "stale":
      return SettleResultMessage.STALE;
    case "retry":
      return SettleResultMessage.RETRY;
    case "invalid":
      return SettleResultMessage.INVALID;
  }
}

export function fromAttempt(attempt: Attempt): AttemptMessage {
  return {
    $typeName: "reseolio.v1.Attempt",
    attempt: attempt.attempt,
    workerId: attempt.workerId ?? "",
    startedAt: fromMs(attempt.startedAt),
    endedAt: fromMs(attempt.endedAt),
    outcome: attempt.outcome,
    ...(attempt.error !== null && { error: fromJobError(attempt.error) }),
  };
}
