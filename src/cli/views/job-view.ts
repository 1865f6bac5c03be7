/** How jobs are printed, and the JSON format that programs rely on. */
import type { Attempt, Job, JobError, JobOptions } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Listing, RecordView } from "../terminal/output.ts";
import type { Column } from "../terminal/table.ts";
import { counted } from "../text/counted.ts";
import { formatDuration } from "../text/duration.ts";
import { shortId } from "../text/job-id.ts";
import { stateName } from "../text/job-states.ts";
import { embedJson } from "../text/json-text.ts";
import { fromTimestamp, isoTime } from "../text/timestamps.ts";
import { STATE_PAINT } from "./state-paint.ts";
import { timeColumn, timeField } from "./time-view.ts";
import { checkpointJson, checkpointsText, waitJson, waitsText } from "./wait-view.ts";

const BACKOFF_NAMES = ["exponential", "fixed", "linear", "exponential"] as const;

/** Every key is always present; values that do not apply are null. */
export function jobJson(job: Job): Record<string, unknown> {
  return {
    ...endedJobJson(job),
    attempts: job.attempts.map(attemptJson),
    waits: job.waits.map(waitJson),
    checkpoints: job.checkpoints.map(checkpointJson),
  };
}

/** A job as an await returns it: without attempts, waits and checkpoints. */
export function endedJobJson(job: Job): Record<string, unknown> {
  return { ...jobSummaryJson(job), args: embedJson(job.args), result: resultJson(job) };
}

/** A job as a list returns it: without arguments and result. */
export function jobSummaryJson(job: Job): Record<string, unknown> {
  return {
    jobId: job.jobId,
    functionName: job.functionName,
    state: stateName(job.state),
    attempt: job.attempt,
    failures: job.failures,
    losses: job.losses,
    error: errorJson(job.error),
    createdAt: isoTime(job.createdAt),
    runAt: isoTime(job.runAt),
    startedAt: isoTime(job.startedAt),
    finishedAt: isoTime(job.finishedAt),
    startBy: isoTime(job.startBy),
    finishBy: isoTime(job.finishBy),
    workerId: textOrNull(job.workerId),
    parentId: textOrNull(job.parentId),
    undoOf: textOrNull(job.undoOf),
    schedule: textOrNull(job.scheduleName),
    scheduledAt: isoTime(job.scheduledAt),
    options: job.options === undefined ? null : optionsJson(job.options),
  };
}

function resultJson(job: Job): unknown {
  return stateName(job.state) === "SUCCESS" ? embedJson(job.result) : null;
}

export function optionsJson(options: JobOptions): Record<string, unknown> {
  return {
    maxAttempts: options.maxAttempts ?? null,
    backoff: BACKOFF_NAMES[options.backoff] ?? null,
    initialDelayMs: options.initialDelayMs ?? null,
    maxDelayMs: options.maxDelayMs ?? null,
    jitter: options.jitter ?? null,
    timeoutMs: options.timeoutMs ?? null,
    priority: options.priority ?? null,
    idempotencyKey: textOrNull(options.idempotencyKey),
    headers: options.headers,
  };
}

export function errorJson(error: JobError | undefined): Record<string, unknown> | null {
  if (error === undefined) return null;
  return { name: error.name, message: error.message, stack: textOrNull(error.stack), reason: error.reason };
}

function attemptJson(attempt: Attempt): Record<string, unknown> {
  return {
    attempt: attempt.attempt,
    outcome: attempt.outcome,
    workerId: textOrNull(attempt.workerId),
    startedAt: isoTime(attempt.startedAt),
    endedAt: isoTime(attempt.endedAt),
    error: errorJson(attempt.error),
  };
}

function textOrNull(text: string): string | null {
  return text === "" ? null : text;
}

const COLUMNS: readonly Column<Job>[] = [
  { header: "ID", value: (job) => job.jobId, short: (job) => shortId(job.jobId) },
  { header: "FUNCTION", value: (job) => job.functionName, short: (job) => functionText(job) },
  { header: "STATE", value: (job) => stateName(job.state), paint: (job) => STATE_PAINT[stateName(job.state)] },
  { header: "ATTEMPT", value: (job) => String(job.attempt), short: (job) => attemptText(job), align: "right" },
  timeColumn("CREATED", (job) => job.createdAt),
  timeColumn(
    "RUNS",
    (job) => job.runAt,
    (job) => stateName(job.state) === "PENDING",
  ),
  timeColumn("FINISHED", (job) => job.finishedAt),
  { header: "ERROR", value: (job) => errorLine(job.error) },
];

