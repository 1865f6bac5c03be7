/**
 * Proto messages to core values and back. Messages are built as literals with every field, not by `create`: sessions
 * convert tens of thousands a second.
 */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { NO_BYTES } from "#proto/contract.ts";
import type {
  EnqueuedJob as EnqueuedJobMessage,
  Job as JobMessage,
  JobError as JobErrorMessage,
  JobOptions as JobOptionsMessage,
  NewJob,
} from "#proto/gen/reseolio/v1/job_pb.ts";
import {
  Backoff,
  JobState as JobStateMessage,
  OnDuplicate as OnDuplicateMessage,
} from "#proto/gen/reseolio/v1/job_pb.ts";
import type {
  EnqueueResult as EnqueueResultMessage,
  JobChange as JobChangeMessage,
} from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { invalidArgument } from "../core/errors.ts";
import type { JobOptionsInput, OnDuplicate } from "../core/job-options.ts";
import type { BackoffKind, Job, JobError, JobSettings, JobState } from "../core/job.ts";
import type { CommittedChange } from "../engine/lane/change-feed.ts";
import type { EnqueueItem, EnqueueResult } from "../engine/jobs/enqueue-jobs.ts";
import { statusFromError } from "./error-details.ts";

const NO_ARGS = new TextEncoder().encode("[]");
const NO_OPTIONS: JobOptionsInput = Object.freeze({});

/**
 * What the engine's `enqueueJobs` takes. An absent option stays absent, so that the engine fills in its default.
 *
 * @param path where the item stands in the request, such as `jobs[0]`
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

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function toJobOptions(message: JobOptionsMessage, path: string): JobOptionsInput {
  const options: Mutable<JobOptionsInput> = {};
  if (message.maxAttempts !== undefined) options.maxAttempts = message.maxAttempts;
  if (message.backoff !== Backoff.UNSPECIFIED) options.backoff = toBackoff(message.backoff, path);
  if (message.initialDelayMs !== undefined) options.initialDelayMs = message.initialDelayMs;
  if (message.maxDelayMs !== undefined) options.maxDelayMs = message.maxDelayMs;
  if (message.jitter !== undefined) options.jitter = message.jitter;
  if (message.timeoutMs !== undefined) options.timeoutMs = message.timeoutMs;
  if (message.delayMs !== undefined) options.delayMs = Number(message.delayMs);
  if (message.runAt !== undefined) options.runAt = toMs(message.runAt);
  if (message.priority !== undefined) options.priority = message.priority;
  if (message.startWithinMs !== undefined) options.startWithinMs = Number(message.startWithinMs);
  if (message.finishWithinMs !== undefined) options.finishWithinMs = Number(message.finishWithinMs);
  if (message.idempotencyKey !== "") options.idempotencyKey = message.idempotencyKey;
  if (message.onDuplicate !== OnDuplicateMessage.UNSPECIFIED) {
    options.onDuplicate = toOnDuplicate(message.onDuplicate, path);
  }
  options.headers = message.headers;
  return options;
}

function toBackoff(value: Backoff, path: string): BackoffKind {
  switch (value) {
    case Backoff.FIXED:
      return "fixed";
    case Backoff.LINEAR:
      return "linear";
    case Backoff.EXPONENTIAL:
    case Backoff.UNSPECIFIED:
      return "exponential";
    default:
      throw unknownEnumValue(`${path}.options.backoff`, value, Backoff);
  }
}

function toOnDuplicate(value: OnDuplicateMessage, path: string): OnDuplicate {
  switch (value) {
    case OnDuplicateMessage.RETURN_EXISTING:
    case OnDuplicateMessage.UNSPECIFIED:
      return "return_existing";
    case OnDuplicateMessage.REJECT:
      return "reject";
    case OnDuplicateMessage.REPLACE_FINISHED:
      return "replace_finished";
    default:
      throw unknownEnumValue(`${path}.options.onDuplicate`, value, OnDuplicateMessage);
  }
}

/** Proto enums are open: a number from a newer client, or a mistake. Never taken for the default in silence. */
export function unknownEnumValue(field: string, value: number, names: Record<string, string | number>): Error {
  const known = Object.entries(names).filter(([, number]) => typeof number === "number" && number !== 0);
  const list = known.map(([name, number]) => `${number} (${name})`).join(", ");
  return invalidArgument([{ field, description: `is ${value}, which this daemon does not know; give one of ${list}` }]);
}

/**
 * @param askedJobId the id that the caller asked for, left empty in the answer when it got that one, as sessions do;
 * null always tells the id
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

/** @param rest only GetJob and ExplainJob tell it */
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

/** A row of a list: without args, result and what is long of the error, so that a page of 1,000 fits in one message. */
export function fromListedJob(job: Job): JobMessage {
  const message = fromJob(job);
  message.args = NO_BYTES;
  message.result = NO_BYTES;
  if (job.error !== null) message.error = inShort(job.error);
  return message;
}

export function fromJobOptions(job: JobSettings): JobOptionsMessage {
  return {
    $typeName: "reseolio.v1.JobOptions",
    maxAttempts: job.maxAttempts,
    backoff: backoffToProto(job.backoff),
    initialDelayMs: job.initialDelayMs,
    maxDelayMs: job.maxDelayMs,
    jitter: job.jitter,
    timeoutMs: job.timeoutMs,
    priority: job.priority,
    idempotencyKey: job.idempotencyKey ?? "",
    onDuplicate: OnDuplicateMessage.UNSPECIFIED,
    headers: { ...job.headers },
  };
}

function backoffToProto(backoff: BackoffKind): Backoff {
  switch (backoff) {
    case "fixed":
      return Backoff.FIXED;
    case "linear":
      return Backoff.LINEAR;
    case "exponential":
      return Backoff.EXPONENTIAL;
  }
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

/** Characters of an error's texts in a list; a message may have sixteen times as many. */
const LISTED_CHARACTERS = 800;

/** Without the stack, and with the beginning of the rest. */
export function inShort(error: JobError): JobErrorMessage {
  const cut = (text: string): string =>
    text.length <= LISTED_CHARACTERS ? text : `${text.slice(0, LISTED_CHARACTERS).toWellFormed()}…`;
  return { ...withoutStack(error), name: cut(error.name), message: cut(error.message) };
}

function withoutStack(error: JobError): JobErrorMessage {
  return { ...fromJobError(error), stack: "" };
}

/** Without the stack: a watcher reads many. */
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

/** @param ms milliseconds since the epoch */
export function fromMs(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1_000);
  return {
    $typeName: "google.protobuf.Timestamp",
    seconds: BigInt(seconds),
    nanos: Math.round((ms - seconds * 1_000) * 1_000_000),
  };
}

/** Milliseconds since the epoch, rounded down. */
export function toMs(timestamp: Timestamp): number {
  return Number(timestamp.seconds) * 1_000 + Math.floor(timestamp.nanos / 1_000_000);
}
