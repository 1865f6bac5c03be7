import {
  Backoff,
  type JobOptions as JobOptionsMessage,
  OnDuplicate as OnDuplicateMessage,
} from "#proto/gen/reseolio/v1/job_pb.ts";
import type { JobOptionsInput, OnDuplicate } from "../../core/job-options.ts";
import type { BackoffKind, JobSettings } from "../../core/job.ts";
import { toMs } from "./timestamps.ts";
import { unknownEnumValue } from "./unknown-enum-value.ts";

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