/** The function name for a terminal. */
export function functionText({ functionName, undoOf }: Job): string {
  return undoOf === "" ? functionName : `${functionName} (undo)`;
}

function attemptText(job: Job): string {
  return job.options?.maxAttempts === undefined ? String(job.attempt) : `${job.attempt} of ${job.options.maxAttempts}`;
}

/** One line for an error; empty without one. */
export function errorLine(error: JobError | undefined): string {
  if (error === undefined) return "";
  return error.name === "" ? error.message : `${error.name}: ${error.message}`;
}

export const JOB_LISTING: Listing<Job> = {
  name: "jobs",
  columns: COLUMNS,
  json: jobSummaryJson,
  id: (job) => job.jobId,
  empty: "no jobs match",
};

export function jobRecord(job: Job, now: number): RecordView {
  const json = jobJson(job);
  return {
    id: job.jobId,
    json,
    fields: [
      { label: "id", value: job.jobId },
      { label: "function", value: job.functionName },
      { label: "state", value: stateName(job.state) },
      { label: "attempt", value: String(job.attempt), short: attemptLine(job) },
      { label: "args", value: compact(job.args) },
      { label: "result", value: stateName(job.state) === "SUCCESS" ? compact(job.result) : undefined },
      { label: "error", value: errorLine(job.error) || undefined },
      { label: "reason", value: job.error?.reason },
      { label: "stack", value: job.error?.stack || undefined },
      timeField("created", job.createdAt, now),
      timeField("runs at", job.runAt, now),
      timeField("started", job.startedAt, now),
      timeField("finished", job.finishedAt, now),
      timeField("start by", job.startBy, now),
      timeField("finish by", job.finishBy, now),
      { label: "worker", value: job.workerId || undefined },
      { label: "parent", value: job.parentId || undefined },
      { label: "undoes", value: job.undoOf || undefined },
      { label: "schedule", value: job.scheduleName || undefined },
      timeField("tick", job.scheduledAt, now),
      { label: "options", value: JSON.stringify(json["options"]), short: optionsLine(job.options) },
      { label: "waits for", value: waitsText(job.waits, now) },
      { label: "checkpoints", value: checkpointsText(job.checkpoints) },
      { label: "attempts", value: attemptsText(job.attempts) },
    ],
  };
}

function attemptLine(job: Job): string {
  const losses = job.losses === 0 ? "" : `, worker lost ${counted(job.losses, "time")}`;
  return `${attemptText(job)}, ${job.failures} failed${losses}`;
}

function compact(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Options for a terminal, without attempts and times. */
export function optionsLine(options: JobOptions | undefined): string {
  if (options === undefined) return "";
  const delays = `${formatDuration(options.initialDelayMs ?? 0)} to ${formatDuration(options.maxDelayMs ?? 0)}`;
  const timeout = options.timeoutMs === 0 ? "none" : formatDuration(options.timeoutMs ?? 0);
  const parts = [
    `${BACKOFF_NAMES[options.backoff] ?? "?"} backoff, ${delays}, jitter ${options.jitter ?? 0}`,
    `timeout ${timeout}`,
    `priority ${options.priority ?? 0}`,
  ];
  if (options.idempotencyKey !== "") parts.push(`key ${options.idempotencyKey}`);
  for (const [name, value] of Object.entries(options.headers)) parts.push(`header ${name}=${value}`);
  return parts.join("; ");
}

function attemptsText(attempts: readonly Attempt[]): string | undefined {
  if (attempts.length === 0) return undefined;
  return attempts
    .map((one) => {
      const length = (fromTimestamp(one.endedAt) ?? 0) - (fromTimestamp(one.startedAt) ?? 0);
      return `${one.attempt} ${one.outcome} after ${formatDuration(Math.max(0, length))}: ${errorLine(one.error)}`;
    })
    .join("\n");
}
